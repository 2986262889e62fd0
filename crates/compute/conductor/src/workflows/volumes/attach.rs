//! A server gets a volume: **turn**, **reserve** (nobody else gets it), **record** (the server has it), **connect** (its
//! host may reach it), **quiet** (nothing starts the guest), **plug** (the guest has it), **complete** (the volume service
//! shows it in use), **settle**.
//!
//! A shelved server may be on no host. Its record has the volume then, and its host reaches it when it comes back.

use compute_model::fault::Kind;
use compute_model::volume::AttachedVolume;
use compute_model::{Server, TaskState};
use compute_rpc::workflows::{ATTACH_VOLUME, ATTACH_VOLUME_VERSION, AttachVolume as State};
use serde_json::Value;
use uuid::Uuid;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{no_start_under_way, quiet, tell};
use crate::env::Env;
use crate::host::AgentTrouble;
use crate::why::Why;
use crate::workflows::MINUTE;
use crate::workflows::devices::{AWAY, Change, TRIES, existing, failed, next_command, turn};
use crate::{records, volumes};

const CHANGE: Change = Change {
    verb: "attach volume",
    action: "attach_volume",
};

/// See the module.
pub struct AttachVolume;

impl Workflow for AttachVolume {
    const KIND: &'static str = ATTACH_VOLUME;
    const VERSION: u16 = ATTACH_VOLUME_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("turn", MINUTE, my_turn).attempts(u32::MAX),
            Step::new("reserve", MINUTE, reserve).undo(give_back),
            Step::new("record", MINUTE, record).undo(forget),
            Step::new("connect", MINUTE, connect),
            Step::new("quiet", MINUTE, no_start).attempts(u32::MAX),
            Step::new("plug", 2 * MINUTE, plug)
                .attempts(TRIES)
                .undo(unplug),
            Step::new("complete", MINUTE, complete),
            Step::new("settle", MINUTE, settle),
        ]
    }

    async fn undone(
        _env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let of = (state.server_id.as_str(), &state.asked);
        CHANGE.failed(cx, state, of, why).await
    }
}

async fn my_turn(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    turn(env, &state.before).await
}

async fn no_start(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    quiet(env, &state.server_id).await
}

async fn reserve(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = existing(env, &state.server_id).await?;
    let mut volumes = server.volumes.iter();
    if volumes.any(|volume| volume.volume_id == state.volume_id) {
        return Err(Why::new(Kind::Volume, "the server has the volume already").into());
    }
    state.volume = Some(AttachedVolume {
        volume_id: state.volume_id.clone(),
        attachment_id: volumes::reserve(env, &server, &state.volume_id).await?,
        bdm_uuid: Uuid::new_v4().to_string(),
        device: server.next_device(None),
        tag: state.tag.clone(),
        delete_on_termination: state.delete_on_termination,
        boot: false,
        boot_order: None,
        bus: None,
        cdrom: false,
        connection: None,
        detaching: false,
    });
    Ok(Next::Go)
}

async fn give_back(env: &Env, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let server = records::load(env, &state.server_id).await?;
    if let Some(volume) = &state.volume {
        let recorded = |server: &Server| {
            let mut volumes = server.volumes.iter();
            volumes.any(|known| known.attachment_id == volume.attachment_id)
        };
        return match server.as_ref().is_some_and(recorded) {
            // Its deletion gives it back.
            true => Ok(()),
            false => volumes::release(env, &volume.attachment_id).await,
        };
    }
    match server {
        Some(server) => volumes::release_reserved(env, &server, &state.volume_id).await,
        None => Ok(()),
    }
}

async fn record(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let volume = reserved(state)?.clone();
    records::finish(cx, state, &state.server_id, None, |server| {
        server
            .volumes
            .retain(|known| known.volume_id != volume.volume_id);
        server.volumes.push(volume.clone());
        true
    })
    .await?;
    Ok(Next::Go)
}

async fn forget(_env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    records::finish(cx, state, &state.server_id, None, |server| {
        let plugged = server
            .volumes
            .iter()
            .any(|known| known.volume_id == state.volume_id && known.connection.is_some());
        if !(plugged && is_going(server)) {
            server
                .volumes
                .retain(|known| known.volume_id != state.volume_id);
        }
        true
    })
    .await?;
    Ok(())
}

/// Whether a delete took the server over: it removes the guest first, and gives its volumes back then.
fn is_going(server: &Server) -> bool {
    server.task_state == Some(TaskState::Deleting)
}

async fn connect(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = existing(env, &state.server_id).await?;
    if server.host.is_none() {
        return Ok(Next::Go);
    }
    let connection = volumes::connect(env, &server, reserved(state)?).await?;
    if let Some(volume) = &mut state.volume {
        volume.connection = Some(connection.clone());
    }
    records::finish(cx, state, &state.server_id, None, |server| {
        let mut volumes = server.volumes.iter_mut();
        let known = volumes.find(|known| known.volume_id == state.volume_id);
        known.is_some_and(|known| {
            known.connection = Some(connection.clone());
            true
        })
    })
    .await?;
    Ok(Next::Go)
}

async fn plug(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    no_start_under_way(env, &state.server_id, AWAY).await?;
    let server = next_command(cx, &state.server_id).await?;
    let server = server.ok_or_else(|| StepError::from(Why::plain(Kind::Deleted)))?;
    if server.host.is_none() {
        return Ok(Next::Go);
    }
    let told = tokio::select! {
        told = tell(env, &state.asked, server, &state.volume_id, true) => told,
        () = cx.cancelled() => return Err(StepError::fail("cancelled")),
    };
    told.map(|()| Next::Go)
        .map_err(|trouble| failed(cx, trouble))
}

/// Takes the volume from the guest. Until it let go, or its host counts as dead, the volume is not given back. The guest of
/// a server that is being deleted goes as a whole, and its volumes after it.
async fn unplug(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(server) = next_command(cx, &state.server_id).await? else {
        return Ok(());
    };
    if is_going(&server) || server.host.is_none() {
        return Ok(());
    }
    no_start_under_way(env, &state.server_id, AWAY).await?;
    match tell(env, &state.asked, server, &state.volume_id, false).await {
        Ok(()) | Err(AgentTrouble::Request(_) | AgentTrouble::Dead(_)) => Ok(()),
        Err(trouble) => Err(StepError::retry(AWAY, trouble.why().text)),
    }
}

async fn complete(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    volumes::complete(env, &reserved(state)?.attachment_id).await?;
    Ok(Next::Go)
}

async fn settle(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    // What a run reserved that was given up and came late.
    if let Some(server) = records::load(env, &state.server_id).await? {
        volumes::release_reserved(env, &server, &state.volume_id).await?;
    }
    let of = (state.server_id.as_str(), &state.asked);
    CHANGE.went_well(cx, state, of).await
}

fn reserved(state: &State) -> Result<&AttachedVolume, StepError> {
    let reserved = state.volume.as_ref();
    reserved.ok_or_else(|| StepError::fail("no volume was reserved"))
}
