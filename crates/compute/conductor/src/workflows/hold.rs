//! Volumes that are reserved for a server before it is written: **request** (until the request fails, or counts as
//! dead), **release** (what was reserved is given back, unless the server is there).
//!
//! The transaction that writes the server asks this to turn round. The volumes are the server's then: its build takes
//! them up, and its failure or deletion gives them back. From *release* on that comes too late, and nothing is written.
//! A request whose commit was not answered may count as failed although its server is there: the volumes stay its own.

use compute_rpc::workflows::{
    HOLD_VOLUMES, HOLD_VOLUMES_VERSION, HoldVolumes as State, REQUEST_FAILED,
};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::MINUTE;
use crate::env::Env;
use crate::{records, volumes};

/// See the module.
pub struct HoldVolumes;

impl Workflow for HoldVolumes {
    const KIND: &'static str = HOLD_VOLUMES;
    const VERSION: u16 = HOLD_VOLUMES_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("request", MINUTE, request).attempts(u32::MAX),
            Step::new("release", MINUTE, release).no_return(),
        ]
    }

    async fn undone(
        env: &Env,
        _cx: &StepContext,
        state: &mut State,
        _why: &Value,
    ) -> Result<(), StepError> {
        // Turned round by who wrote the server; operators cannot do it (`can_undo`). A server that is not there was
        // deleted since.
        free(env, state).await
    }
}

async fn request(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if cx.signal(&[REQUEST_FAILED]).await?.is_some() {
        return Ok(Next::Go);
    }
    match (state.until - records::now()).to_std() {
        Ok(left) if !left.is_zero() => Err(StepError::retry(left, "the request is under way")),
        _ => Ok(Next::Go),
    }
}

async fn release(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    free(env, state).await?;
    Ok(Next::Go)
}

/// Gives everything back that was reserved for the server, unless it is there.
async fn free(env: &Env, state: &State) -> Result<(), StepError> {
    match records::load(env, &state.server_id).await? {
        Some(_) => Ok(()),
        None => volumes::release_all_of(env, &state.server_id).await,
    }
}
