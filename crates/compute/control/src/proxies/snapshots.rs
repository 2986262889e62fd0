//! Snapshots of volumes under compute's own old routes, through the volume service.

use clients::image::segment;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::volumes::{self, ask};
use crate::{Context, Control, Result, policy};

/// A snapshot as the old routes show it.
#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    pub id: String,
    pub volume_id: String,
    pub status: String,
    /// GiB.
    pub size: u64,
    pub created_at: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
}

#[derive(Deserialize)]
struct One {
    snapshot: Snapshot,
}

#[derive(Deserialize)]
struct Many {
    snapshots: Vec<Snapshot>,
}

/// The snapshots of the caller's project, the newest first.
///
/// # Errors
/// 403 by policy.
pub async fn list(
    control: &Control,
    cx: &Context,
    limit: u64,
    offset: u64,
) -> Result<Vec<Snapshot>> {
    policy::allow(control, cx)?;
    let path = format!("/snapshots/detail?limit={limit}&offset={offset}");
    let found: Many = ask(control, cx, Method::GET, &path, None, "").await?;
    Ok(found.snapshots)
}

/// One snapshot.
///
/// # Errors
/// 404, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<Snapshot> {
    policy::allow(control, cx)?;
    let (path, missing) = (path(id), missing(id));
    let found: One = ask(control, cx, Method::GET, &path, None, &missing).await?;
    Ok(found.snapshot)
}

/// Begins to remove a snapshot.
///
/// # Errors
/// 404, 403 by policy; 400 in a state in which it cannot go.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    policy::allow(control, cx)?;
    let (path, missing) = (path(id), missing(id));
    ask::<Value>(control, cx, Method::DELETE, &path, None, &missing).await?;
    Ok(())
}

/// Begins to make a snapshot of a volume; `force` also of one in use.
///
/// # Errors
/// 404 for the volume; 400 for its state; 403 by policy or quota.
pub async fn create(
    control: &Control,
    cx: &Context,
    volume_id: &str,
    force: bool,
    name: Option<&str>,
    description: Option<&str>,
) -> Result<Snapshot> {
    policy::allow(control, cx)?;
    let body = json!({"snapshot": {
        "volume_id": volume_id, "force": force, "name": name, "description": description,
    }});
    let missing = volumes::missing(volume_id);
    let made: One = ask(
        control,
        cx,
        Method::POST,
        "/snapshots",
        Some(&body),
        &missing,
    )
    .await?;
    Ok(made.snapshot)
}

fn path(id: &str) -> String {
    format!("/snapshots/{}", segment(id))
}

pub(super) fn missing(id: &str) -> String {
    format!("Snapshot {id} could not be found.")
}
