//! Messages for users: work that was accepted and failed leaves one, in the transaction that says so in its row. Numbers
//! and texts are Cinder's; what went wrong inside stays in the log.

use std::time::Duration;

use chrono::TimeDelta;
use sql::sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use tokio_util::sync::CancellationToken;

use crate::asked::Asked;
use crate::db::store::{self, Tx};
use crate::shared::Core;
use crate::tables::message::{Column, Entity, Model};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Schedule,
    UploadImage,
    DownloadImage,
    Extend,
    CreateVolume,
    CreateSnapshot,
    DeleteSnapshot,
    CreateBackup,
    DeleteBackup,
    RestoreBackup,
    Reimage,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Unknown,
    NoBackEnd,
    UploadFailed,
    ExtendFailed,
    CreateFailed,
    SnapshotFailed,
    SnapshotStays,
    BackupFailed,
    NoBackupService,
    BackupStays,
    RestoreFailed,
}

/// Actions by their numbers, and how they are told.
const ACTIONS: [(Action, &str, &str); 11] = [
    (Action::Schedule, "001", "schedule allocate volume"),
    (Action::UploadImage, "003", "copy volume to image"),
    (Action::DownloadImage, "005", "copy image to volume"),
    (Action::Extend, "007", "extend volume"),
    (
        Action::CreateVolume,
        "008",
        "create volume from backend storage",
    ),
    (Action::CreateSnapshot, "009", "create snapshot"),
    (Action::DeleteSnapshot, "010", "delete snapshot"),
    (Action::CreateBackup, "013", "create backup"),
    (Action::DeleteBackup, "014", "delete backup"),
    (Action::RestoreBackup, "015", "restore backup"),
    (Action::Reimage, "016", "reimage volume"),
];

/// What happened by its number, and how it is told.
const DETAILS: [(Detail, &str, &str); 11] = [
    (Detail::Unknown, "001", "An unknown error occurred."),
    (
        Detail::NoBackEnd,
        "003",
        "Could not find any available weighted backend.",
    ),
    (
        Detail::UploadFailed,
        "004",
        "Failed to upload volume to image at backend.",
    ),
    (
        Detail::ExtendFailed,
        "010",
        "Volume Driver failed to extend volume.",
    ),
    (
        Detail::CreateFailed,
        "012",
        "Driver failed to create the volume.",
    ),
    (Detail::SnapshotFailed, "013", "Snapshot failed to create."),
    (Detail::SnapshotStays, "016", "Snapshot failed to delete."),
    (
        Detail::BackupFailed,
        "020",
        "Backup driver failed to create backup.",
    ),
    (
        Detail::NoBackupService,
        "024",
        "Backup failed to schedule. Service not found for creating backup.",
    ),
    (
        Detail::BackupStays,
        "025",
        "Backup driver failed to delete backup.",
    ),
    (
        Detail::RestoreFailed,
        "026",
        "Backup driver failed to restore backup.",
    ),
];

/// What a message is about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    Volume(&'a str),
    Snapshot(&'a str),
    Backup(&'a str),
}

/// Leaves a message for the project that asked for the work.
///
/// # Errors
/// The database does not answer.
pub async fn leave(
    core: &Core,
    tx: &Tx,
    asked: &Asked,
    about: About<'_>,
    (action, detail): (Action, Detail),
) -> Result<(), DbErr> {
    let (resource, id) = match about {
        About::Volume(id) => ("VOLUME", id),
        About::Snapshot(id) => ("VOLUME_SNAPSHOT", id),
        About::Backup(id) => ("VOLUME_BACKUP", id),
    };
    let action = ACTIONS.iter().find(|(one, ..)| *one == action);
    let action = action.map_or("", |(_, id, _)| id);
    let detail = DETAILS.iter().find(|(one, ..)| *one == detail);
    let detail = detail.map_or("", |(_, id, _)| id);
    let now = store::now();
    let kept = TimeDelta::from_std(core.settings.message_ttl).unwrap_or(TimeDelta::MAX / 4);
    let row = Model {
        id: store::new_id(),
        project_id: asked.project_id.clone(),
        request_id: asked.request_id.clone(),
        resource_type: resource.to_owned(),
        resource_uuid: Some(id.to_owned()),
        action_id: action.to_owned(),
        detail_id: detail.to_owned(),
        event_id: format!("VOLUME_{resource}_{action}_{detail}"),
        message_level: "ERROR".to_owned(),
        created_at: now,
        expires_at: now + kept,
    };
    store::insert(tx, row).await
}

/// The sentence of a message.
pub fn sentence(row: &Model) -> String {
    let action = ACTIONS.iter().find(|(_, id, _)| *id == row.action_id);
    let detail = DETAILS.iter().find(|(_, id, _)| *id == row.detail_id);
    format!(
        "{}:{}",
        action.map_or("unknown action", |(_, _, text)| text),
        detail.map_or(DETAILS[0].2, |(_, _, text)| text)
    )
}

/// How often it is looked for messages whose time is over.
const LOOK: Duration = Duration::from_secs(3600);

/// Removes messages whose time is over, until told to stop.
pub async fn forget_for_ever(core: &Core, stop: CancellationToken) {
    loop {
        let over = Entity::delete_many().filter(Column::ExpiresAt.lt(store::now()));
        if let Err(error) = over.exec(core.db.write()).await {
            tracing::error!(%error, "cannot remove old messages");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
