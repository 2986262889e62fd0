//! A shelved server that left its host is built again: with its ports and volumes, from the image of its disk. The steps
//! are those of a build. When no host is left, it stays shelved.

use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Operation};
use compute_model::{TaskState, VmState};
use compute_rpc::workflows::{Build as State, UNSHELVE, UNSHELVE_VERSION};
use serde_json::{Value, json};
use workflow::{Next, Step, StepContext, StepError, Workflow};

use crate::env::Env;
use crate::records::{self, finish};
use crate::why::{FailureText, Why};
use crate::workflows::MINUTE;
use crate::workflows::build::{self, TRIES, disks, explain};
use crate::workflows::devices;
use crate::{images, ports};

/// See the module.
pub struct Unshelve;

impl Workflow for Unshelve {
    const KIND: &'static str = UNSHELVE;
    const VERSION: u16 = UNSHELVE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("devices", MINUTE, devices_at_rest).attempts(u32::MAX),
            Step::new("place", 2 * MINUTE, build::place::place)
                .attempts(TRIES)
                .undo(build::place::unplace),
            Step::new("ports", 5 * MINUTE, bind_ports).undo(leave_ports),
            Step::new("volumes", MINUTE, reach_volumes)
                .within(|env| env.settings.build_timeout + MINUTE)
                .undo(leave_volumes),
            Step::new("plugged", MINUTE, build::carry_traffic).attempts(u32::MAX),
            Step::new("spawn", MINUTE, build::spawn)
                .within(|env| env.settings.build_timeout + MINUTE)
                .attempts(TRIES)
                .undo(build::destroy),
            Step::new("attached", MINUTE, disks::complete),
            Step::new("settle", MINUTE, settle).no_return(),
            Step::new("image", 5 * MINUTE, image),
        ]
    }

    async fn undone(
        _env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        failed(cx, state, why).await
    }
}

async fn devices_at_rest(
    env: &Env,
    _cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    devices::at_rest(env, &state.server_id).await
}

async fn bind_ports(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = records::load(env, &state.server_id).await? else {
        return Err(Why::plain(Kind::Deleted).into());
    };
    let bound = ports::ensure(env, &server, &state.plan).await?;
    finish(cx, state, &state.server_id, None, |server| {
        for vif in &mut server.vifs {
            let port = bound.iter().find(|port| port.port_id == vif.port_id);
            if let Some(port) = port {
                // Whether it was there before the server was said when it was made.
                let preexisting = vif.preexisting;
                vif.clone_from(port);
                vif.preexisting = preexisting;
            }
        }
        true
    })
    .await?;
    Ok(Next::Go)
}

async fn leave_ports(env: &Env, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    state.plugging_since = None;
    match records::load(env, &state.server_id).await? {
        Some(server) => ports::leave_host(env, &server).await,
        None => Ok(()),
    }
}

/// The host reaches the volumes that were kept for the server.
async fn reach_volumes(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = records::load(env, &state.server_id).await? else {
        return Err(Why::plain(Kind::Deleted).into());
    };
    disks::connect_all(env, cx, &server).await?;
    Ok(Next::Go)
}

async fn leave_volumes(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    match records::load(env, &state.server_id).await? {
        Some(server) => disks::keep_reserved(env, cx, &server).await,
        None => Ok(()),
    }
}

fn unshelving(server: &compute_model::Server) -> bool {
    server.task_state == Some(TaskState::Unshelving)
}

fn event() -> String {
    event_of(lifecycle::operation(Operation::Unshelve).record)
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let power = records::power(state.power_state);
    let host = state.tried.last().map(String::as_str);
    let event = records::event(&state.asked, &event(), host, None);
    let event = Some((&state.asked, event));
    // A delete that claimed it meanwhile waits for the end of this, and takes down what runs.
    finish(cx, state, &state.server_id, event, |server| {
        if !unshelving(server) {
            return false;
        }
        server.vm_state = VmState::Active;
        server.task_state = None;
        server.power_state = power;
        server.launched_at = Some(records::now());
        server.shelved = None;
        server.fault = None;
        true
    })
    .await?;
    Ok(Next::Go)
}

/// The image of its disk is of no use any more; the host keeps what it needs of it.
async fn image(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if let (Some(image), Some(token)) = (&state.shelved_image, &state.plan.token) {
        images::remove(env, token, &image.id).await?;
    }
    state.plan.token = None;
    Ok(Next::Go)
}

async fn failed(cx: &StepContext, state: &mut State, why: &Value) -> Result<(), StepError> {
    state.plan.token = None;
    if why["cancelled"] == json!(true) {
        return Ok(());
    }
    let why = explain::explain(state, &Why::of(why));
    let told = FailureText {
        message: format!("Failed to unshelve instance: {}", why.message),
        details: why.details,
    };
    let event = records::event(&state.asked, &event(), None, Some(&told));
    let event = Some((&state.asked, event));
    finish(cx, state, &state.server_id, event, |server| {
        if !unshelving(server) {
            return false;
        }
        server.task_state = None;
        server.fault = Some(records::fault(&told));
        true
    })
    .await?;
    Ok(())
}
