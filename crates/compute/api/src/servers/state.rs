//! The action `os-resetState`.

use std::sync::Arc;

use compute_control::servers::state;
use compute_model::VmState;

use super::actions::ResetState;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

pub async fn reset(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: ResetState = call.admit()?;
    let to = match request.reset_state.state.as_str() {
        "active" => VmState::Active,
        _ => VmState::Error,
    };
    state::reset(&api.control, &call.cx, call.path("id"), to).await?;
    Ok(Answer::empty())
}
