//! A server loses a volume: **alone** (nothing puts another one in its place), **begin** (users see it, and the request
//! waits for that), **turn**, **record** (the guest does not get it back when it starts), **quiet** (nothing starts
//! it), **unplug** (the guest let go of it), **release** (others may have it), **settle** (the server has it no more).
//!
//! A shelved server may be on no host: the volume is reserved for it, or shown in use, and nobody has to let go of it.

use std::time::Duration;

use compute_model::Server;
use compute_model::volume::AttachedVolume;
use compute_rpc::workflows::{
    DETACH_VOLUME, DETACH_VOLUME_VERSION, DetachVolume as State, SWAP_VOLUME,
};
use serde_json::Value;
use workflow::{Next, Record, Status, Step, StepContext, StepError, Workflow};

use super::{no_start_under_way, quiet, tell};
use crate::env::Env;
use crate::host::AgentTrouble;
use crate::workflows::MINUTE;
use crate::workflows::devices::{AWAY, Change, TRIES, failed, next_command, turn, undone_on_host};
use crate::{records, volumes};

/// How often a guest is asked that does not let go of its volume, as one that is still booting.
const ASKED: u32 = 3;

/// How often it is looked whether another volume has taken the place of this one.
const LOOK: Duration = Duration::from_millis(100);

const CHANGE: Change = Change {
    verb: "detach volume",
    action: "detach_volume",
};

/// See the module.
pub struct DetachVolume;

impl Workflow for DetachVolume {
    const KIND: &'static str = DETACH_VOLUME;
    const VERSION: u16 = DETACH_VOLUME_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("alone", MINUTE, alone).attempts(u32::MAX),
            Step::new("begin", MINUTE, begin).undo(roll),
            Step::new("turn", MINUTE, my_turn).attempts(u32::MAX),
            Step::new("record", MINUTE, note).undo(take_back),
            Step::new("quiet", MINUTE, no_start).attempts(u32::MAX),
            Step::new("unplug", 2 * MINUTE, unplug)
                .attempts(TRIES)
                .undo(plug_again),
            // The guest has it no more: what is left is to give it back.
            Step::new("release", 5 * MINUTE, release).no_return(),
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

/// Waits for what was accepted before and puts another volume in the place of this one: the volume service ends that
/// for a volume in use. What is taken is then what the server has by now, the old one or the new.
async fn alone(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    for id in state.before.iter().filter_map(|id| id.parse().ok()) {
        let earlier = workflow::get(env.db.read(), id).await;
        let earlier = earlier.map_err(|error| StepError::retry(Duration::from_secs(1), error))?;
        let Some(swap) = earlier.filter(|record| replaces(record, &state.volume)) else {
            continue;
        };
        if swap.status == Status::Running {
            return Err(StepError::retry(LOOK, "another volume takes its place"));
        }
        let server = records::load(env, &state.server_id).await?;
        let volumes = server.map(|server| server.volumes).unwrap_or_default();
        let known = volumes.into_iter().find(|known| replaces(&swap, known));
        if let Some(known) = known {
            state.volume = known;
        }
    }
    Ok(Next::Go)
}

/// Whether an operation puts another volume in the place of this one, or did so.
fn replaces(record: &Record, volume: &AttachedVolume) -> bool {
    let (old, new) = (&record.state["old"], &record.state["attachment_id"]);
    let has = |attachment: &Value| *attachment == volume.attachment_id;
    record.kind == SWAP_VOLUME
        && old["volume_id"] == volume.volume_id
        && (has(&old["attachment_id"]) || has(new))
}

/// Whether a server has the attachment still: a change before this one may have ended it, and the volume then shows
/// what becomes of others' attachments.
fn has(server: &Server, state: &State) -> bool {
    let mut volumes = server.volumes.iter();
    volumes.any(|known| known.attachment_id == state.volume.attachment_id)
}

async fn attached(env: &Env, state: &State) -> Result<Option<Server>, StepError> {
    let server = records::load(env, &state.server_id).await?;
    Ok(server.filter(|server| has(server, state)))
}

async fn begin(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = attached(env, state).await?;
    if server.is_some_and(|server| server.host.is_some()) {
        volumes::begin_detaching(env, &state.volume.volume_id).await?;
    }
    state.begun = true;
    Ok(Next::Go)
}

async fn roll(env: &Env, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    match attached(env, state).await? {
        Some(_) => volumes::roll_detaching(env, &state.volume.volume_id).await,
        None => Ok(()),
    }
}

async fn note(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    mark(cx, state, true).await?;
    Ok(Next::Go)
}

async fn take_back(_env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    mark(cx, state, false).await
}

async fn mark(cx: &StepContext, state: &State, detaching: bool) -> Result<(), StepError> {
    records::finish(cx, state, &state.server_id, None, |server| {
        let mut volumes = server.volumes.iter_mut();
        let known = volumes.find(|known| known.attachment_id == state.volume.attachment_id);
        known.is_some_and(|known| {
            known.detaching = detaching;
            true
        })
    })
    .await?;
    Ok(())
}

async fn unplug(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    no_start_under_way(env, &state.server_id, AWAY).await?;
    let Some(server) = next_command(cx, &state.server_id).await? else {
        return Ok(Next::Go);
    };
    // Where another change ended the attachment, what the guest has now by this volume's id is not this one's to take.
    if server.host.is_none() || !has(&server, state) {
        return Ok(Next::Go);
    }
    let told = tokio::select! {
        told = tell(env, &state.asked, server, &state.volume.volume_id, false) => told,
        () = cx.cancelled() => return Err(StepError::fail("cancelled")),
    };
    match told {
        Ok(()) => Ok(Next::Go),
        Err(AgentTrouble::Host(why)) if cx.attempt() + 1 < ASKED => {
            Err(StepError::retry(Duration::from_secs(5), why.text))
        }
        Err(trouble) => Err(failed(cx, trouble)),
    }
}

/// Gives the guest its volume back, if it let go of it and its host can be reached. Else it has it again with its next
/// start.
async fn plug_again(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(mut server) = next_command(cx, &state.server_id).await? else {
        return Ok(());
    };
    for volume in &mut server.volumes {
        volume.detaching &= volume.attachment_id != state.volume.attachment_id;
    }
    let told = tell(env, &state.asked, server, &state.volume.volume_id, true).await;
    undone_on_host(cx, &state.server_id, told)
}

async fn release(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    volumes::release(env, &state.volume.attachment_id).await?;
    Ok(Next::Go)
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let event = CHANGE.ended(&state.asked);
    records::finish(
        cx,
        state,
        &state.server_id,
        Some((&state.asked, event)),
        |server| {
            if has(server, state) {
                server
                    .volumes
                    .retain(|known| known.attachment_id != state.volume.attachment_id);
                // Attached again, it sits elsewhere.
                server
                    .disk_places
                    .retain(|place| place.disk != state.volume.volume_id);
            }
            true
        },
    )
    .await?;
    Ok(Next::Go)
}
