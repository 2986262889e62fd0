//! A server keeps its new size.

use compute_model::lifecycle::Action;
use compute_model::state::MigrationStatus;
use compute_model::{PowerState, VmState};
use compute_rpc::workflows::{CONFIRM_RESIZE, RESIZE_VERSION, Resize as State};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Claims, Ending, failed, held, settle};
use crate::env::Env;
use crate::records;
use crate::workflows::MINUTE;
use crate::workflows::act::{self, TRIES};

/// See the module.
pub struct ConfirmResize;

impl Workflow for ConfirmResize {
    const KIND: &'static str = CONFIRM_RESIZE;
    const VERSION: u16 = RESIZE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("confirm", MINUTE, confirm)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES),
            Step::new("settle", MINUTE, done),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let ending = (MigrationStatus::Finished, (|_| ()) as fn(&mut _));
        failed(env, cx, (state, Action::ConfirmResize), why, ending).await
    }
}

async fn confirm(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (server, _) = held(env, state).await?;
    let power = act::tell(env, cx, &state.asked, Action::ConfirmResize, server).await?;
    state.power_state = Some(power.number());
    Ok(Next::Go)
}

async fn done(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let power = records::power(state.power_state);
    let ending = Ending {
        action: Action::ConfirmResize,
        failed: None,
        status: MigrationStatus::Confirmed,
        claims: Claims::New,
    };
    settle(cx, (state, true), &ending, |server, _| {
        server.power_state = power;
        // Its owner may have seen to it in the guest.
        server.vm_state = match server.power_state {
            PowerState::Shutdown | PowerState::Crashed => VmState::Stopped,
            _ => VmState::Active,
        };
        server.resize = None;
    })
    .await?;
    Ok(Next::Go)
}
