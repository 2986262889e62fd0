//! The actions `lock` and `unlock`.

use std::sync::Arc;

use compute_control::servers::lock as control;
use microversion::Patch;

use super::actions::LockServer;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

pub async fn lock(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: LockServer = call.admit()?;
    let reason = match request.lock {
        Patch::Value(lock) => lock.locked_reason,
        Patch::Absent | Patch::Null => None,
    };
    control::lock(&api.control, &call.cx, call.path("id"), reason.as_deref()).await?;
    Ok(Answer::empty())
}

pub async fn unlock(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    control::unlock(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}
