//! Actions on guests: start, stop, reboot, pause, unpause, suspend, resume, unrescue, crash dump.

use std::sync::Arc;

use compute_control::servers;
use compute_model::lifecycle::Action;

use super::actions::{ChangePassword, RebootServer, TriggerCrashDump};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

async fn act(api: &Api, call: &Call, action: Action) -> Result<Answer, Fault> {
    servers::act(&api.control, &call.cx, call.path("id"), action).await?;
    Ok(Answer::empty())
}

pub async fn start(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    act(&api, &call, Action::Start).await
}

pub async fn stop(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    act(&api, &call, Action::Stop).await
}

pub async fn reboot(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: RebootServer = call.admit()?;
    let action = match request.reboot.kind.to_ascii_uppercase().as_str() {
        "HARD" => Action::RebootHard,
        _ => Action::RebootSoft,
    };
    act(&api, &call, action).await
}

pub async fn pause(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    act(&api, &call, Action::Pause).await
}

pub async fn unpause(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    act(&api, &call, Action::Unpause).await
}

pub async fn suspend(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    act(&api, &call, Action::Suspend).await
}

pub async fn resume(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    act(&api, &call, Action::Resume).await
}

pub async fn unrescue(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    act(&api, &call, Action::Unrescue).await
}

pub async fn trigger_crash_dump(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let TriggerCrashDump {
        trigger_crash_dump: (),
    } = call.admit()?;
    act(&api, &call, Action::CrashDump).await
}

pub async fn change_password(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let ChangePassword { change_password } = call.admit()?;
    let (id, password) = (call.path("id"), change_password.admin_pass);
    servers::passwords::change(&api.control, &call.cx, id, password).await?;
    Ok(Answer::empty())
}
