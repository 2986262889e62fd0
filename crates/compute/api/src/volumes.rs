//! Volumes attached to servers.

use std::sync::Arc;

use compute_control::servers::volumes::{self, NewVolume, Said};
use compute_model::volume::AttachedVolume;
use microversion::{Patch, Version, Versioned};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::{ATTACHMENT_ACCEPTED, SHARED_VOLUMES, VOLUMES_OF_SHELVED};
use crate::words::{Flag, Id, Limit, Tag};

/// From here on a change that names the same volume is about whether it goes with its server.
const UPDATE: Version = Version::new(2, 85);

/// `GET …/os-volume_attachments`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListVolumes = call.admit_query()?;
    let most = api.control.settings.max_limit;
    // No limit, and a limit of nothing, mean the largest page.
    let limit = asked.limit.filter(|limit| limit.0 > 0);
    let limit = limit.map_or(most, |limit| limit.0.min(most));
    let offset = asked.offset.map_or(0, |offset| offset.0);
    let server = volumes::list(&api.control, &call.cx, call.path("server_id")).await?;
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let page = server.volumes.iter().skip(size(offset)).take(size(limit));
    let views: Vec<_> = page.map(|volume| view(&server.id, volume)).collect();
    call.render_under("volumeAttachments", &views)
}

/// `GET …/os-volume_attachments/{volume}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, volume) = (call.path("server_id"), call.path("id"));
    let volume = volumes::show(&api.control, &call.cx, id, volume).await?;
    call.render_under("volumeAttachment", &view(id, &volume))
}

/// `POST …/os-volume_attachments`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let AttachVolume { volume: new } = call.admit()?;
    if let Patch::Value(device) = &new.device {
        tracing::debug!(device, "the name of a volume's device is a hint");
    }
    let wait = !call.version.at_least(ATTACHMENT_ACCEPTED);
    let wanted = NewVolume {
        volume_id: new.volume_id.0,
        tag: new.tag.map(|Tag(tag)| tag),
        delete_on_termination: new.delete_on_termination.is_some_and(|flag| flag.0),
        multiattach: call.version.at_least(SHARED_VOLUMES),
        shelved: call.version.at_least(VOLUMES_OF_SHELVED),
    };
    let id = call.path("server_id");
    match volumes::attach(&api.control, &call.cx, id, &wanted, wait).await? {
        Some(volume) => {
            let made = NewVolumeView {
                id: &volume.volume_id,
                server_id: id,
                volume_id: &volume.volume_id,
                device: &volume.device,
                tag: volume.tag.as_deref(),
                delete_on_termination: volume.delete_on_termination,
            };
            call.render_under("volumeAttachment", &made)
        }
        None => Ok(Answer::empty()),
    }
}

/// `PUT …/os-volume_attachments/{volume}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let ChangeVolume { volume: asked } = call.admit()?;
    let (id, volume) = (call.path("server_id"), call.path("id"));
    if !call.version.at_least(UPDATE) || asked.volume_id.0 != volume {
        let new = asked.volume_id.0.as_str();
        volumes::swap(&api.control, &call.cx, id, (volume, new)).await?;
        return Ok(Answer::empty());
    }
    let said = Said {
        attachment: asked.id.map(|Id(id)| id),
        server: asked.server_id.map(|Id(id)| id),
        device: match asked.device {
            Patch::Value(device) => Some(device),
            // No volume of a server is without a device.
            Patch::Null => Some(String::new()),
            Patch::Absent => None,
        },
        tag: asked.tag.map(|Tag(tag)| tag),
        delete_on_termination: asked.delete_on_termination.map(|flag| flag.0),
    };
    volumes::update(&api.control, &call.cx, id, volume, &said).await?;
    Ok(Answer::empty())
}

/// `DELETE …/os-volume_attachments/{volume}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, volume) = (call.path("server_id"), call.path("id"));
    let shelved = call.version.at_least(VOLUMES_OF_SHELVED);
    volumes::detach(&api.control, &call.cx, id, volume, shelved).await?;
    Ok(Answer::empty())
}

fn view<'v>(server_id: &'v str, volume: &'v AttachedVolume) -> VolumeView<'v> {
    VolumeView {
        id: &volume.volume_id,
        server_id,
        volume_id: &volume.volume_id,
        device: &volume.device,
        tag: volume.tag.as_deref(),
        delete_on_termination: volume.delete_on_termination,
        attachment_id: &volume.attachment_id,
        bdm_uuid: &volume.bdm_uuid,
    }
}

#[derive(Serialize, Versioned)]
pub struct VolumeView<'v> {
    #[mv(until = "2.88")]
    pub id: &'v str,
    #[mv(wire = "serverId")]
    pub server_id: &'v str,
    #[mv(wire = "volumeId")]
    pub volume_id: &'v str,
    pub device: &'v str,
    #[mv(since = "2.70")]
    pub tag: Option<&'v str>,
    #[mv(since = "2.79")]
    pub delete_on_termination: bool,
    #[mv(since = "2.89")]
    pub attachment_id: &'v str,
    #[mv(since = "2.89")]
    pub bdm_uuid: &'v str,
}

/// The answer to an attachment, which keeps its `id`.
#[derive(Serialize, Versioned)]
pub struct NewVolumeView<'v> {
    pub id: &'v str,
    #[mv(wire = "serverId")]
    pub server_id: &'v str,
    #[mv(wire = "volumeId")]
    pub volume_id: &'v str,
    pub device: &'v str,
    #[mv(since = "2.70")]
    pub tag: Option<&'v str>,
    #[mv(since = "2.79")]
    pub delete_on_termination: bool,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AttachVolume {
    #[mv(wire = "volumeAttachment")]
    pub volume: WantedVolume,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct WantedVolume {
    #[mv(wire = "volumeId")]
    pub volume_id: Id,
    /// A hint without effect, as with Nova's libvirt driver: the next free name is taken.
    #[serde(default)]
    #[mv(nullable, pattern = "(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$")]
    pub device: Patch<String>,
    #[mv(since = "2.49")]
    pub tag: Option<Tag>,
    #[mv(since = "2.79")]
    pub delete_on_termination: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ChangeVolume {
    #[mv(wire = "volumeAttachment")]
    pub volume: ChangedVolume,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ChangedVolume {
    #[mv(wire = "volumeId")]
    pub volume_id: Id,
    #[mv(since = "2.85")]
    pub id: Option<Id>,
    #[mv(wire = "serverId", since = "2.85")]
    pub server_id: Option<Id>,
    #[serde(default)]
    #[mv(
        since = "2.85",
        nullable,
        pattern = "(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$"
    )]
    pub device: Patch<String>,
    #[mv(since = "2.85")]
    pub tag: Option<Tag>,
    #[mv(since = "2.85")]
    pub delete_on_termination: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ListVolumes {
    pub limit: Option<Limit>,
    pub offset: Option<Limit>,
}
