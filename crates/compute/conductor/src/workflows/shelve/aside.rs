//! A server is put aside: its disk becomes an image, and it may leave its host.
//!
//! Until the image is whole, all is taken back: the guest starts again if it ran. From then on it only goes forward.

use bus::Options;
use compute_db::{DbError, actions, claims, servers};
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Action, Operation};
use compute_model::shelve::Shelved;
use compute_model::{PowerState, Server, TaskState, VmState};
use compute_rpc::agent;
use compute_rpc::workflows::{SHELVE, SHELVE_VERSION, Shelve as State};
use serde_json::Value;
use std::time::Duration;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{TASKS, holds};
use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::records::{self, Changed};
use crate::why::{FailureText, Why};
use crate::workflows::act::{self, TRIES};
use crate::workflows::build::disks;
use crate::workflows::devices;
use crate::workflows::{MINUTE, snapshot};
use crate::{letting_go, ports};

/// See the module.
pub struct Shelve;

impl Workflow for Shelve {
    const KIND: &'static str = SHELVE;
    const VERSION: u16 = SHELVE_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("image", MINUTE, image)
                .attempts(snapshot::LOOKS)
                .undo(remove_image),
            Step::new("devices", MINUTE, devices_at_rest).attempts(u32::MAX),
            Step::new("stop", MINUTE, stop)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES)
                .undo(start_again),
            Step::new("export", MINUTE, export)
                .within(|env| env.settings.build_timeout + MINUTE)
                .attempts(snapshot::TRIES)
                .undo(discard),
            Step::new("upload", MINUTE, upload)
                .within(|env| env.settings.build_timeout + MINUTE)
                .attempts(snapshot::TRIES),
            // The image is whole: what is left does not take it back.
            Step::new("shelved", MINUTE, shelved).no_return(),
            Step::new("guest", MINUTE, guest).within(|env| env.settings.action_timeout + MINUTE),
            Step::new("ports", 5 * MINUTE, leave_ports),
            Step::new("volumes", 5 * MINUTE, leave_volumes),
            Step::new("offloaded", MINUTE, offloaded),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        failed(env, cx, state, why).await
    }
}

/// The server while the operation holds it.
async fn held(env: &Env, state: &State) -> Result<Server, StepError> {
    let server = records::load(env, &state.server_id).await?;
    let server = server.filter(|server| holds(server, state.epoch));
    server.ok_or_else(|| Why::plain(Kind::Overtaken).into())
}

async fn devices_at_rest(
    env: &Env,
    _cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    devices::at_rest(env, &state.server_id).await
}

async fn image(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match &mut state.image {
        Some(image) => snapshot::image(env, cx, image).await,
        None => Ok(Next::Go),
    }
}

async fn remove_image(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    match &mut state.image {
        Some(image) => snapshot::remove_image(env, cx, image).await,
        None => Ok(()),
    }
}

async fn stop(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if state.was == VmState::Shelved {
        return Ok(Next::Go);
    }
    let server = held(env, state).await?;
    act::tell(env, cx, &state.asked, Action::Stop, server).await?;
    Ok(Next::Go)
}

/// A guest that ran starts again; what the memory of a paused or suspended one held is gone.
async fn start_again(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    state.stopped = state.was != VmState::Shelved;
    if state.was != VmState::Active {
        return Ok(());
    }
    let of = (state.server_id.as_str(), &state.asked, state.epoch);
    match act::take_back(env, cx, of, TASKS, Action::Start).await? {
        Ok(()) | Err(AgentTrouble::Stale | AgentTrouble::Dead(_)) => Ok(()),
        Err(trouble) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(act::AWAY, trouble.why().text))
        }
        Err(trouble) => {
            let why = trouble.why().text;
            tracing::warn!(
                server = state.server_id,
                why,
                "a guest does not start again"
            );
            Ok(())
        }
    }
}

async fn export(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match &state.image {
        Some(image) => {
            let task = TaskState::ShelvingImagePendingUpload;
            snapshot::export_while(env, cx, image, task).await
        }
        None => Ok(Next::Go),
    }
}

async fn discard(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    match &mut state.image {
        Some(image) => snapshot::discard(env, cx, image).await,
        None => Ok(()),
    }
}

async fn upload(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match &state.image {
        Some(image) => {
            let task = TaskState::ShelvingImageUploading;
            snapshot::upload_while(env, cx, image, task).await
        }
        None => Ok(Next::Go),
    }
}

async fn shelved(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if state.was == VmState::Shelved {
        return Ok(Next::Go);
    }
    let image_id = state.image.as_ref().map(|image| image.image_id.clone());
    let changed = write(cx, state, !state.offload, |server| {
        server.vm_state = VmState::Shelved;
        server.power_state = PowerState::Shutdown;
        server.task_state = state.offload.then_some(TaskState::ShelvingOffloading);
        server.shelved = Some(Shelved {
            image_id: image_id.clone(),
        });
    })
    .await?;
    if changed == Changed::Overtaken {
        forget_image(env, cx, state).await?;
    }
    Ok(Next::Go)
}

/// Removes the image of a server that was taken over before its row named it: nobody else knows of it.
async fn forget_image(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(image) = &mut state.image else {
        return Ok(());
    };
    let server = records::load(env, &state.server_id).await?;
    let named = server.and_then(|server| server.shelved?.image_id);
    match named.as_ref() == Some(&image.image_id) {
        // An earlier run of this step wrote it.
        true => Ok(()),
        false => snapshot::remove_image(env, cx, image).await,
    }
}

/// The guest goes, with its disks. A host that is down lets it go when it returns.
async fn guest(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = leaving(env, state).await? else {
        return Ok(Next::Go);
    };
    let Some(on) = server.host.clone() else {
        return Ok(Next::Go);
    };
    let message = agent::Destroy {
        server_id: server.id.clone(),
        epoch: server.epoch,
    };
    let options = Options::from(state.asked.context()).deadline(env.settings.action_timeout);
    match host::call(env, &on, message.clone(), options).await {
        Ok(_) | Err(AgentTrouble::Stale) => Ok(Next::Go),
        Err(AgentTrouble::Dead(_)) => {
            letting_go::leave(cx, &server.id).await?;
            host::leave_word(env, &on, &state.asked, message).await;
            Ok(Next::Go)
        }
        Err(trouble) => Err(StepError::retry(Duration::from_secs(1), trouble.why().text)),
    }
}

/// The server, if it is to leave its host and nobody took it over.
async fn leaving(env: &Env, state: &State) -> Result<Option<Server>, StepError> {
    if !state.offload {
        return Ok(None);
    }
    let server = records::load(env, &state.server_id).await?;
    Ok(server.filter(|server| holds(server, state.epoch)))
}

async fn leave_ports(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if let Some(server) = leaving(env, state).await? {
        ports::leave_host(env, &server).await?;
    }
    Ok(Next::Go)
}

/// The volumes stay reserved for the server, and no host reaches them any more.
async fn leave_volumes(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if let Some(server) = leaving(env, state).await? {
        disks::keep_reserved(env, cx, &server).await?;
    }
    Ok(Next::Go)
}

async fn offloaded(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if state.offload {
        write(cx, state, true, |server| {
            server.vm_state = VmState::ShelvedOffloaded;
            server.power_state = PowerState::NoState;
            server.task_state = None;
            server.host = None;
            server.node = None;
            server.node_id = None;
            for vif in &mut server.vifs {
                vif.active = false;
                vif.tap = None;
                vif.netns = None;
            }
        })
        .await?;
    }
    Ok(Next::Go)
}

/// The end of a step: changes the server while the operation holds it. `ends`: the whole operation went well.
async fn write(
    cx: &StepContext,
    state: &State,
    ends: bool,
    change: impl Fn(&mut Server) + Send + Sync,
) -> Result<Changed, StepError> {
    sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = match servers::lock(&tx, &state.server_id).await {
            Err(DbError::NotFound(_)) => return Ok(Changed::Overtaken),
            other => other?,
        };
        let ours = holds(&server, state.epoch);
        if ours {
            let host = server.host.clone();
            change(&mut server);
            if server.host.is_none() {
                claims::release(&tx, &server.id).await?;
            }
            servers::save(&tx, &mut server).await?;
            if ends {
                let event = records::event(&state.asked, &event(state), host.as_deref(), None);
                actions::end_event(&*tx, &server.id, &state.asked.request_id, &event).await?;
            }
        } else {
            let request = Some(state.asked.request_id.as_str());
            actions::abandon_events(&*tx, &server.id, request, records::now()).await?;
            // What else the step does comes before its end.
            tx.commit().await?;
            return Ok(Changed::Overtaken);
        }
        tx.finish(state).await?;
        Ok::<_, DbError>(Changed::Yes)
    })
    .await
    .map_err(records::database)
}

fn event(state: &State) -> String {
    event_of(rule(state).record)
}

fn rule(state: &State) -> lifecycle::Rule {
    lifecycle::operation(match state.was {
        VmState::Shelved => Operation::ShelveOffload,
        _ => Operation::Shelve,
    })
}

async fn failed(env: &Env, cx: &StepContext, state: &State, why: &Value) -> Result<(), StepError> {
    let why = Why::of(why);
    let told = FailureText {
        message: format!(
            "Failed to {} instance: {}",
            rule(state).verb,
            why.kind.sentence()
        ),
        details: why.text,
    };
    let event = records::event(&state.asked, &event(state), None, Some(&told));
    let changed = records::change(
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
            if state.stopped && matches!(state.was, VmState::Paused | VmState::Suspended) {
                server.vm_state = VmState::Stopped;
                server.power_state = PowerState::Shutdown;
            }
            true
        },
    )
    .await?;
    match changed {
        Changed::Yes => host::say_given_up(env, &state.asked, &state.server_id, state.epoch).await,
        Changed::Overtaken => Ok(()),
    }
}
