//! Volumes under compute's own old routes, through the volume service.

use std::collections::BTreeMap;

use clients::image::segment;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refused;
use crate::{Context, Control, Result, policy};

/// A volume as the old routes show it.
#[derive(Debug, Clone, Deserialize)]
pub struct Volume {
    pub id: String,
    pub status: String,
    /// GiB.
    pub size: u64,
    pub availability_zone: Option<String>,
    pub created_at: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub volume_type: Option<String>,
    pub snapshot_id: Option<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// Where a volume is attached.
#[derive(Debug, Clone, Deserialize)]
pub struct Attachment {
    pub server_id: Option<String>,
    pub device: Option<String>,
}

/// What a new volume is to be.
#[derive(Debug, Clone, Default)]
pub struct NewVolume {
    /// GiB.
    pub size: u64,
    pub name: Option<String>,
    pub description: Option<String>,
    pub volume_type: Option<String>,
    pub availability_zone: Option<String>,
    pub snapshot_id: Option<String>,
    pub metadata: Option<Value>,
}

#[derive(Deserialize)]
struct One {
    volume: Volume,
}

#[derive(Deserialize)]
struct Many {
    volumes: Vec<Volume>,
}

/// The volumes of the caller's project, the newest first.
///
/// # Errors
/// 403 by policy.
pub async fn list(control: &Control, cx: &Context, limit: u64, offset: u64) -> Result<Vec<Volume>> {
    policy::allow(control, cx)?;
    let path = format!("/volumes/detail?limit={limit}&offset={offset}");
    let found: Many = ask(control, cx, Method::GET, &path, None, "").await?;
    Ok(found.volumes)
}

/// One volume.
///
/// # Errors
/// 404, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<Volume> {
    policy::allow(control, cx)?;
    let (path, missing) = (path(id), missing(id));
    let found: One = ask(control, cx, Method::GET, &path, None, &missing).await?;
    Ok(found.volume)
}

/// Begins to remove a volume.
///
/// # Errors
/// 404; 400 for one that is in use; 403 by policy.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    policy::allow(control, cx)?;
    let (path, missing) = (path(id), missing(id));
    ask::<Value>(control, cx, Method::DELETE, &path, None, &missing).await?;
    Ok(())
}

/// Begins to make a volume.
///
/// # Errors
/// 400 for what the volume service does not accept; 404 for a snapshot that is not there; 403 by policy or quota.
pub async fn create(control: &Control, cx: &Context, new: &NewVolume) -> Result<Volume> {
    policy::allow(control, cx)?;
    let mut volume = json!({"size": new.size});
    for (name, value) in [
        ("name", &new.name),
        ("description", &new.description),
        ("volume_type", &new.volume_type),
        ("availability_zone", &new.availability_zone),
        ("snapshot_id", &new.snapshot_id),
    ] {
        if let Some(value) = value {
            volume[name] = json!(value);
        }
    }
    if let Some(metadata) = &new.metadata {
        volume["metadata"] = metadata.clone();
    }
    let body = json!({"volume": volume});
    let missing = new.snapshot_id.as_deref().map(super::snapshots::missing);
    let missing = missing.unwrap_or_default();
    let made: One = ask(control, cx, Method::POST, "/volumes", Some(&body), &missing).await?;
    Ok(made.volume)
}

fn path(id: &str) -> String {
    format!("/volumes/{}", segment(id))
}

pub(super) fn missing(id: &str) -> String {
    format!("Volume {id} could not be found.")
}

/// Asks the volume service, at the version that compute asked when it had these calls.
pub(super) async fn ask<T: serde::de::DeserializeOwned>(
    control: &Control,
    cx: &Context,
    method: Method,
    path: &str,
    body: Option<&Value>,
    missing: &str,
) -> Result<T> {
    let path = format!("/v3/{}{path}", segment(cx.project()?));
    let answer = control
        .volume
        .json_at("volume 3.0", method, &path, cx.token(), body);
    answer.await.map_err(|error| refused(error, missing))
}
