//! Snapshots of volumes as compute had them, until 2.35; the volume service keeps them.

use std::sync::Arc;

use compute_control::proxies::snapshots::{self, Snapshot};
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use super::Part;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Flag;

/// `GET /os-snapshots` and `GET /os-snapshots/detail`, which are one and the same.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: Part = call.admit_query()?;
    let (limit, offset) = asked.sizes(&api);
    let found = snapshots::list(&api.control, &call.cx, limit, offset).await?;
    call.render(&Snapshots {
        snapshots: found.iter().map(view).collect(),
    })
}

/// `GET /os-snapshots/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let snapshot = snapshots::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("snapshot", &view(&snapshot))
}

/// `DELETE /os-snapshots/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    snapshots::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

/// `POST /os-snapshots`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateSnapshot { snapshot: new } = call.admit()?;
    let made = snapshots::create(
        &api.control,
        &call.cx,
        &new.volume_id,
        new.force.is_some_and(|Flag(force)| force),
        new.display_name.as_deref(),
        new.display_description.as_deref(),
    );
    call.render_under("snapshot", &view(&made.await?))
}

fn view(snapshot: &Snapshot) -> SnapshotView<'_> {
    SnapshotView {
        id: &snapshot.id,
        volume_id: &snapshot.volume_id,
        status: &snapshot.status,
        size: snapshot.size,
        created_at: snapshot.created_at.as_deref(),
        display_name: snapshot.name.as_deref(),
        display_description: snapshot.description.as_deref(),
    }
}

#[derive(Serialize, Versioned)]
pub struct Snapshots<'v> {
    pub snapshots: Vec<SnapshotView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct SnapshotView<'v> {
    pub id: &'v str,
    #[mv(wire = "volumeId")]
    pub volume_id: &'v str,
    pub status: &'v str,
    /// GiB.
    pub size: u64,
    #[mv(wire = "createdAt")]
    pub created_at: Option<&'v str>,
    #[mv(wire = "displayName")]
    pub display_name: Option<&'v str>,
    #[mv(wire = "displayDescription")]
    pub display_description: Option<&'v str>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateSnapshot {
    pub snapshot: NewSnapshot,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewSnapshot {
    pub volume_id: String,
    pub force: Option<Flag>,
    pub display_name: Option<String>,
    pub display_description: Option<String>,
}
