//! A server as a row, and back.

use std::collections::BTreeMap;

use compute_model::disk_device::DiskPlace;
use compute_model::fault::Fault;
use compute_model::flavor::Flavor;
use compute_model::image::ServerImage;
use compute_model::local_disks::LocalDisks;
use compute_model::network::Vif;
use compute_model::rescue::Rescue;
use compute_model::resize::Resize;
use compute_model::server::{DiskConfig, Lock, LockOwner, Server, ServerKey};
use compute_model::shelve::Shelved;
use compute_model::state::{PowerState, VmState};
use compute_model::volume::AttachedVolume;
use serde::{Deserialize, Serialize};
use sql::sea_orm::ActiveValue::{NotSet, Set};

use crate::tables::server::{ActiveModel, Model};
use crate::{DbError, Result};

/// What no list filters by. New fields get defaults: rows of older releases must read.
#[derive(Serialize, Deserialize)]
struct Document {
    flavor: Flavor,
    image: Option<ServerImage>,
    vifs: Vec<Vif>,
    #[serde(default)]
    device_command: i64,
    #[serde(default)]
    volume_image: Option<ServerImage>,
    #[serde(default)]
    image_ref: Option<String>,
    #[serde(default)]
    volumes: Vec<AttachedVolume>,
    #[serde(default)]
    local_disks: LocalDisks,
    #[serde(default)]
    disk_places: Vec<DiskPlace>,
    #[serde(default)]
    rescue: Option<Rescue>,
    #[serde(default)]
    resize: Option<Resize>,
    #[serde(default)]
    shelved: Option<Shelved>,
    metadata: BTreeMap<String, String>,
    key: Option<ServerKey>,
    security_groups: Vec<String>,
    disk_config: DiskConfig,
    #[serde(default)]
    hints: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    trusted_certificates: Option<Vec<String>>,
    #[serde(default)]
    lock_reason: Option<String>,
    #[serde(default)]
    fault: Option<Fault>,
}

/// What lists search of a document.
#[derive(Debug, Deserialize)]
pub struct Details {
    pub image: Option<ServerImage>,
    #[serde(default)]
    pub volume_image: Option<ServerImage>,
    pub disk_config: DiskConfig,
}

/// What lists search of the document of the server `id`.
///
/// # Errors
/// [`DbError::Unreadable`].
pub fn details(id: &str, document: &str) -> Result<Details> {
    serde_json::from_str(document).map_err(|source| DbError::Unreadable {
        id: id.to_owned(),
        source,
    })
}

/// The row of `server`, all columns set.
pub fn active(server: &Server) -> Result<ActiveModel> {
    let document = Document {
        flavor: server.flavor.clone(),
        image: server.image.clone(),
        vifs: server.vifs.clone(),
        device_command: server.device_command,
        volume_image: server.volume_image.clone(),
        image_ref: server.image_ref.clone(),
        volumes: server.volumes.clone(),
        local_disks: server.local_disks.clone(),
        disk_places: server.disk_places.clone(),
        rescue: server.rescue.clone(),
        resize: server.resize.clone(),
        shelved: server.shelved.clone(),
        metadata: server.metadata.clone(),
        key: server.key.clone(),
        security_groups: server.security_groups.clone(),
        disk_config: server.disk_config,
        hints: server.hints.clone(),
        trusted_certificates: server.trusted_certificates.clone(),
        lock_reason: server.lock.as_ref().and_then(|lock| lock.reason.clone()),
        fault: server.fault.clone(),
    };
    let document = serde_json::to_string(&document).map_err(|source| DbError::Unreadable {
        id: server.id.clone(),
        source,
    })?;
    Ok(ActiveModel {
        seq: Set(server.seq),
        id: Set(server.id.clone()),
        project_id: Set(server.project_id.clone()),
        user_id: Set(server.user_id.clone()),
        name: Set(server.name.clone()),
        hostname: Set(server.hostname.clone()),
        description: Set(server.description.clone()),
        vm_state: Set(server.vm_state.as_str().to_owned()),
        task_state: Set(server.task_state.map(|task| task.as_str().to_owned())),
        power_state: Set(i32::from(server.power_state.number())),
        epoch: Set(server.epoch),
        host: Set(server.host.clone()),
        node: Set(server.node.clone()),
        node_id: Set(server.node_id.clone()),
        availability_zone: Set(server.availability_zone.clone()),
        pinned_zone: Set(server.pinned_zone.clone()),
        launch_index: Set(server.launch_index),
        reservation_id: Set(server.reservation_id.clone()),
        key_name: Set(server.key.as_ref().map(|key| key.name.clone())),
        config_drive: Set(server.config_drive),
        locked_by: Set(server.lock.as_ref().map(|lock| lock.by.as_str().to_owned())),
        image_id: Set(server.shown_image().map(str::to_owned)),
        flavor_id: Set(server.flavor.id.clone()),
        vcpus: Set(i64::from(server.flavor.vcpus)),
        memory_mb: Set(i64::from(server.flavor.ram)),
        access_ip_v4: Set(server.access_ip_v4.map(|ip| ip.to_string())),
        access_ip_v6: Set(server.access_ip_v6.map(|ip| ip.to_string())),
        progress: Set(i32::from(server.progress)),
        root_device_name: Set(server.root_device_name.clone()),
        ip4: Set(addresses(&server.vifs, true)),
        ip6: Set(addresses(&server.vifs, false)),
        tags: Set(join_tags(&server.tags)),
        created_at: Set(server.created_at),
        updated_at: Set(server.updated_at),
        launched_at: Set(server.launched_at),
        terminated_at: Set(server.terminated_at),
        soft_deleted_at: Set(server.soft_deleted_at),
        deleted_at: Set(server.deleted_at),
        user_data: Set(server.user_data.clone()),
        document: Set(document),
    })
}

/// What a save of `server` writes: not what is fixed at its birth, and its end only when it has come. SQLite
/// writes every index of a column that is named, even when the value is the same.
pub fn changes(server: &Server) -> Result<ActiveModel> {
    let mut model = active(server)?;
    model.seq = NotSet;
    model.id = NotSet;
    model.project_id = NotSet;
    model.user_id = NotSet;
    model.launch_index = NotSet;
    model.reservation_id = NotSet;
    model.created_at = NotSet;
    if server.deleted_at.is_none() {
        model.deleted_at = NotSet;
    }
    Ok(model)
}

/// The server of a row.
pub fn server(row: Model) -> Result<Server> {
    let id = row.id.clone();
    let unreadable = |source| DbError::Unreadable {
        id: id.clone(),
        source,
    };
    let document: Document = serde_json::from_str(&row.document).map_err(unreadable)?;
    let word = |text: String| unreadable(serde::de::Error::custom(text));
    let vm_state: VmState = row.vm_state.parse().map_err(|e| word(format!("{e}")))?;
    let task_state = match &row.task_state {
        Some(task) => Some(task.parse().map_err(|e| word(format!("{e}")))?),
        None => None,
    };
    let power = u8::try_from(row.power_state).unwrap_or(u8::MAX);
    Ok(Server {
        seq: row.seq,
        id: row.id,
        project_id: row.project_id,
        user_id: row.user_id,
        name: row.name,
        hostname: row.hostname,
        description: row.description,
        vm_state,
        task_state,
        power_state: PowerState::try_from(power).map_err(|e| word(e.to_string()))?,
        epoch: row.epoch,
        flavor: document.flavor,
        image: document.image,
        host: row.host,
        node: row.node,
        node_id: row.node_id,
        availability_zone: row.availability_zone,
        pinned_zone: row.pinned_zone,
        launch_index: row.launch_index,
        reservation_id: row.reservation_id,
        vifs: document.vifs,
        device_command: document.device_command,
        volume_image: document.volume_image,
        image_ref: document.image_ref,
        volumes: document.volumes,
        local_disks: document.local_disks,
        disk_places: document.disk_places,
        rescue: document.rescue,
        resize: document.resize,
        shelved: document.shelved,
        metadata: document.metadata,
        tags: split_tags(&row.tags),
        key: document.key,
        user_data: row.user_data,
        config_drive: row.config_drive,
        security_groups: document.security_groups,
        access_ip_v4: row.access_ip_v4.and_then(|ip| ip.parse().ok()),
        access_ip_v6: row.access_ip_v6.and_then(|ip| ip.parse().ok()),
        disk_config: document.disk_config,
        hints: document.hints,
        trusted_certificates: document.trusted_certificates,
        root_device_name: row.root_device_name,
        lock: row.locked_by.map(|by| Lock {
            by: match by.as_str() {
                "admin" => LockOwner::Admin,
                _ => LockOwner::Owner,
            },
            reason: document.lock_reason,
        }),
        progress: u8::try_from(row.progress).unwrap_or_default(),
        fault: document.fault,
        created_at: row.created_at,
        updated_at: row.updated_at,
        launched_at: row.launched_at,
        terminated_at: row.terminated_at,
        soft_deleted_at: row.soft_deleted_at,
        deleted_at: row.deleted_at,
    })
}

fn addresses(vifs: &[Vif], v4: bool) -> String {
    let mut text = String::from(" ");
    for fixed in vifs.iter().flat_map(|vif| &vif.addresses) {
        if fixed.address.is_ipv4() == v4 {
            text.push_str(&fixed.address.to_string());
            text.push(' ');
        }
    }
    text
}

fn join_tags(tags: &[String]) -> String {
    match tags.is_empty() {
        true => String::new(),
        false => format!(",{},", tags.join(",")),
    }
}

fn split_tags(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}
