//! The actions `resize`, `confirmResize` and `revertResize`.

use std::sync::Arc;

use compute_control::servers::resize;

use super::actions::ResizeServer;
use super::ask;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

pub async fn resize(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let ResizeServer { resize } = call.admit()?;
    let disk_config = ask::disk_config(resize.disk_config.as_deref());
    let flavor = resize.flavor_ref.into_id();
    resize::resize(
        &api.control,
        &call.cx,
        call.path("id"),
        &flavor,
        disk_config,
    )
    .await?;
    Ok(Answer::empty())
}

pub async fn confirm(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    resize::confirm(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

pub async fn revert(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    resize::revert(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}
