//! A shelved server that is still on its host starts again.

use compute_model::VmState;
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Action, Operation};
use compute_rpc::workflows::{UNSHELVE_HERE, UNSHELVE_VERSION, UnshelveHere as State};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::holds;
use crate::env::Env;
use crate::images;
use crate::records;
use crate::why::{FailureText, Why};
use crate::workflows::MINUTE;
use crate::workflows::act::{self, TRIES};
use crate::workflows::devices;

/// See the module.
pub struct UnshelveHere;

impl Workflow for UnshelveHere {
    const KIND: &'static str = UNSHELVE_HERE;
    const VERSION: u16 = UNSHELVE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("devices", MINUTE, devices_at_rest).attempts(u32::MAX),
            Step::new("start", MINUTE, start)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES),
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

fn event() -> String {
    event_of(lifecycle::operation(Operation::Unshelve).record)
}

async fn devices_at_rest(
    env: &Env,
    _cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    devices::at_rest(env, &state.server_id).await
}

async fn start(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = records::load(env, &state.server_id).await?;
    let server = server.filter(|server| holds(server, state.epoch));
    let server = server.ok_or_else(|| StepError::from(Why::plain(Kind::Overtaken)))?;
    let power = act::tell(env, cx, &state.asked, Action::Start, server).await?;
    state.power_state = Some(power.number());
    Ok(Next::Go)
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let power = records::power(state.power_state);
    let event = records::event(&state.asked, &event(), None, None);
    let event = Some((&state.asked, event));
    records::finish(cx, state, &state.server_id, event, |server| {
        if !holds(server, state.epoch) {
            return false;
        }
        server.vm_state = VmState::Active;
        server.task_state = None;
        server.power_state = power;
        server.launched_at = Some(records::now());
        server.shelved = None;
        true
    })
    .await?;
    Ok(Next::Go)
}

/// The image of its disk is of no use any more.
async fn image(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if let Some(image) = &state.image {
        images::remove(env, &image.token, &image.id).await?;
    }
    Ok(Next::Go)
}

async fn failed(cx: &StepContext, state: &State, why: &Value) -> Result<(), StepError> {
    let why = Why::of(why);
    let told = FailureText {
        message: format!("Failed to unshelve instance: {}", why.kind.sentence()),
        details: why.text,
    };
    let event = records::event(&state.asked, &event(), None, Some(&told));
    records::change(
        cx,
        &state.server_id,
        Some((&state.asked, event)),
        |server| {
            if !holds(server, state.epoch) {
                return false;
            }
            server.epoch = state.epoch + 1;
            server.task_state = None;
            server.fault = Some(records::fault(&told));
            true
        },
    )
    .await?;
    Ok(())
}
