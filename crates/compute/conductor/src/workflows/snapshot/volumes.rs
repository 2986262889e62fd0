//! An image is made of a server that boots from a volume: **image** (its record, made by whoever accepted, is there),
//! **snapshots** (of each of the guest's volumes), **describe** (the image names them), **activate** (it can be booted
//! from), **settle**. The image has no data.
//!
//! Undone, the image and the snapshots are gone and the server is free.

use std::time::Duration;

use clients::image as glance;
use clients::volume as cinder;
use clients::{ClientError, Service};
use compute_model::TaskState;
use compute_model::fault::Kind;
use compute_model::image_disks::{self, SnapshotDisk};
use compute_rpc::workflows::{
    SNAPSHOT_VOLUMES, SNAPSHOT_VOLUMES_VERSION, SnapshotVolumes as State,
};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{LOOKS, TRIES, claimed, failed, settle_whole};
use crate::env::Env;
use crate::why::Why;
use crate::workflows::MINUTE;
use crate::{images, volumes};

/// How often a snapshot that is being made is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long a snapshot that cannot be deleted yet is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub struct SnapshotVolumes;

impl Workflow for SnapshotVolumes {
    const KIND: &'static str = SNAPSHOT_VOLUMES;
    const VERSION: u16 = SNAPSHOT_VOLUMES_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.image.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("image", MINUTE, image)
                .attempts(LOOKS)
                .undo(remove_image),
            Step::new("snapshots", MINUTE, snapshots)
                .within(|env| env.settings.build_timeout + MINUTE)
                .attempts(TRIES)
                .undo(remove_snapshots),
            Step::new("describe", MINUTE, describe).attempts(TRIES),
            Step::new("activate", MINUTE, activate).attempts(TRIES),
            // The image is whole: what is left does not take it back.
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        _env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        failed(cx, &state.image, why).await
    }
}

async fn image(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    super::image(env, cx, &mut state.image).await
}

async fn remove_image(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    super::remove_image(env, cx, &mut state.image).await
}

/// Makes a snapshot of each volume that has none yet, and waits until all can be used.
async fn snapshots(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    claimed(cx, env, &state.image, TaskState::ImageSnapshot).await?;
    let (service, token) = volumes::in_name(env, &state.image.token).await?;
    let image_id = &state.image.image_id;
    let made = found(&service, &token, image_id).await?;
    for volume in &state.volumes {
        let id = &volume.volume_id;
        if made.iter().any(|one| one.volume_id == *id) {
            continue;
        }
        let shown = cinder::show(&service, &token, id).await;
        let shown = shown.map_err(volumes::trouble)?;
        let name = format!("snapshot for {}", state.name);
        cinder::make_snapshot(&service, &token, image_id, (&shown, &name))
            .await
            .map_err(volumes::trouble)?;
    }
    loop {
        let made = found(&service, &token, image_id).await?;
        if let Some(bad) = made.iter().find(|one| one.status.starts_with("error")) {
            let why = format!("snapshot {} is {}", bad.id, bad.status);
            return Err(Why::new(Kind::Volume, why).into());
        }
        if made.iter().all(|one| one.status == "available") {
            return Ok(Next::Go);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = cx.cancelled() => return Err(StepError::fail("cancelled")),
        }
    }
}

async fn found(
    service: &Service,
    token: &str,
    image_id: &str,
) -> Result<Vec<cinder::Snapshot>, StepError> {
    let found = cinder::snapshots_of_image(service, token, image_id).await;
    found.map_err(volumes::trouble)
}

/// Removes the snapshots in the caller's name, and the image before them, which may name them.
async fn remove_snapshots(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    super::remove_image(env, cx, &mut state.image).await?;
    let image_id = &state.image.image_id;
    let (service, token) = volumes::in_name(env, &state.image.token).await?;
    let made = match cinder::snapshots_of_image(&service, &token, image_id).await {
        Ok(made) => made,
        Err(error) => return kept(image_id, error),
    };
    for snapshot in made.iter().filter(|one| one.status != "deleting") {
        match cinder::delete_snapshot(&service, &token, &snapshot.id).await {
            Ok(()) => {}
            Err(_) if snapshot.status == "creating" => {
                return Err(StepError::retry(PAUSE, "a snapshot is still being made"));
            }
            Err(error) => kept(image_id, error)?,
        }
    }
    Ok(())
}

/// What was made for an image and cannot be removed in the caller's name any more is the caller's.
fn kept(image: &str, error: ClientError) -> Result<(), StepError> {
    if error.is_passing() {
        return Err(StepError::retry(PAUSE, error));
    }
    tracing::warn!(image, %error, "snapshots that were made for an image stay");
    Ok(())
}

/// An order without the gaps that volumes left which went: who boots from the image numbers without gaps.
fn order_among(all: &[Option<u32>], order: Option<u32>) -> Option<u32> {
    let order = order?;
    let before = all.iter().flatten().filter(|other| **other < order);
    u32::try_from(before.count() + 1).ok()
}

async fn describe(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    claimed(cx, env, &state.image, TaskState::ImageUploading).await?;
    let (service, token) = volumes::in_name(env, &state.image.token).await?;
    let made = found(&service, &token, &state.image.image_id).await?;
    let mut local = state.local_disks.named();
    let orders = state.volumes.iter().map(|volume| volume.boot_order);
    let orders = orders.chain(local.iter().map(|(_, shown)| shown.boot_order));
    let orders: Vec<Option<u32>> = orders.collect();
    for (_, shown) in &mut local {
        shown.boot_order = order_among(&orders, shown.boot_order);
    }
    let mut disks = Vec::new();
    for volume in &state.volumes {
        let snapshot = made.iter().find(|one| one.volume_id == volume.volume_id);
        let gone = || Why::new(Kind::Volume, "a snapshot is gone");
        let snapshot = snapshot.ok_or_else(gone)?;
        disks.push(SnapshotDisk {
            snapshot_id: snapshot.id.clone(),
            size: snapshot.size,
            boot: volume.boot,
            boot_order: order_among(&orders, volume.boot_order),
            bus: match volume.bus {
                Some(bus) => bus.as_str().to_owned(),
                None => state.bus.clone(),
            },
            cdrom: volume.cdrom,
            device_name: volume.device.clone(),
            delete_on_termination: volume.delete_on_termination,
        });
    }
    let properties = image_disks::properties(&disks, &local, &state.root_device);
    let (service, token) = images::in_name(env, &state.image.token).await?;
    let described = glance::describe(&service, &token, &state.image.image_id, &properties).await;
    described.map_err(refusal)?;
    Ok(Next::Go)
}

/// Gives the image its data, of which there are none. An earlier run may have done so.
async fn activate(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let id = &state.image.image_id;
    let shown = images::shown(env, id).await?;
    if shown.is_some_and(|image| image.status == "active") {
        return Ok(Next::Go);
    }
    let (service, token) = images::in_name(env, &state.image.token).await?;
    let filled = glance::upload_nothing(&service, &token, id).await;
    filled.map_err(refusal)?;
    Ok(Next::Go)
}

/// What it means for a step that the image service answered so. A conflict (409) passes: a call of an earlier run, which died,
/// has the image still.
fn refusal(error: ClientError) -> StepError {
    let conflict = error.status() == Some(http::StatusCode::CONFLICT);
    match images::is_refusal(&error) && !conflict {
        true => Why::new(Kind::Internal, error.message()).into(),
        false => images::away(error),
    }
}

async fn settle(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    settle_whole(env, cx, state, &state.image).await
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn answered(status: StatusCode) -> StepError {
        refusal(ClientError::Refused {
            service: "image",
            status,
            message: "no".to_owned(),
        })
    }

    #[test]
    fn an_image_that_an_earlier_run_still_has_is_waited_for_and_a_refusal_is_not() {
        for passing in [StatusCode::CONFLICT, StatusCode::SERVICE_UNAVAILABLE] {
            let error = answered(passing);
            assert!(matches!(error, StepError::Retry { .. }), "{error:?}");
        }
        let error = answered(StatusCode::FORBIDDEN);
        assert!(matches!(error, StepError::Fail(_)), "{error:?}");
    }
}
