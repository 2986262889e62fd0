//! A server gets one more network card: **turn**, **port** (made, or taken over, and bound to the server's host),
//! **record** (the server has it), **plugged** (it carries traffic), **plug** (the guest has it), **settle**.

use compute_model::fault::Kind;
use compute_model::network::NetworkRequest;
use compute_rpc::workflows::{
    ATTACH_INTERFACE, ATTACH_INTERFACE_VERSION, AttachInterface as State,
};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::tell;
use crate::env::Env;
use crate::why::Why;
use crate::workflows::MINUTE;
use crate::workflows::devices::{
    Change, TRIES, existing, failed, next_command, turn, undone_on_host,
};
use crate::workflows::plugged::{self, Which};
use crate::{ports, records};

const CHANGE: Change = Change {
    verb: "attach network adapter device",
    action: "attach_interface",
};

/// See the module.
pub struct AttachInterface;

impl Workflow for AttachInterface {
    const KIND: &'static str = ATTACH_INTERFACE;
    const VERSION: u16 = ATTACH_INTERFACE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("turn", MINUTE, my_turn).attempts(u32::MAX),
            Step::new("port", 5 * MINUTE, port).undo(give_back),
            Step::new("record", MINUTE, record).undo(forget),
            Step::new("plugged", MINUTE, carries_traffic).attempts(u32::MAX),
            Step::new("plug", 2 * MINUTE, plug)
                .attempts(TRIES)
                .undo(unplug),
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

async fn port(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = existing(env, &state.server_id).await?;
    let vif = ports::add(env, &server, &state.wanted).await?;
    state.vif = Some(vif);
    Ok(Next::Go)
}

async fn give_back(env: &Env, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    if let Some(vif) = &state.vif {
        ports::release_vif(env, &state.server_id, vif).await?;
    } else if let Some(server) = records::load(env, &state.server_id).await? {
        ports::release_added(env, &server, &state.wanted).await?;
    }
    Ok(())
}

async fn record(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(vif) = state.vif.clone() else {
        return Err(StepError::fail("no port was made"));
    };
    records::finish(cx, state, &state.server_id, None, |server| {
        server.vifs.retain(|known| known.port_id != vif.port_id);
        server.vifs.push(vif.clone());
        true
    })
    .await?;
    Ok(Next::Go)
}

async fn forget(_env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    state.plugging_since = None;
    let Some(vif) = state.vif.clone() else {
        return Ok(());
    };
    records::finish(cx, state, &state.server_id, None, |server| {
        server.vifs.retain(|known| known.port_id != vif.port_id);
        true
    })
    .await?;
    Ok(())
}

async fn carries_traffic(
    env: &Env,
    cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    let since = *state.plugging_since.get_or_insert_with(records::now);
    plugged::wait(env, cx, &state.server_id, Which::One(port_id(state)), since).await
}

async fn plug(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = next_command(cx, &state.server_id).await?;
    let server = server.ok_or_else(|| StepError::from(Why::plain(Kind::Deleted)))?;
    let told = tokio::select! {
        told = tell(env, &state.asked, server, port_id(state), true) => told,
        () = cx.cancelled() => return Err(StepError::fail("cancelled")),
    };
    told.map(|()| Next::Go)
        .map_err(|trouble| failed(cx, trouble))
}

/// Takes the card from the guest, as far as its host can be reached. One that stays has no port behind it, and goes
/// with the next start.
async fn unplug(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(server) = next_command(cx, &state.server_id).await? else {
        return Ok(());
    };
    let told = tell(env, &state.asked, server, port_id(state), false).await;
    undone_on_host(cx, &state.server_id, told)
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let of = (state.server_id.as_str(), &state.asked);
    CHANGE.went_well(cx, state, of).await
}

/// The port whose card this is about.
fn port_id(state: &State) -> &str {
    match (&state.vif, &state.wanted) {
        (Some(vif), _) => &vif.port_id,
        (None, NetworkRequest::Port { id, .. }) => id,
        (None, NetworkRequest::Network { .. }) => "",
    }
}
