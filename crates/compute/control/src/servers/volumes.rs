//! Volumes of a server: one more, one less, another in the place of one, and whether they go with it.

mod swap;
mod watch;

use clients::volume::{self as cinder, Volume};
use compute_db::{DbError, servers};
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, DeviceChange};
use compute_model::volume::AttachedVolume;
use compute_rpc::workflows::{
    ATTACH_VOLUME, ATTACH_VOLUME_VERSION, AttachVolume, DETACH_VOLUME, DETACH_VOLUME_VERSION,
    DetachVolume, EXTEND_VOLUME, EXTEND_VOLUME_VERSION, ExtendVolume, SWAP_VOLUME,
};
use serde_json::Value;
use workflow::{Direction, Record, Status, WorkflowId};

use super::boot;
use super::devices::under_way;
use super::{asked, begin_action, load, lock, nudge};
use crate::services::must_be_up;
use crate::{Context, Control, ControlError, Result, policy};

pub use swap::swap;
use watch::Watch;

/// A volume that a server is to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVolume {
    pub volume_id: String,
    pub tag: Option<String>,
    pub delete_on_termination: bool,
    /// Whether the client knows of volumes of several servers (2.60).
    pub multiattach: bool,
    /// Whether it knows that shelved servers have volumes too (2.20).
    pub shelved: bool,
}

/// The server with its volumes.
///
/// # Errors
/// 404, 403 by policy.
pub async fn list(control: &Control, cx: &Context, id: &str) -> Result<Server> {
    load(control, cx, id).await
}

/// One volume of a server.
///
/// # Errors
/// 404 for the server or a volume that it does not have; 403 by policy.
pub async fn show(
    control: &Control,
    cx: &Context,
    id: &str,
    volume_id: &str,
) -> Result<AttachedVolume> {
    let server = load(control, cx, id).await?;
    Ok(of_server(&server, volume_id)?.clone())
}

fn of_server<'s>(server: &'s Server, volume_id: &str) -> Result<&'s AttachedVolume> {
    let found = server
        .volumes
        .iter()
        .find(|volume| volume.volume_id == volume_id);
    found.ok_or_else(|| ControlError::NotFound {
        why: format!(
            "Instance {} is not attached to volume {volume_id}",
            server.id
        ),
    })
}

/// Gives a server a volume. With `wait`, answers when the volume is reserved and the server's record has it, with that
/// record; else when it is accepted.
///
/// # Errors
/// 404 for the server or the volume; 403 by policy; 409 when the server's state or lock forbids it; 400 when the volume
/// cannot be attached; 503 when the volume service does not answer.
pub async fn attach(
    control: &Control,
    cx: &Context,
    id: &str,
    new: &NewVolume,
    wait: bool,
) -> Result<Option<AttachedVolume>> {
    const CHANGE: DeviceChange = DeviceChange::AttachVolume;
    let server = load(control, cx, id).await?;
    admit(control, cx, CHANGE, &server, new.shelved)?;
    let volume = seen(control, cx, &new.volume_id).await?;
    check_attach(&server, &volume)?;
    if volume.multiattach && !new.multiattach {
        return Err(ControlError::Invalid {
            why: boot::MULTIATTACH.to_owned(),
        });
    }
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = lock(&tx, control, cx, id).await?;
        admit(control, cx, CHANGE, &server, new.shelved)?;
        without_host(&server, new, &volume)?;
        begin_action(&tx, cx, &server, CHANGE.word()).await?;
        let state = AttachVolume {
            server_id: server.id.clone(),
            asked: asked(cx),
            volume_id: new.volume_id.clone(),
            tag: new.tag.clone(),
            delete_on_termination: new.delete_on_termination,
            before: under_way(&tx, &server.id).await?,
            volume: None,
        };
        let kind = (ATTACH_VOLUME, ATTACH_VOLUME_VERSION);
        let begun = workflow::insert(&tx, kind, &server.id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    match wait {
        true => Ok(Some(recorded(control, begun, id, &new.volume_id).await?)),
        false => Ok(None),
    }
}

/// Whether the volumes of a server may change now; `shelved`: as in [`NewVolume`].
fn admit(
    control: &Control,
    cx: &Context,
    change: DeviceChange,
    server: &Server,
    shelved: bool,
) -> Result<()> {
    let admin = policy::is_admin(control, cx);
    match shelved {
        true => lifecycle::admit_device(change, server, admin)?,
        false => lifecycle::admit_device_unless_shelved(change, server, admin)?,
    }
    Ok(())
}

/// Refuses what only a host can promise, of a server that has none. The texts are Nova's.
fn without_host(server: &Server, new: &NewVolume, volume: &Volume) -> Result<()> {
    if server.host.is_some() {
        return Ok(());
    }
    let what = match (&new.tag, volume.multiattach) {
        (Some(_), _) => "Tagged volume attachment is",
        (None, true) => "Attaching multiattach volumes is",
        (None, false) => return Ok(()),
    };
    Err(ControlError::Invalid {
        why: format!("{what} not supported for shelved-offloaded instances."),
    })
}

/// The volume, as the caller may see it.
async fn seen(control: &Control, cx: &Context, volume_id: &str) -> Result<Volume> {
    match cinder::show(&control.volume, cx.token(), volume_id).await {
        Err(error) if error.is_not_found() => Err(ControlError::NotFound {
            why: format!("Volume {volume_id} could not be found."),
        }),
        other => Ok(other?),
    }
}

/// Refuses what the volume service would refuse too, before anything is written.
fn check_attach(server: &Server, volume: &Volume) -> Result<()> {
    let refuse = |why: String| {
        let why = format!("Invalid volume: {why}");
        Err(ControlError::Invalid { why })
    };
    let id = &volume.id;
    if server.volumes.iter().any(|known| known.volume_id == *id) {
        return refuse(format!("volume {id} already attached"));
    }
    match volume.status.as_str() {
        "available" => Ok(()),
        "in-use" if volume.multiattach => Ok(()),
        status => refuse(format!(
            "volume '{id}' status must be 'available'. Currently in '{status}'"
        )),
    }
}

/// Waits until the server's record has the volume, or until it is known that it does not get it.
async fn recorded(
    control: &Control,
    begun: WorkflowId,
    server_id: &str,
    volume_id: &str,
) -> Result<AttachedVolume> {
    let mut watch = Watch::new(control, begun);
    while let Some(record) = watch.look().await? {
        if failed(&record) {
            let of = ("attach volume to", server_id);
            return Err(failure(of, record.error.unwrap_or_default()));
        }
        // Another operation may have given the server the same volume.
        let reserved = record.state["volume"]["attachment_id"].as_str();
        let server = servers::find(control.db.read(), server_id).await?;
        let mut volumes = server.volumes.into_iter();
        match volumes.find(|known| reserved == Some(&known.attachment_id)) {
            Some(found) => return Ok(found),
            None if record.status == Status::Running => {}
            // It got the volume, and lost it again.
            None => {
                return Err(ControlError::NotFound {
                    why: format!("Instance {server_id} is not attached to volume {volume_id}"),
                });
            }
        }
    }
    Err(ControlError::Unavailable {
        why: "It was accepted and goes on, but has not ended in time.".to_owned(),
    })
}

fn failed(record: &Record) -> bool {
    matches!(record.status, Status::Undone | Status::Stuck)
}

/// Why a server did not get or lose its volume, out of the failure in the journal. The verb is as in "Failed to …".
fn failure((verb, server_id): (&str, &str), error: Value) -> ControlError {
    if error["cancelled"] == true {
        // Only a delete asks for that.
        return super::missing(server_id);
    }
    let kind: Kind = serde_json::from_value(error["kind"].clone()).unwrap_or_default();
    let text = error["message"].as_str().unwrap_or_default();
    let sentence = kind.sentence();
    let why = format!("Failed to {verb} {server_id}: {sentence}");
    match kind {
        Kind::Volume => ControlError::Invalid {
            why: format!(
                "Invalid volume: {}",
                text.trim_start_matches("Invalid volume: ")
            ),
        },
        Kind::Deleted => ControlError::NotFound { why },
        Kind::Overtaken => ControlError::Conflict { why },
        Kind::Unsupported => ControlError::Unsupported { why },
        _ => ControlError::Unavailable { why },
    }
}

/// Takes a volume from a server. It is shown as `detaching`, then it is accepted, then done. (Where that does not begin
/// within a minute, it is accepted, and done later.) `shelved`: as in [`NewVolume`].
///
/// # Errors
/// 404 for the server or a volume that it does not have; 403 by policy; 400 for the volume that it boots from, and when the
/// volume is not in use; 409 when its state or lock forbids it, or its host is down.
pub async fn detach(
    control: &Control,
    cx: &Context,
    id: &str,
    volume_id: &str,
    shelved: bool,
) -> Result<()> {
    const CHANGE: DeviceChange = DeviceChange::DetachVolume;
    let server = load(control, cx, id).await?;
    detachable(&server, volume_id)?;
    admit(control, cx, CHANGE, &server, shelved)?;
    must_be_up(control, server.host.as_deref()).await?;
    let in_use = match cinder::show(&control.volume, cx.token(), volume_id).await {
        // It was deleted by force, and the server is to forget it.
        Err(error) if error.is_not_found() => server
            .volumes
            .iter()
            .any(|known| known.volume_id == volume_id),
        other => other?.status == "in-use",
    };
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = lock(&tx, control, cx, id).await?;
        let volume = detachable(&server, volume_id)?.clone();
        admit(control, cx, CHANGE, &server, shelved)?;
        // What no host uses is reserved for the server, or in use: both can be given back.
        let held = in_use || server.host.is_none();
        let running = workflow::find(&tx, id).await?;
        if !held || volume.detaching || running.iter().any(|one| takes(one, volume_id)) {
            return Err(ControlError::Invalid {
                why: "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status \
                      must be 'attached' to detach."
                    .to_owned(),
            });
        }
        begin_action(&tx, cx, &server, CHANGE.word()).await?;
        let state = DetachVolume {
            server_id: server.id.clone(),
            asked: asked(cx),
            before: under_way(&tx, &server.id).await?,
            volume,
            begun: false,
        };
        let kind = (DETACH_VOLUME, DETACH_VOLUME_VERSION);
        let begun = workflow::insert(&tx, kind, &server.id, &state).await?;
        tx.commit().await?;
        Ok(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    detaches(control, begun, id).await
}

/// Whether an operation takes this volume from its server, or copies it to another one that takes its place: the volume
/// service refuses to detach a volume that moves. One that is being undone gives it back.
fn takes(record: &Record, volume_id: &str) -> bool {
    if record.direction != Direction::Forward {
        return false;
    }
    let volume = match record.kind.as_str() {
        DETACH_VOLUME => &record.state["volume"],
        // When its guest has the new one, that is the server's, whether or not all is told.
        SWAP_VOLUME if record.state["switched"] != true => &record.state["old"],
        _ => return false,
    };
    volume["volume_id"] == volume_id
}

/// Waits until the volume is shown as `detaching`, or until it is known why not.
async fn detaches(control: &Control, begun: WorkflowId, server_id: &str) -> Result<()> {
    let mut watch = Watch::new(control, begun);
    while let Some(record) = watch.look().await? {
        if record.state["begun"] == true {
            return Ok(());
        }
        if failed(&record) {
            let of = ("detach volume of", server_id);
            return Err(failure(of, record.error.unwrap_or_default()));
        }
        if record.status != Status::Running {
            break;
        }
    }
    Ok(())
}

/// The volume of the server, which is not the one that it boots from. Looked at before state and lock, as with Nova.
fn detachable<'s>(server: &'s Server, volume_id: &str) -> Result<&'s AttachedVolume> {
    let volume = of_server(server, volume_id)?;
    match volume.boot {
        true => Err(ControlError::Invalid {
            why: "Cannot detach a root device volume".to_owned(),
        }),
        false => Ok(volume),
    }
}

/// What a client repeats of a volume when it changes it; what is said must be so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub attachment: Option<String>,
    pub server: Option<String>,
    pub device: Option<String>,
    pub tag: Option<String>,
    /// None leaves it as it is.
    pub delete_on_termination: Option<bool>,
}

/// Changes whether a volume goes with its server.
///
/// # Errors
/// 404 for the server or a volume that it does not have; 403 by policy; 409 when its state or lock forbids it; 400 for
/// what is said of the volume and is not so.
pub async fn update(
    control: &Control,
    cx: &Context,
    id: &str,
    volume_id: &str,
    said: &Said,
) -> Result<()> {
    super::edit(control, cx, id, None, |server| {
        let mut volumes = server.volumes.iter_mut();
        let found = volumes.find(|volume| volume.volume_id == volume_id);
        let Some(volume) = found else {
            return of_server(server, volume_id).map(drop);
        };
        let fixed = |what: &str| ControlError::Invalid {
            why: format!("The {what} property is not mutable"),
        };
        let differs = |said: &Option<String>, is: &str| said.as_ref().is_some_and(|one| one != is);
        // What Nova calls the id of an attachment is that of its volume.
        if differs(&said.attachment, &volume.volume_id) {
            return Err(fixed("id"));
        }
        if differs(&said.server, id) {
            return Err(fixed("serverId"));
        }
        if said
            .device
            .as_ref()
            .is_some_and(|device| *device != volume.device)
        {
            return Err(fixed("device"));
        }
        if said.tag.is_some() && said.tag != volume.tag {
            return Err(fixed("tag"));
        }
        volume.delete_on_termination = said
            .delete_on_termination
            .unwrap_or(volume.delete_on_termination);
        Ok(())
    })
    .await?;
    Ok(())
}

/// Has the guest of a server shown the size that a volume has by now: an action of the server, as with Nova, whether or
/// not it still has the volume. Nothing of a server that is gone.
///
/// # Errors
/// The database does not answer.
pub(super) async fn grown(
    control: &Control,
    cx: &Context,
    id: &str,
    volume_id: &str,
) -> Result<()> {
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = match servers::lock(&tx, id).await {
            Err(DbError::NotFound(_)) => return Ok(None),
            other => other?,
        };
        begin_action(&tx, cx, &server, "extend_volume").await?;
        let state = ExtendVolume {
            server_id: server.id.clone(),
            asked: asked(cx),
            volume_id: volume_id.to_owned(),
        };
        let kind = (EXTEND_VOLUME, EXTEND_VOLUME_VERSION);
        let begun = workflow::insert(&tx, kind, &server.id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(Some(begun))
    })
    .await?;
    nudge(control, cx, begun.as_slice());
    Ok(())
}
