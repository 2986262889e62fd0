//! A server is put away as deleted, and kept for a while: **quiet** (nothing else works on it), **size** (of two sizes it
//! keeps one), **guest** (its host stops it), **settle** (it counts as deleted), **image** (that of a shelved server goes).
//!
//! What is on no host, or on one that is down, cannot be kept: it is deleted at once, as with Nova.

use compute_db::{DbError, actions, servers};
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Action};
use compute_model::{PowerState, Server, TaskState, VmState};
use compute_rpc::workflows::{
    DELETE, DELETE_VERSION, Delete, SOFT_DELETE, SOFT_DELETE_VERSION, SoftDelete as State,
};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::MINUTE;
use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::images;
use crate::records::{self, Changed};
use crate::why::{FailureText, Why};
use crate::workflows::act::{self, TRIES};
use crate::workflows::{delete, resize};

/// See the module.
pub struct SoftDelete;

impl Workflow for SoftDelete {
    const KIND: &'static str = SOFT_DELETE;
    const VERSION: u16 = SOFT_DELETE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("quiet", MINUTE, quiet).attempts(u32::MAX),
            Step::new("size", MINUTE, size)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES),
            Step::new("guest", MINUTE, guest)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES),
            // The guest is off: what is left does not start it again.
            Step::new("settle", MINUTE, settle).no_return(),
            Step::new("image", 5 * MINUTE, image),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        failed(env, cx, state, why).await
    }
}

fn holds(server: &Server, state: &State) -> bool {
    records::holds(server, state.epoch, &[TaskState::SoftDeleting])
}

/// The server, while the operation holds it.
async fn held(env: &Env, state: &State) -> Result<Option<Server>, StepError> {
    let server = records::load(env, &state.server_id).await?;
    Ok(server.filter(|server| holds(server, state)))
}

async fn quiet(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    delete::others_ended(env, cx, &state.server_id, SOFT_DELETE).await
}

/// A new size that the server has counts as confirmed; one that it was still to get is taken back.
async fn size(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = held(env, state).await?;
    let Some(server) = server.filter(|server| server.resize.is_some()) else {
        return Ok(Next::Go);
    };
    let action = match resize::has_new_size(&server) {
        true => Action::ConfirmResize,
        false => Action::RevertResize,
    };
    if tell(env, cx, state, action, server).await?.is_none() {
        state.lost = true;
        return Ok(Next::Go);
    }
    sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = match servers::lock(&tx, &state.server_id).await {
            Err(DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        if holds(&server, state) {
            resize::close(&tx, &mut server).await?;
            servers::save(&tx, &mut server).await?;
        }
        tx.finish(state).await?;
        Ok::<(), DbError>(())
    })
    .await
    .map_err(records::database)?;
    Ok(Next::Go)
}

async fn guest(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = held(env, state).await? else {
        return Ok(Next::Go);
    };
    match tell(env, cx, state, Action::SoftDelete, server).await? {
        Some(power) => state.power_state = Some(power.number()),
        None => state.lost = true,
    }
    Ok(Next::Go)
}

/// Has the server's host do its part; nothing where there is no host, or one that is down.
async fn tell(
    env: &Env,
    cx: &StepContext,
    state: &State,
    action: Action,
    server: Server,
) -> Result<Option<PowerState>, StepError> {
    let Some(on) = &server.host else {
        return Ok(None);
    };
    // One that was declared down may answer all the same.
    if host::is_dead(env, on).await? {
        return Ok(None);
    }
    let shelved = server.shelved.is_some();
    let message = act::message(action, server);
    match act::command(env, cx, &state.asked, message).await? {
        Ok(done) => Ok(Some(done.power_state)),
        Err(AgentTrouble::Dead(_)) => Ok(None),
        // A host that lost the guest makes it anew when it is restored; one that was shelved would not be what it was.
        Err(AgentTrouble::Host(why)) if why.kind == Kind::Lost => {
            Ok((!shelved).then_some(PowerState::NoState))
        }
        // There is nothing to take back.
        Err(AgentTrouble::Request(_)) if action == Action::RevertResize => {
            Ok(Some(PowerState::NoState))
        }
        Err(AgentTrouble::Away(why) | AgentTrouble::Busy(why)) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(act::AWAY, why.text))
        }
        Err(trouble) => Err(trouble.why().into()),
    }
}

/// The server counts as deleted from now on, by the database's clock; or its deletion begins.
async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let power = records::power(state.power_state);
    sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = match servers::lock(&tx, &state.server_id).await {
            Err(DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        let request = state.asked.request_id.as_str();
        if !holds(&server, state) {
            actions::abandon_events(&*tx, &server.id, Some(request), records::now()).await?;
        } else if state.lost {
            server.task_state = Some(TaskState::Deleting);
            server.epoch += 1;
            servers::save(&tx, &mut server).await?;
            let delete = Delete {
                server_id: server.id.clone(),
                asked: state.asked.clone(),
                image: state.image.clone(),
            };
            let kind = (DELETE, DELETE_VERSION);
            let inserted = workflow::insert(&*tx, kind, &server.id, &delete).await;
            inserted.map_err(|error| records::unwritten(&server.id, error))?;
        } else {
            server.vm_state = VmState::SoftDeleted;
            server.task_state = None;
            server.power_state = power;
            server.soft_deleted_at = Some(sql::now(&*tx).await?);
            server.shelved = None;
            server.rescue = None;
            server.fault = None;
            servers::save(&tx, &mut server).await?;
            let event = records::event(&state.asked, &event(), server.host.as_deref(), None);
            actions::end_event(&*tx, &server.id, request, &event).await?;
        }
        tx.finish(state).await?;
        Ok::<(), DbError>(())
    })
    .await
    .map_err(records::database)?;
    Ok(Next::Go)
}

/// A shelved server is restored from its disk. Where its deletion began, the image goes with that.
async fn image(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if let Some(image) = state.image.as_ref().filter(|_| !state.lost) {
        images::remove(env, &image.token, &image.id).await?;
    }
    Ok(Next::Go)
}

fn event() -> String {
    event_of("soft_delete")
}

/// The server stays what it was. Nobody knows whether its host may still stop it: it gets a new epoch, and the host hears
/// of that.
async fn failed(env: &Env, cx: &StepContext, state: &State, why: &Value) -> Result<(), StepError> {
    let why = Why::of(why);
    let verb = lifecycle::rule(Action::SoftDelete).verb;
    let told = FailureText {
        message: format!("Failed to {verb} instance: {}", why.kind.sentence()),
        details: why.text,
    };
    let event = records::event(&state.asked, &event(), None, Some(&told));
    let event = Some((&state.asked, event));
    let changed = records::change(cx, &state.server_id, event, |server| {
        if !holds(server, state) {
            return false;
        }
        server.epoch = state.epoch + 1;
        server.task_state = None;
        server.fault = Some(records::fault(&told));
        true
    })
    .await?;
    match changed {
        Changed::Yes => host::say_given_up(env, &state.asked, &state.server_id, state.epoch).await,
        Changed::Overtaken => Ok(()),
    }
}
