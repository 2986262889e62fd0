//! Cinder: what compute needs of volumes.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::image::segment;
use crate::{Result, Service};

/// The version that is asked for: paths without a project (3.67), attachments that are completed (3.44).
const VERSION: &str = "volume 3.67";

/// A volume's record.
#[derive(Debug, Clone, Deserialize)]
pub struct Volume {
    pub id: String,
    pub status: String,
    /// GiB.
    #[serde(default)]
    pub size: u32,
    #[serde(default)]
    pub multiattach: bool,
    #[serde(default)]
    pub availability_zone: Option<String>,
    /// `true` or `false`, as text.
    #[serde(default)]
    pub bootable: String,
    #[serde(default)]
    pub description: Option<String>,
    /// How its last move to another back end stands, or ended; none without one. Shown to administrators and services.
    #[serde(default)]
    pub migration_status: Option<String>,
    /// The attributes and properties of the image that it was made of, as text.
    #[serde(default)]
    pub volume_image_metadata: BTreeMap<String, String>,
}

/// A snapshot's record.
#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    pub id: String,
    pub status: String,
    /// GiB.
    pub size: u32,
    pub volume_id: String,
}

/// The metadata that names what a volume was made for.
const MADE_FOR: &str = "made_for_server";

/// The metadata that names the image that a snapshot is a disk of.
const DISK_OF: &str = "made_for_image";

/// An attachment in a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Attachment {
    pub id: String,
    pub volume_id: String,
    pub status: String,
    /// The server, or nothing for an attachment to a host.
    #[serde(default)]
    pub instance: Option<String>,
}

/// One volume.
///
/// # Errors
/// 404 for one that does not exist or that the caller may not see.
pub async fn show(service: &Service, token: &str, id: &str) -> Result<Volume> {
    let path = format!("/v3/volumes/{}", segment(id));
    let mut body: Value = ask(service, token, Method::GET, &path, None).await?;
    read(service, body["volume"].take())
}

/// One snapshot of a volume.
///
/// # Errors
/// 404 for one that does not exist or that the caller may not see.
pub async fn snapshot(service: &Service, token: &str, id: &str) -> Result<Snapshot> {
    let path = format!("/v3/snapshots/{}", segment(id));
    let mut body: Value = ask(service, token, Method::GET, &path, None).await?;
    read(service, body["snapshot"].take())
}

/// Makes a snapshot of a volume, which may be in use, as a disk of an image.
///
/// # Errors
/// 400 when the volume is in a status that forbids it, 404, 413 for a quota.
pub async fn make_snapshot(
    service: &Service,
    token: &str,
    image_id: &str,
    (volume, name): (&Volume, &str),
) -> Result<Snapshot> {
    let body = json!({"snapshot": {
        "volume_id": volume.id, "force": true, "name": name, "description": volume.description,
        "metadata": { DISK_OF: image_id },
    }});
    let path = "/v3/snapshots";
    let mut body: Value = ask(service, token, Method::POST, path, Some(body)).await?;
    read(service, body["snapshot"].take())
}

/// The snapshots of the caller's project that are disks of an image.
///
/// # Errors
/// The service does not answer, or refuses.
pub async fn snapshots_of_image(
    service: &Service,
    token: &str,
    image_id: &str,
) -> Result<Vec<Snapshot>> {
    let wanted = json!({ DISK_OF: image_id }).to_string();
    let path = format!("/v3/snapshots/detail?metadata={}", segment(&wanted));
    let mut body: Value = ask(service, token, Method::GET, &path, None).await?;
    read(service, body["snapshots"].take())
}

/// Deletes a snapshot; one that is gone is success.
///
/// # Errors
/// 400 when it is used or being made.
pub async fn delete_snapshot(service: &Service, token: &str, id: &str) -> Result<()> {
    let path = format!("/v3/snapshots/{}", segment(id));
    gone(ask(service, token, Method::DELETE, &path, None).await)
}

/// How many more snapshots the caller's project may have; none: as many as it likes.
///
/// # Errors
/// The service does not answer, or refuses.
pub async fn snapshots_left(service: &Service, token: &str) -> Result<Option<u64>> {
    let path = "/v3/limits";
    let body: Value = ask(service, token, Method::GET, path, None).await?;
    let absolute = &body["limits"]["absolute"];
    let most = absolute["maxTotalSnapshots"].as_i64().unwrap_or(-1);
    let used = absolute["totalSnapshotsUsed"].as_i64().unwrap_or_default();
    let left = most.saturating_sub(used).max(0);
    Ok(u64::try_from(most).ok().map(|_| left.unsigned_abs()))
}

/// Has a reserved volume hold an image again. It begins: the service says with an event when it is done.
///
/// # Errors
/// 400 when the volume is in a status that forbids it, or too small; 404 for volume and image.
pub async fn reimage(service: &Service, token: &str, id: &str, image_id: &str) -> Result<()> {
    let path = format!("/v3/volumes/{}/action", segment(id));
    let body = json!({"os-reimage": {"image_id": image_id, "reimage_reserved": true}});
    let version = "volume 3.68";
    service
        .json_at(version, Method::POST, &path, token, Some(&body))
        .await
}

/// Makes a volume in the caller's project, for the purpose that `made_for` names; gives its id.
///
/// # Errors
/// 400, 404, or 413 for a quota.
pub async fn create(
    service: &Service,
    token: &str,
    made_for: &str,
    mut volume: Value,
) -> Result<String> {
    volume["metadata"] = json!({ MADE_FOR: made_for });
    let body = json!({ "volume": volume });
    let mut body: Value = ask(service, token, Method::POST, "/v3/volumes", Some(body)).await?;
    let made: Volume = read(service, body["volume"].take())?;
    Ok(made.id)
}

/// The volumes of the caller's project that were made for a purpose.
///
/// # Errors
/// The service does not answer, or refuses.
pub async fn made_for(service: &Service, token: &str, made_for: &str) -> Result<Vec<Volume>> {
    let wanted = json!({ MADE_FOR: made_for }).to_string();
    let path = format!("/v3/volumes/detail?metadata={}", segment(&wanted));
    let mut body: Value = ask(service, token, Method::GET, &path, None).await?;
    read(service, body["volumes"].take())
}

/// Deletes a volume; one that is gone is success.
///
/// # Errors
/// 400 when it is used or has snapshots.
pub async fn delete(service: &Service, token: &str, id: &str) -> Result<()> {
    let path = format!("/v3/volumes/{}", segment(id));
    gone(ask(service, token, Method::DELETE, &path, None).await)
}

/// The attachments of a server, of a volume, or all that the caller may see.
///
/// # Errors
/// The service does not answer, or refuses.
pub async fn attachments(
    service: &Service,
    token: &str,
    server_id: Option<&str>,
    volume_id: Option<&str>,
) -> Result<Vec<Attachment>> {
    let mut filters = "/v3/attachments?all_tenants=1".to_owned();
    for (name, id) in [("instance_id", server_id), ("volume_id", volume_id)] {
        if let Some(id) = id {
            filters.push_str(&format!("&{name}={}", segment(id)));
        }
    }
    let mut all: Vec<Attachment> = Vec::new();
    loop {
        let mut path = filters.clone();
        if let Some(last) = all.last() {
            path.push_str(&format!("&marker={}", segment(&last.id)));
        }
        let page: Result<Value> = ask(service, token, Method::GET, &path, None).await;
        let page: Vec<Attachment> = match page {
            // The last one went meanwhile: begin again.
            Err(error) if error.is_not_found() && !all.is_empty() => {
                all.clear();
                continue;
            }
            other => read(service, other?["attachments"].take())?,
        };
        match page.is_empty() {
            true => return Ok(all),
            false => all.extend(page),
        }
    }
}

/// Reserves a volume for a server; gives the attachment's id.
///
/// # Errors
/// 400 when the volume is in use or in a status that forbids it, 404.
pub async fn reserve(
    service: &Service,
    token: &str,
    volume_id: &str,
    server_id: &str,
) -> Result<String> {
    let body = json!({"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id}});
    let mut body: Value = ask(service, token, Method::POST, "/v3/attachments", Some(body)).await?;
    let made: Attachment = read(service, body["attachment"].take())?;
    Ok(made.id)
}

/// Tells how a host reaches the volume: Cinder's `connection_info`.
///
/// # Errors
/// 404, 409, or the back end's refusal of the host.
pub async fn connect(
    service: &Service,
    token: &str,
    attachment_id: &str,
    connector: Value,
) -> Result<Value> {
    let path = format!("/v3/attachments/{}", segment(attachment_id));
    let body = json!({"attachment": {"connector": connector}});
    let mut body: Value = ask(service, token, Method::PUT, &path, Some(body)).await?;
    Ok(body["attachment"]["connection_info"].take())
}

/// Says that the host uses the volume.
///
/// # Errors
/// 404.
pub async fn complete(service: &Service, token: &str, attachment_id: &str) -> Result<()> {
    let path = format!("/v3/attachments/{}/action", segment(attachment_id));
    let body = json!({"os-complete": null});
    ask(service, token, Method::POST, &path, Some(body)).await
}

/// Removes an attachment: the host uses the volume no more. One that is gone is success.
///
/// # Errors
/// The service does not answer, or refuses.
pub async fn release(service: &Service, token: &str, attachment_id: &str) -> Result<()> {
    let path = format!("/v3/attachments/{}", segment(attachment_id));
    gone(
        ask::<Value>(service, token, Method::DELETE, &path, None)
            .await
            .map(drop),
    )
}

/// Shows users that a volume is being detached, or that it is not any more.
///
/// # Errors
/// 400 when the volume is not in use, or not being detached; 404.
pub async fn detaching(service: &Service, token: &str, id: &str, begins: bool) -> Result<()> {
    let path = format!("/v3/volumes/{}/action", segment(id));
    let verb = match begins {
        true => "os-begin_detaching",
        false => "os-roll_detaching",
    };
    let body = json!({ verb: null });
    ask(service, token, Method::POST, &path, Some(body)).await
}

/// Says how the replacing of a volume by another one ended, which the service asked compute for; gives the id that stands for
/// what the server has from now on.
///
/// # Errors
/// 400 when the volumes do not move, 404 for either.
pub async fn end_migration(
    service: &Service,
    token: &str,
    id: &str,
    (new, failed): (&str, bool),
) -> Result<String> {
    let path = format!("/v3/volumes/{}/action", segment(id));
    let body = json!({"os-migrate_volume_completion": {"new_volume": new, "error": failed}});
    let mut body: Value = ask(service, token, Method::POST, &path, Some(body)).await?;
    read(service, body["save_volume_id"].take())
}

fn gone(answer: Result<()>) -> Result<()> {
    match answer {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

fn read<T: DeserializeOwned>(service: &Service, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| service.unreadable(&error.to_string()))
}

async fn ask<T: DeserializeOwned>(
    service: &Service,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<T> {
    service
        .json_at(VERSION, method, path, token, body.as_ref())
        .await
}
