//! A server that boots from a volume is made anew from an image, which its root volume gets: **stop**, **reserve** (the
//! volume stays the server's, and its host does not reach it), **reimage**, **reimaged** (the volume service says so),
//! **connect**, **rebuild** (the guest and its local disks are made anew), **complete**, **settle**.
//!
//! Until the guest is rebuilt, a failure gives it back its volume, with what it held or with the image, and starts it
//! again if it ran. A volume that holds neither, and a guest that could not be rebuilt, leave the server in error; its
//! owner can rebuild it again.

use std::time::Duration;

use clients::volume as cinder;
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Action};
use compute_model::volume::AttachedVolume;
use compute_model::{Server, TaskState, VmState};
use compute_rpc::agent::Given;
use compute_rpc::workflows::{REBUILD_VOLUME, REBUILD_VOLUME_VERSION, RebuildVolume as State};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::MINUTE;
use super::act::{self, TRIES};
use super::build::disks;
use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::records::{self, Changed};
use crate::volumes;
use crate::why::{FailureText, Why};

/// So long a volume that gets its image is waited for in place. One that takes longer is waited for in the journal.
const MOMENT: Duration = Duration::from_millis(250);

/// How often it is looked at when no event comes: events are only nudges.
const LOOK: Duration = Duration::from_secs(2);

/// Task states of a server while this holds it.
const TASKS: &[TaskState] = &[TaskState::Rebuilding];

/// See the module.
pub struct RebuildVolume;

impl Workflow for RebuildVolume {
    const KIND: &'static str = REBUILD_VOLUME;
    const VERSION: u16 = REBUILD_VOLUME_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("stop", MINUTE, stop)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES)
                .undo(start_again),
            Step::new("reserve", MINUTE, reserve).undo(give_back),
            Step::new("reimage", MINUTE, reimage).undo(look_at_volume),
            Step::new("reimaged", MINUTE, reimaged).attempts(u32::MAX),
            Step::new("connect", MINUTE, connect),
            Step::new("rebuild", MINUTE, rebuild)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES)
                .undo(lose_guest),
            Step::new("complete", MINUTE, complete),
            Step::new("settle", MINUTE, settle),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        // The journal outlives the operation: what only the guest should know does not stay in it.
        forget_secrets(state);
        failed(env, cx, state, why).await
    }
}

fn forget_secrets(state: &mut State) {
    state.given = Given::default();
    state.token.clear();
}

fn holds(server: &Server, state: &State) -> bool {
    records::holds(server, state.epoch, TASKS)
}

/// The server while the operation holds it.
async fn held(env: &Env, state: &State) -> Result<Server, StepError> {
    let server = records::load(env, &state.server_id).await?;
    let server = server.filter(|server| holds(server, state));
    server.ok_or_else(|| Why::plain(Kind::Overtaken).into())
}

/// The server and its root volume while the operation holds it.
async fn root(env: &Env, state: &State) -> Result<(Server, AttachedVolume), StepError> {
    let server = held(env, state).await?;
    let root = server.volumes.iter().find(|volume| volume.boot).cloned();
    let root = root.ok_or_else(|| Why::new(Kind::Volume, "the server has no root volume"))?;
    Ok((server, root))
}

/// Ends the guest's process: nobody has its volume open then.
async fn stop(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = held(env, state).await?;
    act::stop(env, cx, &state.asked, server).await?;
    Ok(Next::Go)
}

/// A guest that ran starts again, unless its disk is lost.
async fn start_again(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    if state.lost || state.was != VmState::Active {
        return Ok(());
    }
    let of = (state.server_id.as_str(), &state.asked, state.epoch);
    match act::take_back(env, cx, of, TASKS, Action::Start).await? {
        Ok(()) | Err(AgentTrouble::Stale) => Ok(()),
        Err(trouble @ (AgentTrouble::Away(_) | AgentTrouble::Busy(_)))
            if cx.attempt() + 1 < TRIES =>
        {
            Err(StepError::retry(act::AWAY, trouble.why().text))
        }
        Err(trouble) => {
            let (server, why) = (&state.server_id, trouble.why().text);
            tracing::warn!(server, why, "a guest does not start again");
            state.lost = true;
            Ok(())
        }
    }
}

async fn reserve(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (server, root) = root(env, state).await?;
    disks::keep_one_reserved(env, cx, &server, &root).await?;
    Ok(Next::Go)
}

/// The server's host reaches the volume again, which holds what it held or the image. One that holds neither is only kept, and
/// a delete gives it back itself. An operator who reset the server's state meanwhile left the volume as it was.
async fn give_back(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let staying = async || {
        let server = records::load(env, &state.server_id).await?;
        let goes = |server: &Server| server.task_state == Some(TaskState::Deleting);
        Ok::<_, StepError>(server.filter(|server| !goes(server)))
    };
    if let (Some(server), false) = (staying().await?, state.lost) {
        for volume in server.volumes.iter().filter(|volume| volume.boot) {
            volumes::release_reserved(env, &server, &volume.volume_id).await?;
        }
        disks::connect_all(env, cx, &server).await?;
    }
    for volume in staying().await?.iter().flat_map(|server| &server.volumes) {
        if volume.boot && volume.connection.is_some() {
            volumes::complete(env, &volume.attachment_id).await?;
        }
    }
    Ok(())
}

/// Has the volume get the image, in the name of who asked. An earlier run may have begun it.
async fn reimage(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (_, root) = root(env, state).await?;
    if volumes::show(env, &root.volume_id).await?.status != GETS_IMAGE {
        let (service, token) = volumes::in_name(env, &state.token).await?;
        cinder::reimage(&service, &token, &root.volume_id, &state.image.id)
            .await
            .map_err(volumes::trouble)?;
    }
    state.since = Some(records::now());
    Ok(Next::Go)
}

/// The status of a volume that gets an image.
const GETS_IMAGE: &str = "downloading";

/// Waits until the volume can be used, and sees whether it can, and what it holds.
async fn look_at_volume(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(server) = records::load(env, &state.server_id).await? else {
        return Ok(());
    };
    let Some(root) = server.volumes.iter().find(|volume| volume.boot) else {
        return Ok(());
    };
    let volume = volumes::show(env, &root.volume_id).await?;
    if volume.status == GETS_IMAGE {
        return Err(StepError::retry(LOOK, "the volume still gets its image"));
    }
    state.lost |= volume.status.starts_with("error");
    if volume.volume_image_metadata.get("image_id") == Some(&state.image.id) {
        records::change(cx, &state.server_id, None, |server| {
            let ours = holds(server, state);
            if ours {
                server.set_image(state.image.clone());
            }
            ours
        })
        .await?;
    }
    Ok(())
}

async fn reimaged(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let mut waited = cx.attempt() > 0;
    loop {
        let (_, root) = root(env, state).await?;
        let status = volumes::show(env, &root.volume_id).await?.status;
        match status.as_str() {
            GETS_IMAGE => {}
            "reserved" | "available" => return Ok(Next::Go),
            other => {
                let why = format!("volume {} is {other}", root.volume_id);
                return Err(Why::new(Kind::Volume, why).into());
            }
        }
        let since = state.since.unwrap_or_else(records::now);
        let spent = (records::now() - since).to_std().unwrap_or_default();
        if spent >= env.settings.build_timeout {
            return Err(Why::plain(Kind::TimedOut).into());
        }
        if waited {
            return Err(StepError::retry(LOOK, "the volume gets its image"));
        }
        tokio::select! {
            () = cx.nudged() => {}
            () = tokio::time::sleep(MOMENT) => waited = true,
            () = cx.cancelled() => return Err(StepError::fail("cancelled")),
        }
    }
}

/// The server is one of the image from here on, and its host reaches the volume. The next epoch: a command to stop the guest
/// of before comes too late from now on.
async fn connect(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = held(env, state).await?;
    disks::connect_all(env, cx, &server).await?;
    let changed = records::finish(cx, state, &state.server_id, None, |server| {
        let ours = holds(server, state);
        if ours {
            server.set_image(state.image.clone());
            server.epoch = state.epoch + 1;
        }
        ours
    })
    .await?;
    match changed {
        Changed::Yes => Ok(Next::Go),
        Changed::Overtaken => Err(Why::plain(Kind::Overtaken).into()),
    }
}

async fn rebuild(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = held(env, state).await?;
    let told = (Action::Rebuild, state.given.clone());
    let power = act::tell_with(env, cx, &state.asked, told, server).await?;
    state.power_state = Some(power.number());
    state.given = Given::default();
    Ok(Next::Go)
}

/// Nobody knows what became of the guest.
async fn lose_guest(_env: &Env, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    state.lost = true;
    Ok(())
}

async fn complete(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (_, root) = root(env, state).await?;
    volumes::complete(env, &root.attachment_id).await?;
    Ok(Next::Go)
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let rule = lifecycle::rule(Action::Rebuild);
    let mut ended = state.clone();
    forget_secrets(&mut ended);
    let power = records::power(state.power_state);
    let event = records::event(&state.asked, &event_of(rule.record), None, None);
    let event = Some((&state.asked, event));
    records::finish(cx, &ended, &state.server_id, event, |server| {
        if !holds(server, state) {
            return false;
        }
        server.vm_state = rule.settled(server.vm_state);
        server.task_state = None;
        server.power_state = power;
        if server.vm_state == VmState::Active {
            server.launched_at = server.launched_at.or(Some(records::now()));
            server.fault = None;
        }
        true
    })
    .await?;
    Ok(Next::Go)
}

async fn failed(env: &Env, cx: &StepContext, state: &State, why: &Value) -> Result<(), StepError> {
    let rule = lifecycle::rule(Action::Rebuild);
    let why = Why::of(why);
    let told = FailureText {
        message: format!("Failed to {} instance: {}", rule.verb, why.kind.sentence()),
        details: why.text,
    };
    let event = records::event(&state.asked, &event_of(rule.record), None, Some(&told));
    let event = Some((&state.asked, event));
    let changed = records::change(cx, &state.server_id, event, |server| {
        if !holds(server, state) {
            return false;
        }
        server.epoch = state.epoch + 2;
        server.task_state = None;
        server.fault = Some(records::fault(&told));
        if state.lost {
            server.vm_state = VmState::Error;
        }
        true
    })
    .await?;
    match changed {
        Changed::Yes => {
            host::say_given_up(env, &state.asked, &state.server_id, state.epoch + 1).await
        }
        Changed::Overtaken => Ok(()),
    }
}
