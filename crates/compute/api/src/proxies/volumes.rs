//! Volumes as compute had them, until 2.35; the volume service keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::proxies::volumes::{self, NewVolume as Wanted, Volume};
use microversion::Versioned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Part;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// `GET /os-volumes` and `GET /os-volumes/detail`, which are one and the same.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: Part = call.admit_query()?;
    let (limit, offset) = asked.sizes(&api);
    let found = volumes::list(&api.control, &call.cx, limit, offset).await?;
    call.render(&Volumes {
        volumes: found.iter().map(view).collect(),
    })
}

/// `GET /os-volumes/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let volume = volumes::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("volume", &view(&volume))
}

/// `DELETE /os-volumes/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    volumes::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

/// `POST /os-volumes`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateVolume { volume: new } = call.admit()?;
    let wanted = Wanted {
        size: new.size.0,
        name: new.display_name,
        description: new.display_description,
        volume_type: new.volume_type,
        availability_zone: new.availability_zone,
        snapshot_id: new.snapshot_id,
        metadata: new.metadata,
    };
    let volume = volumes::create(&api.control, &call.cx, &wanted).await?;
    let answer: Result<Answer, Fault> = call.render_under("volume", &view(&volume));
    Ok(answer?.with_location(&call.link(&format!("os-volumes/{}", volume.id))))
}

fn view(volume: &Volume) -> VolumeView<'_> {
    let mut attached = volume.attachments.iter();
    let attached = attached.find_map(|attachment| {
        Some(AttachmentView {
            id: Some(&volume.id),
            volume_id: Some(&volume.id),
            server_id: Some(attachment.server_id.as_deref()?),
            device: attachment.device.as_deref(),
        })
    });
    VolumeView {
        id: &volume.id,
        status: &volume.status,
        size: volume.size,
        availability_zone: volume.availability_zone.as_deref(),
        created_at: volume.created_at.as_deref(),
        // A volume of several servers shows the first; one of none an empty object.
        attachments: [attached.unwrap_or_default()],
        display_name: volume.name.as_deref(),
        display_description: volume.description.as_deref(),
        volume_type: volume.volume_type.as_deref(),
        snapshot_id: volume.snapshot_id.as_deref(),
        metadata: &volume.metadata,
    }
}

#[derive(Serialize, Versioned)]
pub struct Volumes<'v> {
    pub volumes: Vec<VolumeView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct VolumeView<'v> {
    pub id: &'v str,
    pub status: &'v str,
    /// GiB.
    pub size: u64,
    #[mv(wire = "availabilityZone")]
    pub availability_zone: Option<&'v str>,
    #[mv(wire = "createdAt")]
    pub created_at: Option<&'v str>,
    pub attachments: [AttachmentView<'v>; 1],
    #[mv(wire = "displayName")]
    pub display_name: Option<&'v str>,
    #[mv(wire = "displayDescription")]
    pub display_description: Option<&'v str>,
    #[mv(wire = "volumeType")]
    pub volume_type: Option<&'v str>,
    #[mv(wire = "snapshotId")]
    pub snapshot_id: Option<&'v str>,
    pub metadata: &'v BTreeMap<String, String>,
}

#[derive(Default, Serialize, Versioned)]
pub struct AttachmentView<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[mv(wire = "volumeId")]
    pub volume_id: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[mv(wire = "serverId")]
    pub server_id: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<&'v str>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateVolume {
    pub volume: NewVolume,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewVolume {
    pub size: Size,
    pub display_name: Option<String>,
    pub display_description: Option<String>,
    pub volume_type: Option<String>,
    pub availability_zone: Option<String>,
    pub snapshot_id: Option<String>,
    pub metadata: Option<Value>,
}

/// GiB, also as text.
#[derive(Clone, Copy, Debug, Deserialize, Versioned)]
#[mv(lenient, minimum = 1)]
pub struct Size(pub u64);
