//! Images made of servers' disks: plain ones, and backups that replace one another.

use std::collections::BTreeMap;

use clients::{ClientError, image as glance, volume as cinder};
use compute_db::servers;
use compute_model::volume::AttachedVolume;
use compute_model::{Server, TaskState, image_properties, lifecycle};
use compute_rpc::sealed;
pub use compute_rpc::workflows::Backup;
use compute_rpc::workflows::{
    SNAPSHOT, SNAPSHOT_VERSION, SNAPSHOT_VOLUMES, SNAPSHOT_VOLUMES_VERSION, Snapshot,
    SnapshotVolumes,
};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use workflow::WorkflowId;

use super::{asked, begin_action, load, lock, nudge, passwords};
use crate::{Context, Control, ControlError, Result, policy};

/// What an image is to be called and to say of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    pub name: String,
    /// Properties of the image, beside those that it takes over from the server's own image.
    pub metadata: BTreeMap<String, String>,
    /// None for a plain image.
    pub backup: Option<Backup>,
}

/// Properties of an image that do not hold for what is made of its servers: Nova's list of those that are never
/// inherited, and the defaults of `non_inheritable_image_properties`.
const NOT_INHERITED: &[&str] = &[
    "bdm_v2",
    "bittorrent",
    "block_device_mapping",
    "cache_in_nova",
    "cinder_encryption_key_deletion_policy",
    "cinder_encryption_key_id",
    "hw_ephemeral_encryption_secret_uuid",
    "img_bdm_v2",
    "img_block_device_mapping",
    "img_mappings",
    "img_root_device_name",
    "img_signature",
    "img_signature_certificate_uuid",
    "img_signature_hash_method",
    "img_signature_key_type",
    "mappings",
    "root_device_name",
];

/// Begins to make an image of a server; gives the image's id.
///
/// # Errors
/// 404 for the server; 403 by policy, or when the project may have no more images or snapshots; 409 when the server's
/// state forbids it; 400 for properties that no image can have, and for a backup of a server that boots from a volume.
pub async fn create_image(
    control: &Control,
    cx: &Context,
    id: &str,
    new: &NewImage,
) -> Result<String> {
    let (word, task) = match new.backup {
        Some(_) => ("createBackup", TaskState::ImageBackup),
        None => ("createImage", TaskState::ImageSnapshotPending),
    };
    let server = load(control, cx, id).await?;
    lifecycle::admit_image(word, &server)?;
    if server.boots_from_volume() {
        of_volumes_may_be(control, cx, &server, new).await?;
    }
    at_rest(&server)?;
    let image_id = Uuid::new_v4().to_string();
    let record = record(cx, &server, &image_id, new)?;
    let token = sealed::seal(control.session.secret().expose_secret(), cx.token());
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        lifecycle::admit_image(word, &server)?;
        server.task_state = Some(task);
        server.epoch += 1;
        servers::save(&tx, &mut server).await?;
        begin_action(&tx, cx, &server, word).await?;
        let image = Snapshot {
            server_id: server.id.clone(),
            asked: asked(cx),
            epoch: server.epoch,
            image_id: image_id.clone(),
            token: token.clone(),
            backup: new.backup.clone(),
        };
        let begun = match server.boots_from_volume() {
            true => {
                let state = of_volumes(&server, image, &new.name);
                let kind = (SNAPSHOT_VOLUMES, SNAPSHOT_VOLUMES_VERSION);
                workflow::insert(&tx, kind, &server.id, &state).await?
            }
            false => {
                let kind = (SNAPSHOT, SNAPSHOT_VERSION);
                workflow::insert(&tx, kind, &server.id, &image).await?
            }
        };
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    make_record(control, cx, begun, &record).await?;
    nudge(control, cx, &[begun]);
    Ok(image_id)
}

/// Refuses an image of a server that boots from a volume where none can be: a backup, without the rule's leave, or with
/// more snapshots than the project may have.
async fn of_volumes_may_be(
    control: &Control,
    cx: &Context,
    server: &Server,
    new: &NewImage,
) -> Result<()> {
    if new.backup.is_some() {
        return Err(ControlError::Invalid {
            why: "Backup is not supported for volume-backed instances.".to_owned(),
        });
    }
    policy::allow_rule_on(
        control,
        cx,
        "os_compute_api:servers:create_image:allow_volume_backed",
        Some(&server.project_id),
        &server.user_id,
    )?;
    let left = cinder::snapshots_left(&control.volume, cx.token()).await?;
    let needed = server.volumes.len() as u64;
    match left.is_some_and(|left| left < needed) {
        true => Err(ControlError::Forbidden {
            why: "Quota exceeded for resources: snapshots".to_owned(),
        }),
        false => Ok(()),
    }
}

/// The image of a server's volumes: those that its guest has.
fn of_volumes(server: &Server, image: Snapshot, name: &str) -> SnapshotVolumes {
    let own = server.described_by().map(|image| &image.properties);
    let bus = own.and_then(|all| image_properties::value(all, "hw_disk_bus"));
    let there = |volume: &&AttachedVolume| volume.connection.is_some() && !volume.detaching;
    let mut volumes: Vec<_> = server.volumes.iter().filter(there).cloned().collect();
    volumes.sort_by_key(|volume| !volume.boot);
    SnapshotVolumes {
        image,
        name: name.to_owned(),
        bus: bus.unwrap_or("virtio").to_owned(),
        root_device: server.root_device().to_owned(),
        volumes,
        local_disks: server.local_disks.clone(),
    }
}

/// Makes the record that an operation waits for, in the caller's name: the image is theirs, and counts for their project.
/// Without it the operation ends.
pub(super) async fn make_record(
    control: &Control,
    cx: &Context,
    begun: WorkflowId,
    record: &Value,
) -> Result<()> {
    if let Err(error) = glance::create(&control.image, cx.token(), record).await {
        give_up(control, cx, begun).await?;
        return Err(refused(error));
    }
    Ok(())
}

/// Refuses a server whose image must be made of file systems at rest, when nothing can hold them still.
fn at_rest(server: &Server) -> Result<()> {
    let properties = server.described_by().map(|image| &image.properties);
    match properties.and_then(|all| image_properties::is_set(all, "os_require_quiesce")) {
        Some(true) if server.boots_from_volume() => Err(ControlError::Unsupported {
            why: "The server's image asks that its file systems are at rest when an image is made \
                  (os_require_quiesce), which is not built for servers that boot from a volume."
                .to_owned(),
        }),
        Some(true) => passwords::has_agent(server),
        Some(false) | None => Ok(()),
    }
}

/// The operation ends without effect: its image cannot be made.
async fn give_up(control: &Control, cx: &Context, begun: WorkflowId) -> Result<()> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        workflow::request_cancel_of(&tx, begun).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(())
    })
    .await?;
    nudge(control, cx, &[begun]);
    Ok(())
}

fn refused(error: ClientError) -> ControlError {
    let status = error.status().map(|status| status.as_u16());
    match (status, error) {
        (Some(403 | 413), error) => ControlError::Forbidden {
            why: error.message(),
        },
        (Some(400), error) => ControlError::Invalid {
            why: error.message(),
        },
        (_, error) => error.into(),
    }
}

/// The body for the image service. Source: `nova.compute.api.API._create_image` and
/// `nova.utils.get_image_from_system_metadata`.
pub(super) fn record(
    cx: &Context,
    server: &Server,
    image_id: &str,
    new: &NewImage,
) -> Result<Value> {
    let local = !server.boots_from_volume();
    let mut record = Map::new();
    if let Some(image) = server.described_by() {
        for (name, value) in &image.properties {
            if !NOT_INHERITED.contains(&name.as_str()) {
                record.insert(name.clone(), json!(value));
            }
        }
        if !image.id.is_empty() {
            record.insert("base_image_ref".to_owned(), json!(image.id));
        }
        record.insert("min_ram".to_owned(), json!(image.min_ram));
    }
    for (name, value) in &new.metadata {
        if glance::is_attribute(name) {
            return Err(ControlError::Invalid {
                why: format!(
                    "Invalid image metadata. Error: {name} is an attribute of every image"
                ),
            });
        }
        record.insert(name.clone(), json!(value));
    }
    let base = server.described_by().map_or(0, |image| image.min_disk);
    // An image of volumes has no data; its disks are as large as the volumes were.
    let (format, min_disk) = match local {
        true => ("qcow2", server.flavor.disk.max(base)),
        false => ("raw", base),
    };
    let kind = match &new.backup {
        Some(backup) => {
            record.insert("backup_type".to_owned(), json!(backup.backup_type));
            "backup"
        }
        // As with Nova, a request may give its image another type.
        None => new
            .metadata
            .get("image_type")
            .map_or("snapshot", String::as_str),
    };
    for (name, value) in [
        ("id", json!(image_id)),
        ("name", json!(new.name)),
        ("visibility", json!("private")),
        ("container_format", json!("bare")),
        ("disk_format", json!(format)),
        ("min_disk", json!(min_disk)),
        ("image_type", json!(kind)),
        ("instance_uuid", json!(server.id)),
        ("user_id", json!(cx.caller.user_id)),
        ("owner_id", json!(server.project_id)),
        ("image_location", json!("snapshot")),
        ("image_state", json!("available")),
    ] {
        record.insert(name.to_owned(), value);
    }
    Ok(Value::Object(record))
}
