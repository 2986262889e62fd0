//! A server gets another size, until its owner says whether for good.

use compute_db::{DbError, claims, server_migrations, servers};
use compute_model::fault::Kind;
use compute_model::lifecycle::Action;
use compute_model::request::{self, PlacementRequest};
use compute_model::state::MigrationStatus;
use compute_model::{TaskState, VmState};
use compute_rpc::scheduler::SelectHost;
use compute_rpc::workflows::{RESIZE, RESIZE_VERSION, Resize as State};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Claims, Ending, TASKS, failed, held, holds, settle};
use crate::env::Env;
use crate::host::AgentTrouble;
use crate::records;
use crate::why::Why;
use crate::workflows::MINUTE;
use crate::workflows::act::{self, TRIES};
use crate::workflows::build::{neighbours, place};

/// See the module.
pub struct Resize;

impl Workflow for Resize {
    const KIND: &'static str = RESIZE;
    const VERSION: u16 = RESIZE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("claim", 2 * MINUTE, claim)
                .attempts(TRIES)
                .undo(unclaim),
            Step::new("change", MINUTE, change)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES)
                .undo(change_back),
            Step::new("settle", MINUTE, done),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let lost: fn(&mut compute_model::Server) = |server| {
            server.resize = None;
            server.vm_state = VmState::Error;
        };
        let kept: fn(&mut compute_model::Server) = |server| server.resize = None;
        let change = if state.lost { lost } else { kept };
        let ending = (MigrationStatus::Error, change);
        failed(env, cx, (state, Action::Resize), why, ending).await
    }
}

/// What became of the claim.
enum Claimed {
    Yes,
    Overtaken,
    NoRoom(String),
}

async fn claim(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if !env.settings.allow_resize_to_same_host {
        // Other hosts cannot take its disks yet.
        let why =
            "allow_resize_to_same_host is false, and servers are resized on their own host alone";
        return Err(Why::new(Kind::NoHost, why).into());
    }
    suits(env, state).await?;
    let claimed = sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = match servers::lock(&tx, &state.server_id).await {
            Err(DbError::NotFound(_)) => return Ok(Claimed::Overtaken),
            other => other?,
        };
        let (Some(sizes), Some(node_id)) = (server.resize.clone(), server.node_id.clone()) else {
            return Ok(Claimed::Overtaken);
        };
        if !holds(&server, state) {
            return Ok(Claimed::Overtaken);
        }
        let kept = claims::of_consumer(&*tx, &sizes.migration_id).await?;
        if kept.is_empty() {
            claims::hand_over(&tx, &server.id, &sizes.migration_id).await?;
        }
        let amounts = request::of_flavor(&sizes.new, server.boots_from_volume());
        claims::claim(&tx, &server.id, &node_id, &amounts).await?;
        server.task_state = Some(TaskState::ResizeMigrating);
        servers::save(&tx, &mut server).await?;
        let (id, status) = (&sizes.migration_id, MigrationStatus::Migrating);
        server_migrations::note(&tx, id, status, records::now()).await?;
        tx.finish(state).await?;
        Ok::<_, DbError>(Claimed::Yes)
    })
    .await;
    let claimed = match claimed {
        Err(error @ DbError::NoRoom { .. }) => Claimed::NoRoom(error.to_string()),
        other => other.map_err(records::database)?,
    };
    match claimed {
        Claimed::Yes => Ok(Next::Go),
        Claimed::Overtaken => Err(Why::plain(Kind::Overtaken).into()),
        Claimed::NoRoom(why) => Err(Why::new(Kind::NoRoom, why).into()),
    }
}

/// Asks the scheduler whether the server's host suits the new size: other hosts cannot take its disks yet. Its claim of
/// the old size counts beside that of the new one, as with Nova.
async fn suits(env: &Env, state: &mut State) -> Result<(), StepError> {
    let (mut server, sizes) = held(env, state).await?;
    server.flavor = sizes.new;
    let mut request = PlacementRequest::on_its_host(&server);
    neighbours::note(env, &server, &mut request).await?;
    let message = SelectHost {
        request,
        alternates: 0,
    };
    let selection = place::ask(env, &state.asked, message).await?;
    if !selection.choices.is_empty() {
        return Ok(());
    }
    state.explanation = selection.explanation.of_requested_host();
    Err(Why::new(Kind::NoHost, state.explanation.sentence()).into())
}

/// The server holds again what its migration kept.
async fn unclaim(_env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    sql::retry(|| async {
        let tx = cx.begin().await?;
        let server = match servers::lock(&tx, &state.server_id).await {
            Err(DbError::NotFound(_)) => None,
            other => Some(other?),
        };
        if let Some(server) = server.filter(|server| holds(server, state))
            && let Some(sizes) = &server.resize
            && !claims::of_consumer(&*tx, &sizes.migration_id)
                .await?
                .is_empty()
        {
            claims::release(&tx, &server.id).await?;
            claims::hand_over(&tx, &sizes.migration_id, &server.id).await?;
        }
        tx.finish(state).await?;
        Ok::<(), DbError>(())
    })
    .await
    .map_err(records::database)
}

async fn change(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (mut server, sizes) = held(env, state).await?;
    server.flavor = sizes.new;
    server.local_disks = server.local_disks.resized();
    let power = act::tell(env, cx, &state.asked, Action::Resize, server).await?;
    state.power_state = Some(power.number());
    Ok(Next::Go)
}

/// The host takes the change back, whether or not it had begun. A dead one does not: the server is in error then.
async fn change_back(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    state.power_state = None;
    let of = (state.server_id.as_str(), &state.asked, state.epoch);
    match act::take_back(env, cx, of, TASKS, Action::RevertResize).await? {
        Ok(()) | Err(AgentTrouble::Stale) => Ok(()),
        // It never began.
        Err(AgentTrouble::Request(_)) => Ok(()),
        Err(AgentTrouble::Dead(why)) => {
            tracing::warn!(
                server = state.server_id,
                why = why.text,
                "a resize is not taken back"
            );
            state.lost = true;
            Ok(())
        }
        Err(trouble) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(act::AWAY, trouble.why().text))
        }
        Err(trouble) => {
            let why = trouble.why().text;
            tracing::error!(
                server = state.server_id,
                why,
                "a resize cannot be taken back"
            );
            state.lost = true;
            Ok(())
        }
    }
}

async fn done(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let power = records::power(state.power_state);
    let ending = Ending {
        action: Action::Resize,
        failed: None,
        status: MigrationStatus::Finished,
        claims: Claims::Both,
    };
    settle(cx, (state, true), &ending, |server, sizes| {
        server.flavor = sizes.new.clone();
        server.local_disks = server.local_disks.resized();
        server.vm_state = VmState::Resized;
        server.power_state = power;
        server.launched_at = Some(records::now());
        server.fault = None;
    })
    .await?;
    Ok(Next::Go)
}
