//! The volumes of a new server: made where that was asked for, and attached to its host.

use std::time::Duration;

use clients::volume as cinder;
use clients::{ClientError, Service};
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::volume::{AttachedVolume, Origin, VolumeRequest};
use compute_rpc::workflows::Build as State;
use serde_json::{Value, json};
use uuid::Uuid;
use workflow::{Next, StepContext, StepError};

use crate::env::Env;
use crate::records::{self, finish};
use crate::volumes;
use crate::why::Why;

/// How often a volume that is being made is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long a volume that cannot be deleted yet is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes the volumes and attaches them to the server's host; its record has them then.
pub async fn make(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if state.plan.volumes.is_empty() {
        return Ok(Next::Go);
    }
    let Some(mut server) = records::load(env, &state.server_id).await? else {
        return Err(Why::plain(Kind::Deleted).into());
    };
    server.volumes.clear();
    let mut attached = Vec::new();
    for (number, wanted) in state.plan.volumes.iter().enumerate() {
        let id = match &wanted.origin {
            Origin::Volume(id) => id.clone(),
            _ => made(env, cx, state, number, wanted).await?,
        };
        let device = match wanted.boot {
            true => server.root_device().to_owned(),
            false => server.next_device(wanted.bus),
        };
        let planned = wanted.attachment_id.as_deref();
        let mut volume = AttachedVolume {
            attachment_id: volumes::reserve_as_planned(env, &server, &id, planned).await?,
            volume_id: id,
            bdm_uuid: Uuid::new_v4().to_string(),
            device,
            tag: wanted.tag.clone(),
            delete_on_termination: wanted.delete_on_termination,
            boot: wanted.boot,
            boot_order: wanted.boot_order,
            bus: wanted.bus,
            cdrom: wanted.cdrom,
            connection: None,
            detaching: false,
        };
        volume.connection = Some(volumes::connect(env, &server, &volume).await?);
        server.volumes.push(volume.clone());
        attached.push(volume);
    }
    finish(cx, state, &state.server_id, None, |server| {
        server.volumes.clone_from(&attached);
        true
    })
    .await?;
    Ok(Next::Go)
}

/// The volume that is made as `number`, when it can be used.
async fn made(
    env: &Env,
    cx: &StepContext,
    state: &State,
    number: usize,
    wanted: &VolumeRequest,
) -> Result<String, StepError> {
    let purpose = purpose(&state.server_id, number);
    let (service, token) = in_name(env, state).await?;
    let token = token.as_str();
    let found = cinder::made_for(&service, token, &purpose).await;
    let found = found.map_err(volumes::trouble)?.into_iter();
    let mut usable = found.filter(|volume| volume.status != "deleting");
    let id = match usable.next() {
        Some(found) => found.id,
        None => cinder::create(&service, token, &purpose, described(wanted))
            .await
            .map_err(volumes::trouble)?,
    };
    loop {
        let volume = volumes::show(env, &id).await?;
        match volume.status.as_str() {
            "creating" | "downloading" => {}
            // An earlier run reserved it.
            status if !status.starts_with("error") => return Ok(id),
            status => {
                let why = format!("volume {id} is {status}");
                return Err(Why::new(Kind::Volume, why).into());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = cx.cancelled() => return Err(StepError::fail("cancelled")),
        }
    }
}

/// What names a volume as the `number`th that was made for a server.
fn purpose(server_id: &str, number: usize) -> String {
    format!("{server_id}/{number}")
}

fn described(wanted: &VolumeRequest) -> Value {
    let mut volume = json!({"size": wanted.size, "volume_type": wanted.volume_type});
    match &wanted.origin {
        Origin::Image(id) => volume["imageRef"] = json!(id),
        Origin::Snapshot(id) => volume["snapshot_id"] = json!(id),
        Origin::Blank | Origin::Volume(_) => {}
    }
    volume
}

/// The volume service and the token of the caller.
async fn in_name(env: &Env, state: &State) -> Result<(Service, String), StepError> {
    let unreadable = || Why::new(Kind::Internal, "the caller's token is not there");
    let sealed = state.plan.token.as_deref().ok_or_else(unreadable)?;
    volumes::in_name(env, sealed).await
}

/// Gives the volumes back, and deletes those that were made.
pub async fn give_back(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    if state.plan.volumes.is_empty() {
        return Ok(());
    }
    volumes::release_all_of(env, &state.server_id).await?;
    if state.plan.token.is_some() {
        let (service, token) = in_name(env, state).await?;
        let token = token.as_str();
        for number in 0..state.plan.volumes.len() {
            let purpose = purpose(&state.server_id, number);
            let found = match cinder::made_for(&service, token, &purpose).await {
                Err(error) => kept(&state.server_id, &purpose, error)?,
                Ok(found) => found,
            };
            for volume in found.iter().filter(|volume| volume.status != "deleting") {
                let deleted = cinder::delete(&service, token, &volume.id).await;
                // One that is still being made can be deleted in a moment.
                if deleted.is_err() && BUSY.contains(&volume.status.as_str()) {
                    return Err(StepError::retry(PAUSE, "a volume is still being made"));
                }
                if let Err(error) = deleted {
                    kept::<()>(&state.server_id, &volume.id, error)?;
                }
            }
        }
    }
    finish(cx, state, &state.server_id, None, |server| {
        server.volumes.clear();
        true
    })
    .await?;
    Ok(())
}

/// Gives back what was reserved when the server was asked for: the step that takes it up may not have run.
pub async fn let_go(env: &Env, state: &State) -> Result<(), StepError> {
    let mut wanted = state.plan.volumes.iter();
    match wanted.any(|one| one.attachment_id.is_some()) {
        true => volumes::release_all_of(env, &state.server_id).await,
        false => Ok(()),
    }
}

/// States that a volume leaves by itself.
const BUSY: &[&str] = &["creating", "downloading", "reserved", "attaching"];

/// What was made for a server and cannot be removed in the caller's name any more is the caller's.
fn kept<T: Default>(server: &str, what: &str, error: ClientError) -> Result<T, StepError> {
    if error.is_passing() {
        return Err(StepError::retry(PAUSE, error));
    }
    tracing::warn!(server, what, %error, "a volume that was made for a server stays");
    Ok(T::default())
}

/// Says that the guest has its volumes.
pub async fn complete(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = records::load(env, &state.server_id).await?;
    for volume in server.iter().flat_map(|server| &server.volumes) {
        volumes::complete(env, &volume.attachment_id).await?;
    }
    Ok(Next::Go)
}

/// Lets the server's host reach every volume that it has and that is reserved for it.
pub async fn connect_all(env: &Env, cx: &StepContext, server: &Server) -> Result<(), StepError> {
    for volume in server.volumes.iter().filter(|one| one.connection.is_none()) {
        let connection = volumes::connect(env, server, volume).await?;
        volumes::note(cx, &server.id, &volume.volume_id, |own| {
            own.connection = Some(connection.clone());
        })
        .await?;
    }
    Ok(())
}

/// The volumes stay reserved for the server, and no host reaches them any more.
pub async fn keep_reserved(env: &Env, cx: &StepContext, server: &Server) -> Result<(), StepError> {
    for volume in &server.volumes {
        keep_one_reserved(env, cx, server, volume).await?;
    }
    Ok(())
}

/// The same of one volume.
pub async fn keep_one_reserved(
    env: &Env,
    cx: &StepContext,
    server: &Server,
    volume: &AttachedVolume,
) -> Result<(), StepError> {
    if volume.connection.is_some() {
        let reserved = volumes::reserve(env, server, &volume.volume_id).await?;
        volumes::note(cx, &server.id, &volume.volume_id, |own| {
            own.attachment_id.clone_from(&reserved);
            own.connection = None;
        })
        .await?;
    }
    // The attachment of before, of which the record knows nothing any more; an earlier run may have been cut off here.
    match records::load(env, &server.id).await? {
        Some(server) => volumes::release_reserved(env, &server, &volume.volume_id).await,
        None => Ok(()),
    }
}
