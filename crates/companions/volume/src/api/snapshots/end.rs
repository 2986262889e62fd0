//! A snapshot goes.

use rest::Answer;
use workflow::Kind;

use super::{find, locked};
use crate::api::Call;
use crate::db::store;
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::{SnapshotStatus, volume};
use crate::work::busy;
use crate::work::snapshot::{Delete, State};

/// `DELETE /snapshots/{id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    end(&volumes, &call, How::AtRest).await
}

/// `os-force_delete`: whatever its status.
pub async fn force_delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    end(&volumes, &call, How::Force).await
}

/// How a snapshot is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    AtRest,
    /// Whatever its status.
    Force,
    /// Its bytes stay.
    Release,
}

/// Begins to delete a snapshot, or to let it go.
///
/// # Errors
/// 400: its status or its group keeps it.
pub async fn end(volumes: &Volumes, call: &Call, how: How) -> Result<Answer, Fault> {
    let force = how == How::Force;
    let seen = find(volumes, &call.cx, call.path("id")).await?;
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        // Its volume first, as everybody locks them.
        store::locked::<volume::Entity>(&tx, &seen.volume_id).await?;
        let mut row = locked(&tx, &seen.id).await?;
        let rest = matches!(
            row.status,
            SnapshotStatus::Available | SnapshotStatus::Error
        );
        if row.group_snapshot_id.is_some() || !(force || rest) {
            let status = if force {
                ""
            } else {
                "status must be available or error and "
            };
            return Err(Fault::InvalidSnapshot(format!(
                "Snapshot {status}must not be part of a group."
            )));
        }
        // Whatever still makes it turns round; the work that deletes it waits for that.
        let mut nudges = match force {
            true => busy::turn_round(&tx, &row.id).await?,
            false => Vec::new(),
        };
        row.status = match how {
            How::Release => SnapshotStatus::Unmanaging,
            _ => SnapshotStatus::Deleting,
        };
        row.updated_at = Some(store::now());
        let state = State {
            asked: call.cx.asked(),
            snapshot_id: row.id.clone(),
            volume_id: row.volume_id.clone(),
            release: how == How::Release,
        };
        store::save(&tx, row).await?;
        nudges.push(workflow::insert(&tx, Kind::of::<Delete>(), &seen.id, &state).await?);
        tx.commit().await?;
        Ok(nudges)
    })
    .await?;
    nudges.into_iter().for_each(|id| volumes.nudge(id));
    Ok(Answer::empty())
}
