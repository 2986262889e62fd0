//! The harness that every workflow passes.
//!
//! [`torture`] runs a workflow many times, each time in a fresh world: undisturbed; with each step run twice; with a
//! failure after each step and in each undo; each of these with the runner killed, or standing still while another
//! one takes over, or its workflow cancelled, at any point; and random mixtures of all that. After each run the
//! caller's audit looks at the world.
//!
//! Random trials print their seed when they fail. `KILONOVA_TORTURE_SEED` repeats it, `KILONOVA_TORTURE_ROUNDS` says
//! how many there are, for a soak.

use std::sync::Arc;
use std::time::Duration;

use sql::Database;

pub use crate::meddle::{At, Stop};
use crate::meddle::{Meddler, Orders};
use crate::{Kind, Options, Record, Runner, SoleProcess, Status, Workflow, WorkflowId};

/// How long one run of a workflow under test may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The lease where it has to run out before another runner takes over.
const SHORT: Duration = Duration::from_millis(250);

/// The lease where a successor is told that its holder is dead. A statement that the dead one had sent may take it anew
/// after that.
const LONG: Duration = Duration::from_secs(3);

/// Points tried where all would take too long.
const FEW: usize = 4;

/// A fresh world for one run.
pub struct World<W: Workflow> {
    /// With the tables of [`crate::Migration`].
    pub db: Database,
    /// The same database, opened once more: a second process.
    pub other: Database,
    pub env: Arc<W::Env>,
    pub subject: String,
    pub state: W::State,
    /// What happens once the workflow is in the journal: signals that others send.
    pub meets: Option<Meets>,
}

/// What happens in a world once its workflow is in the journal.
pub type Meets = Box<dyn Fn(WorkflowId) -> futures::future::BoxFuture<'static, ()> + Send + Sync>;

/// How much to try.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The name in the journal: one of its own, where other runners work on the same journal.
    pub name: &'static str,
    /// Points tried of each way to disturb the whole way forward and the whole way back; a few of the others.
    pub points: usize,
    /// Random trials after that, unless the environment says how many.
    pub rounds: usize,
}

/// What was done to a run; its `Debug` form tells a failed audit apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    pub each_step_twice: bool,
    /// The step that failed although it had done its work.
    pub failed_at: Option<&'static str>,
    /// The step whose undo failed once although it had done its work.
    pub undo_failed_at: Option<&'static str>,
    pub stops: Vec<(At, Stop)>,
    /// The next runner waits for the lease of one that died, as it knows nothing of it.
    pub lease_runs_out: bool,
    /// Where this trial comes from, if it is a random one.
    pub seed: Option<u64>,
}

/// Runs `W` in every way. `world` makes a fresh world; `audit` sees how the run ended and must panic
/// when something is missing after [`Status::Done`] or left after [`Status::Undone`].
///
/// # Panics
/// When a run gets stuck, does not end, or ends against its trial: an undisturbed run must be done,
/// and an injected failure undone where there is a way back.
pub async fn torture<W: Workflow>(
    plan: Plan,
    world: impl AsyncFn() -> World<W>,
    audit: impl AsyncFn(&Trial, &W::Env, &Record),
) {
    let mut random = Random::from_environment();
    let bases = bases::<W>();
    let mut counted = Vec::new();
    for base in &bases {
        counted.push(once(plan, base, &world, &audit).await);
    }
    for (base, (points, wakes)) in bases.iter().zip(&counted) {
        for stop in stops::<W>(base) {
            let (most_points, most_wakes) = match stop {
                // Each waits for a lease. What it stands still in may hold what others need, as a transaction of
                // another service: only at points.
                Stop::Freezes => (plan.points.min(FEW), 0),
                _ if is_main::<W>(base) => (plan.points, plan.points.min(FEW)),
                _ => (plan.points.min(FEW), plan.points.min(FEW / 2)),
            };
            let points = random.some_of(*points, most_points).into_iter();
            let wakes = random.some_of(*wakes, most_wakes).into_iter();
            for at in points.map(At::Point).chain(wakes.map(At::Wake)) {
                let trial = Trial {
                    stops: vec![(at, stop)],
                    lease_runs_out: random.below(8) == 0,
                    ..base.clone()
                };
                once(plan, &trial, &world, &audit).await;
            }
        }
    }
    for _ in 0..random.rounds.unwrap_or(plan.rounds) {
        let trial = random.trial(&bases, &counted);
        once(plan, &trial, &world, &audit).await;
    }
}

/// What is tried without stopping the runner.
fn bases<W: Workflow>() -> Vec<Trial> {
    let steps = W::steps();
    let mut trials = vec![Trial::default()];
    trials.push(Trial {
        each_step_twice: true,
        ..Trial::default()
    });
    for step in &steps {
        trials.push(Trial {
            failed_at: Some(step.name),
            ..Trial::default()
        });
    }
    let last = steps.last().map(|step| step.name);
    for step in steps.iter().filter(|step| step.undo.is_some()) {
        trials.push(Trial {
            failed_at: last,
            undo_failed_at: Some(step.name),
            ..Trial::default()
        });
    }
    trials
}

/// Whether a trial is the whole way forward, or the whole way back.
fn is_main<W: Workflow>(base: &Trial) -> bool {
    let last = W::steps().last().map(|step| step.name);
    let undoes_all = base.failed_at == last && base.undo_failed_at.is_none();
    *base == Trial::default() || undoes_all
}

/// The ways to stop a runner, for this trial.
fn stops<W: Workflow>(base: &Trial) -> Vec<Stop> {
    match is_main::<W>(base) {
        true => vec![Stop::Dies, Stop::Freezes, Stop::IsCancelled],
        false => vec![Stop::Dies],
    }
}

/// A sequence that a seed repeats (splitmix64).
pub struct Random {
    seed: u64,
    state: u64,
    /// How much to try, if somebody says so (`KILONOVA_TORTURE_ROUNDS`).
    pub rounds: Option<usize>,
}

impl Random {
    /// The sequence of `KILONOVA_TORTURE_SEED`; without it the same one each time, so that a change is not refused for a fault
    /// that it did not make, and another one each time where `KILONOVA_TORTURE_ROUNDS` asks for long trials. Says which.
    #[allow(
        clippy::disallowed_methods,
        reason = "a switch for people who look for a fault"
    )]
    pub fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let fresh = || uuid::Uuid::new_v4().as_u64_pair().0;
        let rounds = number("KILONOVA_TORTURE_ROUNDS");
        let usual = || if rounds.is_some() { fresh() } else { 1 };
        let seed = number("KILONOVA_TORTURE_SEED").unwrap_or_else(usual);
        println!("KILONOVA_TORTURE_SEED={seed}");
        Random {
            seed,
            state: seed,
            rounds: rounds.and_then(|rounds| usize::try_from(rounds).ok()),
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 when that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    /// So many different numbers below `of`, in order.
    fn some_of(&mut self, of: usize, most: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..of).collect();
        while all.len() > most {
            let out = self.below(all.len());
            all.remove(out);
        }
        all
    }

    fn trial(&mut self, bases: &[Trial], counted: &[(usize, usize)]) -> Trial {
        let number = self.below(bases.len());
        let (points, wakes) = counted[number];
        let mut trial = bases[number].clone();
        trial.seed = Some(self.seed);
        for stop in [Stop::IsCancelled, Stop::Dies, Stop::Freezes] {
            if self.below(2) == 0 {
                let at = match self.below(2) {
                    1 if stop != Stop::Freezes => At::Wake(self.below(wakes)),
                    _ => At::Point(self.below(points)),
                };
                trial.stops.push((at, stop));
            }
        }
        trial.lease_runs_out = self.below(4) == 0;
        trial
    }
}

/// One run; gives how many points it passed and how often it was woken.
async fn once<W: Workflow>(
    plan: Plan,
    trial: &Trial,
    world: &impl AsyncFn() -> World<W>,
    audit: &impl AsyncFn(&Trial, &W::Env, &Record),
) -> (usize, usize) {
    let world = world().await;
    let kind = Kind::from((plan.name, W::VERSION));
    let id = crate::insert(world.db.write(), kind, &world.subject, &world.state)
        .await
        .expect("insert the workflow");
    if let Some(meets) = &world.meets {
        meets(id).await;
    }
    let orders = Orders {
        twice: trial.each_step_twice,
        fail_at: trial.failed_at,
        fail_undo_at: trial.undo_failed_at,
        stops: trial.stops.clone(),
        ..Orders::default()
    };
    let meddler = Meddler::new(orders.clone());
    let freezes = trial.stops.iter().any(|(_, stop)| *stop == Stop::Freezes);
    // The proof that makes a successor of the dead begin at once.
    let sole =
        (!freezes && !trial.lease_runs_out).then(|| SoleProcess::holding(uuid::Uuid::new_v4()));
    let first = runner::<W>(plan, &world.db, &world.env, meddler.clone(), sole.clone());
    first.nudge(id);
    let undisturbed = Meddler::new(Orders {
        stops: Vec::new(),
        fail_undo_at: None,
        ..orders
    });
    let next = || {
        runner::<W>(
            plan,
            &world.other,
            &world.env,
            undisturbed.clone(),
            sole.clone(),
        )
    };
    let mut second = None;
    loop {
        until_in(trial, || async {
            meddler.is_dead()
                || meddler.frozen().is_some()
                || ended(&world.other, id).await.is_some()
        })
        .await;
        match meddler.frozen() {
            _ if meddler.is_dead() => {
                first.die().await;
                second = Some(next());
                break;
            }
            Some(Stop::IsCancelled) => {
                // This one alone: what the world needed for its subject may still be on its way.
                let asked = crate::request_cancel_of(world.other.write(), id).await;
                asked.expect("asked to cancel");
                meddler.thaw();
                first.nudge(id);
            }
            Some(_) => {
                // It holds the lease until that runs out, and wakes up when all is over.
                let other = next();
                ends(trial, &world.other, id).await;
                meddler.thaw();
                second = Some(other);
                break;
            }
            None => break,
        }
    }
    if let Some(second) = &second {
        second.nudge(id);
    }
    let record = ends(trial, &world.other, id).await;
    // All is over: a stop that was ordered for later would only keep the runner from ending.
    meddler.calm();
    first.stop(TIMEOUT).await;
    if let Some(second) = second {
        second.stop(TIMEOUT).await;
    }
    expect::<W>(trial, &record);
    audit(trial, &world.env, &record).await;
    meddler.counts()
}

/// Panics when a run ended against its trial.
fn expect<W: Workflow>(trial: &Trial, record: &Record) {
    let place = |name: &str| W::steps().iter().position(|step| step.name == name);
    let forward = match &record.forward_from {
        _ if !W::CANCELLABLE => Some(0),
        Some(step) => place(step),
        None => None,
    };
    let past = |step: &str| forward.is_some_and(|from| place(step) >= Some(from));
    let cancelled = trial
        .stops
        .iter()
        .any(|(_, stop)| *stop == Stop::IsCancelled);
    let allowed: &[Status] = match trial.failed_at {
        Some(step) if !past(step) => &[Status::Undone],
        _ if cancelled && forward.is_none() => &[Status::Done, Status::Undone],
        _ => &[Status::Done],
    };
    assert!(
        allowed.contains(&record.status),
        "{trial:?}: {:?} {:?}",
        record.status,
        record.error
    );
}

fn runner<W: Workflow>(
    plan: Plan,
    db: &Database,
    env: &Arc<W::Env>,
    meddler: Meddler,
    sole: Option<SoleProcess>,
) -> Runner {
    let options = Options {
        sweep: Duration::from_millis(10),
        lease: if sole.is_some() { LONG } else { SHORT },
        ..Options::default()
    };
    Runner::build(db.clone(), "test", env.clone())
        .on_named::<W>(plan.name)
        .options(options)
        .meddler(meddler)
        .sole(sole)
        .start()
}

/// Waits until the workflow ended: done, undone, stuck or abandoned.
///
/// # Panics
/// After a minute.
pub async fn wait(db: &Database, id: WorkflowId) -> Record {
    ends(&Trial::default(), db, id).await
}

async fn ends(trial: &Trial, db: &Database, id: WorkflowId) -> Record {
    waited(trial, || async {
        let record = crate::get(db.read(), id).await.expect("read the workflow");
        match record {
            Some(record) if record.status != Status::Running => Ok(record),
            record => Err(format!("not ended: {record:?}")),
        }
    })
    .await
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
    until_in(&Trial::default(), condition).await;
}

/// What `look` finds in the end; it says what it sees until then.
///
/// # Panics
/// After a minute, with what was seen last.
pub async fn found<T, F: Future<Output = Result<T, String>>>(look: impl Fn() -> F) -> T {
    waited(&Trial::default(), look).await
}

async fn until_in<F: Future<Output = bool>>(trial: &Trial, condition: impl Fn() -> F) {
    waited(trial, || async {
        match condition().await {
            true => Ok(()),
            false => Err(String::new()),
        }
    })
    .await;
}

/// What `look` finds in the end; it says what it sees until then.
async fn waited<T, F: Future<Output = Result<T, String>>>(
    trial: &Trial,
    look: impl Fn() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(
                tokio::time::Instant::now() < deadline,
                "not within {TIMEOUT:?}: {trial:?}: {seen}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
