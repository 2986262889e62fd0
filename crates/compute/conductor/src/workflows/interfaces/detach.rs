//! A server loses a network card: **turn**, **record** (the server has it no more), **unplug** (the guest let go of
//! it), **port** (deleted, or given back to whoever made it), **settle**.

use std::time::Duration;

use compute_model::Server;
use compute_rpc::workflows::{
    DETACH_INTERFACE, DETACH_INTERFACE_VERSION, DetachInterface as State,
};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::tell;
use crate::env::Env;
use crate::host::AgentTrouble;
use crate::workflows::MINUTE;
use crate::workflows::devices::{Change, TRIES, failed, next_command, turn, undone_on_host};
use crate::{ports, records};

/// How often a guest is asked that does not let go of its card, as one that is still booting.
const ASKED: u32 = 3;

const CHANGE: Change = Change {
    verb: "detach network adapter device",
    action: "detach_interface",
};

/// See the module.
pub struct DetachInterface;

impl Workflow for DetachInterface {
    const KIND: &'static str = DETACH_INTERFACE;
    const VERSION: u16 = DETACH_INTERFACE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("turn", MINUTE, my_turn).attempts(u32::MAX),
            Step::new("record", MINUTE, forget).undo(remember),
            Step::new("unplug", 2 * MINUTE, unplug)
                .attempts(TRIES)
                .undo(plug_again),
            // The guest has no card any more: what is left is to give the port back.
            Step::new("port", 5 * MINUTE, give_back).no_return(),
            Step::new("settle", MINUTE, settle),
        ]
    }

    async fn undone(
        _env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let of = (state.server_id.as_str(), &state.asked);
        CHANGE.failed(cx, state, of, why).await
    }
}

async fn my_turn(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    turn(env, &state.before).await
}

async fn forget(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    records::finish(cx, state, &state.server_id, None, |server| {
        server.vifs.retain(|vif| vif.port_id != state.vif.port_id);
        true
    })
    .await?;
    Ok(Next::Go)
}

/// Puts the card back into the record, unless its port is the server's no more.
async fn remember(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    if !ports::is_tied(env, &state.server_id, &state.vif.port_id).await? {
        return Ok(());
    }
    records::finish(cx, state, &state.server_id, None, |server| {
        put_back(server, state);
        true
    })
    .await?;
    Ok(())
}

fn put_back(server: &mut Server, state: &State) {
    let mut known = server.vifs.iter();
    if known.all(|vif| vif.port_id != state.vif.port_id) {
        server.vifs.push(state.vif.clone());
    }
}

async fn unplug(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = next_command(cx, &state.server_id).await? else {
        return Ok(Next::Go);
    };
    let told = tokio::select! {
        told = tell(env, &state.asked, server, &state.vif.port_id, false) => told,
        () = cx.cancelled() => return Err(StepError::fail("cancelled")),
    };
    match told {
        Ok(()) => Ok(Next::Go),
        Err(AgentTrouble::Host(why)) if cx.attempt() + 1 < ASKED => {
            Err(StepError::retry(Duration::from_secs(5), why.text))
        }
        Err(trouble) => Err(failed(cx, trouble)),
    }
}

/// Gives the guest its card back, if it let go of it and its host can be reached. Else it has it again with its next
/// start.
async fn plug_again(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(mut server) = next_command(cx, &state.server_id).await? else {
        return Ok(());
    };
    if !ports::is_tied(env, &state.server_id, &state.vif.port_id).await? {
        return Ok(());
    }
    put_back(&mut server, state);
    let told = tell(env, &state.asked, server, &state.vif.port_id, true).await;
    undone_on_host(cx, &state.server_id, told)
}

async fn give_back(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    ports::release_vif(env, &state.server_id, &state.vif).await?;
    Ok(Next::Go)
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let of = (state.server_id.as_str(), &state.asked);
    CHANGE.went_well(cx, state, of).await
}
