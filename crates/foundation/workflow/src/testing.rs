//! The harness that every workflow passes.
//!
//! [`torture`] runs a workflow many times, each time in a fresh world: undisturbed; with each step run
//! twice; with a failure after each step; and with the runner killed before and after each save of
//! each of these, continued by another runner. After each run the caller's audit looks at the world.

use std::sync::Arc;
use std::time::Duration;

use sql::Database;

pub use crate::meddle::Crash;
pub(crate) use crate::meddle::Meddler;
use crate::{Options, Record, Runner, Status, Workflow, WorkflowId};

/// How long one run of a workflow under test may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A fresh world for one run.
pub struct World<W: Workflow> {
    /// With the tables of [`crate::Migration`].
    pub db: Database,
    pub env: Arc<W::Env>,
    pub subject: String,
    pub state: W::State,
}

/// What was done to a run; its `Debug` form tells a failed audit apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    pub each_step_twice: bool,
    /// The step that failed although it had done its work.
    pub failed_at: Option<&'static str>,
    /// The save, counted from 0, at which the runner died.
    pub crashed_at: Option<(usize, Crash)>,
}

/// Runs `W` in every way. `world` makes a fresh world; `audit` sees how the run ended and must panic
/// when something is missing after [`Status::Done`] or left after [`Status::Undone`].
///
/// # Panics
/// When a run gets stuck, does not end, or ends against its trial: an undisturbed run must be done,
/// and an injected failure undone.
pub async fn torture<W: Workflow>(
    world: impl AsyncFn() -> World<W>,
    audit: impl AsyncFn(&Trial, &W::Env, &Record),
) {
    let mut trials = vec![
        Trial::default(),
        Trial {
            each_step_twice: true,
            ..Trial::default()
        },
    ];
    for step in W::steps() {
        trials.push(Trial {
            failed_at: Some(step.name),
            ..Trial::default()
        });
    }
    for trial in trials {
        let saves = once(&trial, &world, &audit).await;
        for save in 0..saves {
            for crash in [Crash::Before, Crash::After] {
                let crashing = Trial {
                    crashed_at: Some((save, crash)),
                    ..trial.clone()
                };
                once(&crashing, &world, &audit).await;
            }
        }
    }
}

/// One run; gives how often it saved.
async fn once<W: Workflow>(
    trial: &Trial,
    world: &impl AsyncFn() -> World<W>,
    audit: &impl AsyncFn(&Trial, &W::Env, &Record),
) -> usize {
    let World {
        db,
        env,
        subject,
        state,
    } = world().await;
    let meddler = Meddler {
        twice: trial.each_step_twice,
        fail_at: trial.failed_at,
        crash_at: trial.crashed_at,
        ..Meddler::default()
    };
    let kind = crate::Kind {
        name: W::KIND,
        version: W::VERSION,
    };
    let id = crate::insert(db.write(), kind, &subject, &state)
        .await
        .expect("insert the workflow");
    let first = runner::<W>(&db, &env, meddler.clone());
    first.nudge(id);
    if trial.crashed_at.is_some() {
        until(|| async { meddler.crashed() || ended(&db, id).await.is_some() }).await;
        first.die().await;
        let second = runner::<W>(
            &db,
            &env,
            Meddler {
                crash_at: None,
                ..meddler.clone()
            },
        );
        second.nudge(id);
        wait(&db, id).await;
        second.stop(PATIENCE).await;
    } else {
        wait(&db, id).await;
        first.stop(PATIENCE).await;
    }
    let record = wait(&db, id).await;
    let expected = if trial.failed_at.is_some() {
        Status::Undone
    } else {
        Status::Done
    };
    assert_eq!(record.status, expected, "{trial:?}: {:?}", record.error);
    audit(trial, &env, &record).await;
    meddler.saves.load(std::sync::atomic::Ordering::SeqCst)
}

fn runner<W: Workflow>(db: &Database, env: &Arc<W::Env>, meddler: Meddler) -> Runner<W::Env> {
    let options = Options {
        sweep: Duration::from_millis(10),
        ..Options::default()
    };
    Runner::build(db.clone(), "test", env.clone())
        .on::<W>()
        .options(options)
        .meddler(meddler)
        .start()
}

/// Waits until the workflow ended: done, undone or stuck.
///
/// # Panics
/// After a minute.
pub async fn wait(db: &Database, id: WorkflowId) -> Record {
    until(|| async { ended(db, id).await.is_some() }).await;
    ended(db, id).await.expect("it ended")
}

async fn ended(db: &Database, id: WorkflowId) -> Option<Record> {
    let record = crate::get(db.read(), id).await.expect("read the workflow");
    record.filter(|record| record.status != Status::Running)
}

/// Waits for `condition`, asking every few milliseconds.
///
/// # Panics
/// After a minute.
pub async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
