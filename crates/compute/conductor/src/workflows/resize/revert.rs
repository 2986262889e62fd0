//! A server gets its old size back, and its disks as they were.

use compute_model::VmState;
use compute_model::lifecycle::Action;
use compute_model::state::MigrationStatus;
use compute_rpc::workflows::{RESIZE_VERSION, REVERT_RESIZE, Resize as State};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Claims, Ending, failed, held, settle};
use crate::env::Env;
use crate::records;
use crate::workflows::MINUTE;
use crate::workflows::act::{self, TRIES};

/// See the module.
pub struct RevertResize;

impl Workflow for RevertResize {
    const KIND: &'static str = REVERT_RESIZE;
    const VERSION: u16 = RESIZE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("revert", MINUTE, revert)
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
        let change: fn(&mut compute_model::Server) = |server| server.vm_state = VmState::Error;
        let ending = (MigrationStatus::Error, change);
        failed(env, cx, (state, Action::RevertResize), why, ending).await
    }
}

async fn revert(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (mut server, sizes) = held(env, state).await?;
    server.local_disks = sizes.disks_before(&server);
    server.flavor = sizes.old;
    let power = act::tell(env, cx, &state.asked, Action::RevertResize, server).await?;
    state.power_state = Some(power.number());
    Ok(Next::Go)
}

async fn done(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let power = records::power(state.power_state);
    let ending = Ending {
        action: Action::RevertResize,
        failed: None,
        status: MigrationStatus::Reverted,
        claims: Claims::Old,
    };
    settle(cx, (state, true), &ending, |server, sizes| {
        server.local_disks = sizes.disks_before(server);
        server.flavor = sizes.old.clone();
        server.vm_state = sizes.was;
        server.power_state = power;
        server.launched_at = Some(records::now());
        server.resize = None;
        server.fault = None;
    })
    .await?;
    Ok(Next::Go)
}
