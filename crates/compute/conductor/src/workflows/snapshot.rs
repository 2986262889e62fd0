//! An image is made of a server's disk: **image** (its record, made by whoever accepted, is there), **export** (the host
//! copies the disk into a file), **upload** (the image service has it), **rotate** (older backups go), **settle**.
//!
//! Undone, the image and the file are gone and the server is free.
//!
//! [`volumes`] is the same of a server that boots from a volume.

pub mod volumes;

use std::time::Duration;

use bus::Options;
use clients::image as glance;
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::{Server, TaskState};
use compute_rpc::agent;
use compute_rpc::workflows::{SNAPSHOT, SNAPSHOT_VERSION, Snapshot as State};
use serde::Serialize;
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::MINUTE;
use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::images;
use crate::records::{self, Changed};
use crate::why::{FailureText, Why};

/// How often the image's record is looked for, which is made right after the acceptance.
pub const LOOKS: u32 = 60;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// How often a host that does not answer, or is busy, is asked.
pub const TRIES: u32 = 15;

/// The time between two attempts.
const AWAY: Duration = Duration::from_secs(2);

/// How long a host may take to hear that a file is not wanted.
const DISCARD: Duration = Duration::from_secs(20);

/// See the module.
pub struct Snapshot;

impl Workflow for Snapshot {
    const KIND: &'static str = SNAPSHOT;
    const VERSION: u16 = SNAPSHOT_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("image", MINUTE, image)
                .attempts(LOOKS)
                .undo(remove_image),
            Step::new("export", MINUTE, export)
                .within(|env| env.settings.build_timeout + MINUTE)
                .attempts(TRIES)
                .undo(discard),
            Step::new("upload", MINUTE, upload)
                .within(|env| env.settings.build_timeout + MINUTE)
                .attempts(TRIES),
            // The image is whole: what is left does not take it back.
            Step::new("rotate", 5 * MINUTE, rotate)
                .attempts(TRIES)
                .no_return(),
            Step::new("settle", MINUTE, settle),
        ]
    }

    async fn undone(
        _env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        failed(cx, state, why).await
    }
}

pub async fn image(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match images::shown(env, &state.image_id).await? {
        Some(image) if is_ours(&image, state) => Ok(Next::Go),
        Some(_) => Err(Why::new(Kind::Internal, "the image is another server's").into()),
        None => Err(StepError::retry(LOOK, "the image has no record yet")),
    }
}

/// Removes the image, if it is the one that this operation made.
pub async fn remove_image(
    env: &Env,
    _cx: &StepContext,
    state: &mut State,
) -> Result<(), StepError> {
    match images::shown(env, &state.image_id).await? {
        Some(image) if is_ours(&image, state) => {
            images::remove(env, &state.token, &state.image_id).await
        }
        _ => Ok(()),
    }
}

async fn export(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    export_while(env, cx, state, TaskState::ImageSnapshot).await
}

/// Has the host copy the disk; the server shows this task meanwhile.
pub async fn export_while(
    env: &Env,
    cx: &StepContext,
    state: &State,
    task: TaskState,
) -> Result<Next, StepError> {
    let server = claimed(cx, env, state, task).await?;
    let on = host_of(&server)?;
    let message = agent::Export {
        server: Box::new(server),
        image_id: state.image_id.clone(),
        sent_at: Some(records::now()),
    };
    let options = Options::from(state.asked.context()).deadline(env.settings.build_timeout);
    tokio::select! {
        called = host::call(env, &on, message, options) => ended(cx, called),
        () = cx.cancelled() => Err(StepError::fail("cancelled")),
    }
}

/// The host's copy goes, as far as it can be reached; with its next start it goes by itself.
pub async fn discard(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(server) = records::load(env, &state.server_id).await? else {
        return Ok(());
    };
    let Some(on) = server.host else { return Ok(()) };
    let message = agent::Discard {
        image_id: state.image_id.clone(),
    };
    let options = Options::from(state.asked.context()).deadline(DISCARD);
    match host::call(env, &on, message, options).await {
        Err(AgentTrouble::Away(why) | AgentTrouble::Busy(why)) if cx.attempt() < 2 => {
            Err(StepError::retry(AWAY, why.text))
        }
        Ok(()) => Ok(()),
        Err(trouble) => {
            let why = trouble.why().text;
            tracing::warn!(
                image = state.image_id,
                why,
                "a copy of a disk stays on its host"
            );
            Ok(())
        }
    }
}

async fn upload(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    upload_while(env, cx, state, TaskState::ImageUploading).await
}

/// Has the host give the copy to the image service; the server shows this task meanwhile.
pub async fn upload_while(
    env: &Env,
    cx: &StepContext,
    state: &State,
    task: TaskState,
) -> Result<Next, StepError> {
    let server = claimed(cx, env, state, task).await?;
    let on = host_of(&server)?;
    let message = agent::Upload {
        server: Box::new(server),
        image_id: state.image_id.clone(),
        token: state.token.clone(),
        sent_at: Some(records::now()),
    };
    let options = Options::from(state.asked.context()).deadline(env.settings.build_timeout);
    tokio::select! {
        called = host::call(env, &on, message, options) => ended(cx, called),
        () = cx.cancelled() => Err(StepError::fail("cancelled")),
    }
}

/// Removes the oldest backups of the type beyond those that are to stay.
async fn rotate(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(backup) = &state.backup else {
        return Ok(Next::Go);
    };
    let wanted = [
        ("instance_uuid", state.server_id.as_str()),
        ("image_type", "backup"),
        ("backup_type", backup.backup_type.as_str()),
    ];
    let (service, token) = images::in_name(env, &state.token).await?;
    let found = match glance::having(&service, &token, &wanted).await {
        Err(error) if images::is_refusal(&error) => {
            tracing::warn!(server = state.server_id, %error, "older backups stay");
            return Ok(Next::Go);
        }
        other => other.map_err(images::away)?,
    };
    let keep = usize::try_from(backup.rotation).unwrap_or(usize::MAX);
    for old in found.iter().skip(keep) {
        images::remove(env, &state.token, &old.id).await?;
    }
    Ok(Next::Go)
}

async fn settle(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    settle_whole(env, cx, state, state).await
}

/// The server is free; `whole` is the state of the workflow of which this image is a part.
async fn settle_whole<S: Serialize + Sync>(
    env: &Env,
    cx: &StepContext,
    whole: &S,
    state: &State,
) -> Result<Next, StepError> {
    let host = records::load(env, &state.server_id).await?;
    let host = host.and_then(|server| server.host);
    let event = records::event(&state.asked, &event_name(state), host.as_deref(), None);
    let event = Some((&state.asked, event));
    records::finish(cx, whole, &state.server_id, event, |server| {
        if server.epoch != state.epoch {
            return false;
        }
        server.task_state = None;
        true
    })
    .await?;
    Ok(Next::Go)
}

async fn failed(cx: &StepContext, state: &State, why: &Value) -> Result<(), StepError> {
    let why = Why::of(why);
    let told = FailureText {
        message: format!("Failed to create an image: {}", why.kind.sentence()),
        details: why.text,
    };
    let event = records::event(&state.asked, &event_name(state), None, Some(&told));
    let event = Some((&state.asked, event));
    records::change(cx, &state.server_id, event, |server| {
        if server.epoch != state.epoch {
            return false;
        }
        server.task_state = None;
        true
    })
    .await?;
    Ok(())
}

fn event_name(state: &State) -> String {
    event_of(match state.backup {
        Some(_) => "createBackup",
        None => "createImage",
    })
}

/// The server, with the task state of a step; an operation that took it over ends this one.
async fn claimed(
    cx: &StepContext,
    env: &Env,
    state: &State,
    task: TaskState,
) -> Result<Server, StepError> {
    let changed = records::change(cx, &state.server_id, None, |server| {
        let ours = server.epoch == state.epoch;
        if ours {
            server.task_state = Some(task);
        }
        ours
    })
    .await?;
    match (changed, records::load(env, &state.server_id).await?) {
        (Changed::Yes, Some(server)) => Ok(server),
        _ => Err(Why::plain(Kind::Overtaken).into()),
    }
}

fn host_of(server: &Server) -> Result<String, StepError> {
    let host = server.host.clone();
    host.ok_or_else(|| Why::new(Kind::Lost, "the server is on no host").into())
}

/// What it means for a step that its host answered so.
fn ended(cx: &StepContext, called: Result<(), AgentTrouble>) -> Result<Next, StepError> {
    match called {
        Ok(()) => Ok(Next::Go),
        Err(AgentTrouble::Away(why) | AgentTrouble::Busy(why)) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(AWAY, why.text))
        }
        Err(trouble) => Err(trouble.why().into()),
    }
}

fn is_ours(image: &glance::Image, state: &State) -> bool {
    image.properties().get("instance_uuid") == Some(&state.server_id)
}
