//! How volumes are shown.

use std::collections::BTreeMap;

use microversion::Versioned;
use serde::Serialize;

use super::Brief;
use crate::api::Call;
use crate::api::words::{Link, links};
use crate::db::volumes::Volume;
use crate::policy;
use crate::service::Volumes;
use crate::tables::{Status, Word, volume};

/// A page of the list with details.
#[derive(Debug, Serialize, Versioned)]
pub struct Page<'v> {
    pub volumes: Vec<VolumeView<'v>>,
    #[mv(wire = "volumes_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
    #[mv(since = "3.45")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A page of the list without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Briefs<'v> {
    pub volumes: Vec<Brief<'v>>,
    #[mv(wire = "volumes_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
    #[mv(since = "3.45")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A volume.
#[derive(Debug, Serialize, Versioned)]
pub struct VolumeView<'v> {
    pub id: &'v str,
    pub status: String,
    pub size: i64,
    pub availability_zone: Option<&'v str>,
    pub created_at: String,
    pub updated_at: Option<String>,
    pub name: Option<&'v str>,
    pub description: Option<&'v str>,
    pub volume_type: Option<&'v str>,
    #[mv(since = "3.63")]
    pub volume_type_id: &'v str,
    pub snapshot_id: Option<&'v str>,
    pub source_volid: Option<&'v str>,
    pub metadata: BTreeMap<&'v str, &'v str>,
    pub links: Vec<Link>,
    pub user_id: &'v str,
    /// `true` or `false`, as a text.
    pub bootable: &'static str,
    pub encrypted: bool,
    /// Nothing is replicated.
    pub replication_status: Option<&'static str>,
    pub consistencygroup_id: Option<&'v str>,
    pub multiattach: bool,
    pub attachments: Vec<Attached<'v>>,
    /// For administrators, and services: compute replaces only a volume that moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_status: Option<Option<String>>,
    #[mv(since = "3.13")]
    pub group_id: Option<&'v str>,
    /// For administrators.
    #[mv(since = "3.21")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<Nothing>,
    /// Hosts never share a target: none is a target.
    #[mv(since = "3.48")]
    pub shared_targets: bool,
    #[mv(since = "3.48")]
    pub service_uuid: Option<&'v str>,
    /// For administrators.
    #[mv(since = "3.61")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<Nothing>,
    #[mv(since = "3.65")]
    pub consumes_quota: bool,
    #[mv(wire = "os-vol-tenant-attr:tenant_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<&'v str>,
    #[mv(wire = "os-vol-host-attr:host")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Option<&'v str>>,
    #[mv(wire = "os-vol-mig-status-attr:migstat")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migstat: Option<Option<String>>,
    #[mv(wire = "os-vol-mig-status-attr:name_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_id: Option<Nothing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_image_metadata: Option<BTreeMap<&'v str, &'v str>>,
}

/// `null`.
type Nothing = Option<String>;

/// What a volume shows of an attachment. Where its data lies is not in it.
#[derive(Debug, Serialize, Versioned)]
pub struct Attached<'v> {
    /// The volume, as in the days before attachments.
    pub id: &'v str,
    pub attachment_id: &'v str,
    pub volume_id: &'v str,
    pub server_id: Option<&'v str>,
    pub host_name: Option<&'v str>,
    pub device: Option<&'v str>,
    pub attached_at: Option<String>,
}

pub fn brief<'v>(call: &Call, one: &'v Volume) -> Brief<'v> {
    Brief {
        id: &one.row.id,
        name: one.row.name.as_deref(),
        links: links(call, &format!("volumes/{}", one.row.id)),
    }
}

/// The same in the answers of `POST` and `PUT`: without what once were extensions, which Cinder shows in lists and by itself
/// alone.
pub fn plain<'v>(volumes: &Volumes, call: &Call, one: &'v Volume) -> VolumeView<'v> {
    VolumeView {
        tenant_id: None,
        host: None,
        migstat: None,
        name_id: None,
        volume_image_metadata: None,
        ..detail(volumes, call, one)
    }
}

/// A volume as the caller may see it.
pub fn detail<'v>(volumes: &Volumes, call: &Call, one: &'v Volume) -> VolumeView<'v> {
    let (row, caller) = (&one.row, &call.cx.caller);
    let target = policy::target(&row.project_id, &row.user_id);
    let may = |rule: &str| volumes.may(rule, caller, &target);
    let admin = volumes.is_admin(caller);
    let hosts = admin || policy::is_service(caller);
    let only = |is: bool| is.then_some(None);
    let image = may("volume_extension:volume_image_metadata:show") && !one.image.is_empty();
    let migration = may("volume_extension:volume_mig_status_attribute");
    let target = row.target_of.as_ref().map(|of| format!("target:{of}"));
    let moved = target.or_else(|| row.migration_status.map(|status| status.word()));
    let mut metadata = texts(&one.metadata);
    if let Some(readonly) = row.readonly {
        metadata.insert("readonly", if readonly { "True" } else { "False" });
    }
    let attachments = one.attachments.iter().map(|attached| Attached {
        id: &row.id,
        attachment_id: &attached.id,
        volume_id: &row.id,
        server_id: attached.instance_id.as_deref(),
        host_name: attached.host.as_deref().filter(|_| hosts),
        device: attached.mountpoint.as_deref(),
        attached_at: attached.attached_at.map(web::time::naive_micros),
    });
    VolumeView {
        id: &row.id,
        status: shown(row),
        size: row.size,
        availability_zone: row.availability_zone.as_deref(),
        created_at: web::time::naive_micros(row.created_at),
        updated_at: row.updated_at.map(web::time::naive_micros),
        name: row.name.as_deref(),
        description: row.description.as_deref(),
        volume_type: one.type_name.as_deref(),
        volume_type_id: &row.type_id,
        snapshot_id: row.snapshot_id.as_deref(),
        source_volid: row.source_volid.as_deref(),
        metadata,
        links: links(call, &format!("volumes/{}", row.id)),
        user_id: &row.user_id,
        bootable: if row.bootable { "true" } else { "false" },
        encrypted: false,
        replication_status: None,
        consistencygroup_id: None,
        multiattach: row.multiattach,
        attachments: attachments.collect(),
        migration_status: hosts.then(|| moved.clone()),
        group_id: row.group_id.as_deref(),
        provider_id: only(admin),
        shared_targets: false,
        service_uuid: None,
        cluster_name: only(admin),
        consumes_quota: row.consumes_quota,
        tenant_id: may("volume_extension:volume_tenant_attribute").then_some(&row.project_id),
        host: may("volume_extension:volume_host_attribute").then_some(row.host.as_deref()),
        migstat: migration.then_some(moved),
        name_id: only(migration),
        volume_image_metadata: image.then(|| texts(&one.image)),
    }
}

fn texts(all: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    all.iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// Volumes that are being taken over look like new ones, and those that move without a lock as before.
fn shown(row: &volume::Model) -> String {
    match row.status {
        Status::Managing => Status::Creating.word(),
        Status::ErrorManaging => Status::Error.word(),
        Status::Migrating => row.previous.unwrap_or(Status::Available).word(),
        other => other.word(),
    }
}
