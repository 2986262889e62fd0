//! `DELETE /servers/{id}`, and the actions `forceDelete` and `restore`.

use std::sync::Arc;

use compute_control::servers;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    servers::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

pub async fn force(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    servers::force_delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

pub async fn restore(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    servers::restore::restore(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}
