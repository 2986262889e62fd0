//! Work that makes or writes a volume or a snapshot, or holds a volume still to read it. Who deletes one by force asks
//! such work to turn round, and whoever deletes one waits for its end: what comes late would leave bytes without a row.

use std::time::Duration;

use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use workflow::{Record, Status, StepError, Workflow, WorkflowError, WorkflowId};

use super::{
    backup as backups, create, database, delete, extend, manage, reimage, restore, snapshot, upload,
};
use crate::shared::Core;
use crate::tables::{backup, snapshot as snapshots};

/// How often it is looked whether such work has ended.
const LOOK: Duration = Duration::from_secs(1);

/// Kinds of work that make, write or hold still the volume that they are about. Backups and restores are about backups.
const OF_VOLUMES: [&str; 6] = [
    create::Create::KIND,
    extend::Extend::KIND,
    manage::Manage::KIND,
    reimage::Reimage::KIND,
    snapshot::Revert::KIND,
    upload::Upload::KIND,
];

/// Kinds of work that make the snapshot that they are about.
const OF_SNAPSHOTS: [&str; 2] = [snapshot::Create::KIND, manage::ManageSnapshot::KIND];

/// Kinds of work that remove what they are about.
const REMOVES: [&str; 2] = [delete::Delete::KIND, snapshot::Delete::KIND];

/// Running work of these kinds about something.
async fn running(
    db: &impl ConnectionTrait,
    subject: &str,
    kinds: &[&str],
) -> Result<Vec<Record>, WorkflowError> {
    let mut all = workflow::find(db, subject).await?;
    all.retain(|one| one.status == Status::Running && kinds.contains(&one.kind.as_str()));
    Ok(all)
}

/// Backups that are being restored to a volume.
async fn restores(
    db: &impl ConnectionTrait,
    volume_id: &str,
) -> Result<Vec<Record>, WorkflowError> {
    let backups = backup::Entity::find()
        .filter(backup::Column::RestoreVolumeId.eq(volume_id))
        .all(db)
        .await?;
    let mut all = Vec::new();
    for backup in backups {
        all.extend(running(db, &backup.id, &[restore::Restore::KIND]).await?);
    }
    all.retain(|one| one.state["volume_id"] == volume_id);
    Ok(all)
}

/// Backups that are being made of a volume, whatever their rows say: an operator may have said something else.
async fn made_of(db: &impl ConnectionTrait, volume_id: &str) -> Result<Vec<Record>, WorkflowError> {
    let rows = backup::Entity::find()
        .filter(backup::Column::VolumeId.eq(volume_id))
        .all(db)
        .await?;
    let mut all = Vec::new();
    for row in rows {
        all.extend(running(db, &row.id, &[backups::Create::KIND]).await?);
    }
    Ok(all)
}

/// Asks all work about something to turn round, but for what removes it; gives what is to be nudged after the commit.
///
/// # Errors
/// The database does not answer.
pub async fn turn_round(
    tx: &impl ConnectionTrait,
    subject: &str,
) -> Result<Vec<WorkflowId>, WorkflowError> {
    let mut all = workflow::find(tx, subject).await?;
    all.retain(|one| one.status == Status::Running && !REMOVES.contains(&one.kind.as_str()));
    cancelled(tx, &all).await
}

/// The same of a volume, to which backups may be restored and of which some may be made.
///
/// # Errors
/// As [`turn_round`].
pub async fn turn_round_volume(
    tx: &impl ConnectionTrait,
    id: &str,
) -> Result<Vec<WorkflowId>, WorkflowError> {
    let mut asked = turn_round(tx, id).await?;
    asked.extend(cancelled(tx, &restores(tx, id).await?).await?);
    asked.extend(cancelled(tx, &made_of(tx, id).await?).await?);
    Ok(asked)
}

async fn cancelled(
    tx: &impl ConnectionTrait,
    all: &[Record],
) -> Result<Vec<WorkflowId>, WorkflowError> {
    for one in all {
        workflow::request_cancel_of(tx, one.id).await?;
    }
    Ok(all.iter().map(|one| one.id).collect())
}

/// Goes on when nothing makes, writes or holds still a volume or its snapshots any more.
///
/// # Errors
/// Something does: it is looked again.
pub async fn volume_rests(core: &Core, id: &str) -> Result<(), StepError> {
    let db = core.db.read();
    let mut left = running(db, id, &OF_VOLUMES).await?;
    left.extend(restores(db, id).await?);
    left.extend(made_of(db, id).await?);
    let rows = snapshots::Entity::find()
        .filter(snapshots::Column::VolumeId.eq(id))
        .all(db)
        .await
        .map_err(database)?;
    for row in rows {
        left.extend(running(db, &row.id, &OF_SNAPSHOTS).await?);
    }
    none(&left)
}

/// Goes on when nothing makes a snapshot, and its volume does not go back to it, any more.
///
/// # Errors
/// Something does: it is looked again.
pub async fn snapshot_rests(core: &Core, volume_id: &str, id: &str) -> Result<(), StepError> {
    let db = core.db.read();
    let mut left = running(db, id, &OF_SNAPSHOTS).await?;
    let reverts = running(db, volume_id, &[snapshot::Revert::KIND]).await?;
    left.extend(
        reverts
            .into_iter()
            .filter(|one| one.state["snapshot_id"] == id),
    );
    none(&left)
}

/// Whether work makes a snapshot.
///
/// # Errors
/// The database does not answer.
pub async fn is_made(db: &impl ConnectionTrait, id: &str) -> Result<bool, WorkflowError> {
    Ok(!running(db, id, &OF_SNAPSHOTS).await?.is_empty())
}

fn none(left: &[Record]) -> Result<(), StepError> {
    match left.first() {
        None => Ok(()),
        Some(one) => Err(StepError::retry(
            LOOK,
            format!("{} has not ended", one.kind),
        )),
    }
}
