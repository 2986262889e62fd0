//! Another size for a server, on its host.
//!
//! **begin**: *claim* (if the scheduler finds that the host suits; beside what the server holds, which its migration
//! keeps), *change* (its host stops it, keeps its disks as they are, and starts it with the new size), *settle*: it
//! waits for its owner's word. Undone, its host takes the change back. **confirm**: *confirm* (its host forgets what it
//! kept), *settle*. **revert**: *revert* (its host takes the disks back), *settle*.

pub mod begin;
pub mod confirm;
pub mod revert;

use compute_db::{DbError, actions, claims, server_migrations, servers};
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Action};
use compute_model::resize::Resize as Sizes;
use compute_model::state::MigrationStatus;
use compute_model::{Server, TaskState};
use compute_rpc::workflows::Resize as State;
use serde_json::Value;
use sql::sea_orm::DatabaseTransaction;
use workflow::{StepContext, StepError};

use crate::env::Env;
use crate::host;
use crate::records;
use crate::why::{FailureText, Why};

/// Task states of a server while one of these workflows holds it.
const TASKS: &[TaskState] = &[
    TaskState::ResizePrep,
    TaskState::ResizeMigrating,
    TaskState::ResizeMigrated,
    TaskState::ResizeFinish,
    TaskState::ResizeConfirming,
    TaskState::ResizeReverting,
];

fn holds(server: &Server, state: &State) -> bool {
    records::holds(server, state.epoch, TASKS)
}

/// The server while the operation holds it, with what it is and was.
async fn held(env: &Env, state: &State) -> Result<(Server, Sizes), StepError> {
    let server = records::load(env, &state.server_id).await?;
    let server = server.filter(|server| holds(server, state));
    let sizes = server.as_ref().and_then(|server| server.resize.clone());
    server
        .zip(sizes)
        .ok_or_else(|| Why::plain(Kind::Overtaken).into())
}

/// How an operation ends.
struct Ending<'a> {
    action: Action,
    failed: Option<&'a FailureText>,
    /// Of the migration.
    status: MigrationStatus,
    claims: Claims,
}

/// What becomes of what the server holds of its host, and of what its migration kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claims {
    Both,
    New,
    Old,
}

impl Claims {
    async fn settle(
        self,
        tx: &DatabaseTransaction,
        server_id: &str,
        migration_id: &str,
    ) -> Result<(), DbError> {
        match self {
            Claims::Both => Ok(()),
            Claims::New => claims::release(tx, migration_id).await,
            Claims::Old => {
                claims::release(tx, server_id).await?;
                claims::hand_over(tx, migration_id, server_id).await
            }
        }
    }
}

/// Whether a server has the new size of its resize already, whatever became of it since.
pub fn has_new_size(server: &Server) -> bool {
    let sizes = server.resize.as_ref();
    sizes.is_some_and(|sizes| sizes.new.id == server.flavor.id)
}

/// Ends a resize whose server is deleted and kept, before the server is saved: the server keeps the size that it has.
pub async fn close(tx: &DatabaseTransaction, server: &mut Server) -> Result<(), DbError> {
    let confirmed = has_new_size(server);
    let Some(sizes) = server.resize.take() else {
        return Ok(());
    };
    let id = &sizes.migration_id;
    let kept = !claims::of_consumer(tx, id).await?.is_empty();
    let (claims, status) = match (confirmed, kept) {
        (true, _) => (Claims::New, MigrationStatus::Confirmed),
        (false, true) => (Claims::Old, MigrationStatus::Error),
        (false, false) => (Claims::Both, MigrationStatus::Error),
    };
    claims.settle(tx, &server.id, id).await?;
    server_migrations::note(tx, id, status, records::now()).await
}

/// One transaction that changes the server while the operation holds it, and what belongs to it. It ends the step, if
/// `ends`.
async fn settle(
    cx: &StepContext,
    (state, ends): (&State, bool),
    ending: &Ending<'_>,
    change: impl Fn(&mut Server, &Sizes) + Send + Sync,
) -> Result<(), StepError> {
    let name = event_of(lifecycle::rule(ending.action).record);
    sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = match servers::lock(&tx, &state.server_id).await {
            Err(DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        let now = records::now();
        if holds(&server, state)
            && let Some(sizes) = server.resize.clone()
        {
            server.task_state = None;
            let id = &sizes.migration_id;
            ending.claims.settle(&tx, &server.id, id).await?;
            change(&mut server, &sizes);
            servers::save(&tx, &mut server).await?;
            server_migrations::note(&tx, id, ending.status, now).await?;
            let host = server.host.as_deref();
            let event = records::event(&state.asked, &name, host, ending.failed);
            actions::end_event(&*tx, &server.id, &state.asked.request_id, &event).await?;
        } else {
            let request = Some(state.asked.request_id.as_str());
            actions::abandon_events(&*tx, &server.id, request, now).await?;
        }
        match ends {
            true => drop(tx.finish(state).await?),
            false => tx.commit().await?,
        }
        Ok::<(), DbError>(())
    })
    .await
    .map_err(records::database)
}

/// Writes down why a part failed. The server has another epoch then, and its host hears of that: what comes late is
/// refused.
async fn failed(
    env: &Env,
    cx: &StepContext,
    (state, action): (&State, Action),
    why: &Value,
    (status, change): (MigrationStatus, fn(&mut Server)),
) -> Result<(), StepError> {
    let why = Why::of(why);
    let verb = lifecycle::rule(action).verb;
    let told = FailureText {
        message: match why.kind {
            Kind::NoHost => state.explanation.told_to_owner(),
            kind => format!("Failed to {verb} instance: {}", kind.sentence()),
        },
        details: why.text,
    };
    let ending = Ending {
        action,
        failed: Some(&told),
        status,
        claims: Claims::Both,
    };
    settle(cx, (state, false), &ending, |server, _| {
        server.epoch = state.epoch + 1;
        server.fault = Some(records::fault(&told));
        change(server);
    })
    .await?;
    let server = records::load(env, &state.server_id).await?;
    match server.is_some_and(|server| server.epoch == state.epoch + 1) {
        true => host::say_given_up(env, &state.asked, &state.server_id, state.epoch).await,
        false => Ok(()),
    }
}
