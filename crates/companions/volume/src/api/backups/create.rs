//! A backup is asked for: whole or incremental, of a volume or a snapshot.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use workflow::{Kind, WorkflowId};

use super::view;
use crate::api::words::{Flag, Metadata, trimmed};
use crate::api::{Call, Cx, find_by, volumes as api};
use crate::db::store::{self, Tx};
use crate::db::{backups as rows, properties};
use crate::fault::Fault;
use crate::policy;
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::backup::Model;
use crate::tables::{BackupStatus, Owner, SnapshotStatus, Status, Word, snapshot, volume};
use crate::work::backup::{Create, State};

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateBackup {
    pub backup: NewBackup,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewBackup {
    #[mv(format = "uuid")]
    pub volume_id: String,
    #[mv(nullable, max_length = 255)]
    pub container: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    pub incremental: Option<Flag>,
    /// Also of a volume in use.
    pub force: Option<Flag>,
    #[mv(nullable, format = "uuid")]
    pub snapshot_id: Option<String>,
    #[mv(since = "3.43", nullable)]
    pub metadata: Option<Metadata>,
    #[mv(since = "3.51", nullable, max_length = 255)]
    pub availability_zone: Option<String>,
}

/// `POST /backups`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CreateBackup { backup: new } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find_by(&volumes, &cx, &new.volume_id).await?;
    volumes.allow(&cx, &policy::target(&seen.project_id, &seen.user_id))?;
    let (row, nudge) = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let made = begin(&volumes, &cx, &tx, &new).await?;
        tx.commit().await?;
        Ok::<_, Fault>(made)
    })
    .await?;
    volumes.nudge(nudge);
    call.render_under("backup", &view::brief(&call, &row))
}

async fn begin(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    new: &NewBackup,
) -> Result<(Model, WorkflowId), Fault> {
    let mut of = api::locked(tx, &new.volume_id).await?;
    let snapshot = match &new.snapshot_id {
        Some(id) => Some(source(volumes, cx, tx, (&of, id)).await?),
        None => None,
    };
    if snapshot.is_none() {
        check(&of, new.force.is_some_and(|flag| flag.0))?;
    }
    let project = cx.project()?.to_owned();
    let more = More {
        backups: 1,
        backup_gigabytes: of.size,
        ..More::default()
    };
    quota::admit(volumes.settings(), tx, &project, None, more).await?;
    let incremental = new.incremental.is_some_and(|flag| flag.0);
    let parent = match incremental {
        true => Some(parent(tx, &project, &of.id, snapshot.as_ref()).await?),
        false => None,
    };
    let now = store::now();
    let row = Model {
        id: store::new_id(),
        project_id: project,
        user_id: cx.caller.user_id.clone(),
        volume_id: of.id.clone(),
        snapshot_id: new.snapshot_id.clone(),
        parent_id: parent,
        name: trimmed(new.name.clone()),
        description: trimmed(new.description.clone()),
        status: BackupStatus::Creating,
        size: of.size,
        object_count: 0,
        container: new.container.clone(),
        availability_zone: new.availability_zone.clone(),
        host: None,
        service: None,
        fail_reason: None,
        restore_volume_id: None,
        data_timestamp: snapshot.as_ref().map_or(now, |row| row.created_at),
        created_at: now,
        updated_at: None,
    };
    store::insert(tx, row.clone()).await?;
    let metadata = new.metadata.clone().unwrap_or_default().0;
    properties::merge(tx, Owner::Backup, &row.id, &metadata).await?;
    // Servers write to a volume in use: what is read stands still beside it.
    let used = snapshot.is_none() && of.status == Status::InUse;
    let state = State {
        asked: cx.asked(),
        backup_id: row.id.clone(),
        volume_id: of.id.clone(),
        snapshot_id: new.snapshot_id.clone(),
        still: used.then(store::new_id),
        parent_id: row.parent_id.clone(),
    };
    match snapshot {
        Some(mut snapshot) => {
            snapshot.status = SnapshotStatus::BackingUp;
            snapshot.updated_at = Some(now);
            store::save(tx, snapshot).await?;
        }
        None => {
            of.previous = Some(of.status);
            of.status = Status::BackingUp;
            of.updated_at = Some(now);
            store::save(tx, of).await?;
        }
    }
    let nudge = workflow::insert(tx, Kind::of::<Create>(), &row.id, &state).await?;
    Ok((row, nudge))
}

/// The snapshot that the backup is of, locked.
async fn source(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    (of, id): (&volume::Model, &str),
) -> Result<snapshot::Model, Fault> {
    let found = store::locked::<snapshot::Entity>(tx, id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    let row = found.ok_or_else(|| Fault::no_snapshot(id))?;
    let target = policy::target(&row.project_id, &row.user_id);
    volumes.allow_rule("volume:get_snapshot", &cx.caller, &target)?;
    if row.volume_id != of.id {
        return Err(Fault::InvalidVolume(format!(
            "Volume {} does not match with snapshot.volume_id {}.",
            of.id, row.volume_id
        )));
    }
    if row.status != SnapshotStatus::Available {
        return Err(Fault::InvalidSnapshot(format!(
            "Snapshot to be backed up must be available, but the current status is \"{}\".",
            row.status.word()
        )));
    }
    Ok(row)
}

/// Whether a volume may be backed up.
fn check(of: &volume::Model, force: bool) -> Result<(), Fault> {
    match of.status {
        Status::Available => Ok(()),
        Status::InUse if force => Ok(()),
        Status::InUse => Err(Fault::InvalidVolume(
            "Backing up an in-use volume must use the force flag.".to_owned(),
        )),
        other => Err(Fault::InvalidVolume(format!(
            "Volume to be backed up must be available or in-use, but the current status is \"{}\".",
            other.word()
        ))),
    }
}

/// The backup that an incremental one builds upon: the last one, or the last before the snapshot. It is locked, so that
/// nobody deletes it.
async fn parent(
    tx: &Tx,
    project: &str,
    volume_id: &str,
    snapshot: Option<&snapshot::Model>,
) -> Result<String, Fault> {
    let fits = |row: &Model| {
        row.status == BackupStatus::Available
            && snapshot.is_none_or(|of| row.data_timestamp < of.created_at)
    };
    let none =
        || Fault::InvalidBackup("No backups available to do an incremental backup.".to_owned());
    let all = rows::of_volume(tx, project, volume_id).await?;
    let last = all
        .into_iter()
        .filter(fits)
        .max_by_key(|row| row.data_timestamp);
    let row = super::locked(tx, &last.ok_or_else(none)?.id).await?;
    match fits(&row) {
        true => Ok(row.id),
        false => Err(none()),
    }
}
