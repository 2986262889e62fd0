//! Backups come and go.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Asked, COPY, MINUTE, TRIES, backend, database, home, id, restore, still};
use crate::db::store::{self, Tx};
use crate::db::{backups, properties, services, volumes as rows};
use crate::driver::{Part, Snapshot};
use crate::messages::{self, About, Action, Detail};
use crate::shared::Core;
use crate::tables::service::{self, Binary};
use crate::tables::{
    BackupStatus, Owner, SnapshotStatus, Status, attachment, backup, snapshot, volume,
};
use crate::vault::{Kept, Vault, VaultError};

/// A backup is made.
pub struct Create;

/// A backup is deleted.
pub struct Delete;

/// What steps know of a backup that is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub backup_id: String,
    pub volume_id: String,
    /// The snapshot that it is of.
    pub snapshot_id: Option<String>,
    /// Of a volume in use: the snapshot that stands still while it is read, without a row.
    pub still: Option<String>,
    pub parent_id: Option<String>,
}

/// What steps know of a backup that goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gone {
    pub asked: Asked,
    pub backup_id: String,
}

/// What keeps backups, as records of them say: among the names of Cinder's drivers, as clients expect.
pub const SERVICE: &str = "cinder.backup.drivers.kilonova";

/// The same, in records that were made before 2026-11-30.
pub const OLDER_SERVICE: &str = "kilonova.backup.file";

/// How often it is looked whether other work on a backup has ended.
const LOOK: Duration = Duration::from_secs(1);

impl Workflow for Create {
    const KIND: &'static str = "backup.create";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("place", MINUTE, place),
            Step::new("still", COPY, make_still)
                .undo(no_still)
                .attempts(TRIES),
            Step::new("data", COPY, data).undo(no_data).attempts(TRIES),
            Step::new("tidy", MINUTE, tidy).attempts(TRIES),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::warn!(backup = state.backup_id, %why, "a backup could not be made");
        let tx = cx.begin().await?;
        let_go(&tx, state).await.map_err(database)?;
        let row = store::locked::<backup::Entity>(&*tx, &state.backup_id).await;
        let row = row.map_err(database)?;
        if let Some(row) = row.filter(|row| row.status == BackupStatus::Creating) {
            let what = match row.host {
                None => (Action::CreateBackup, Detail::NoBackupService),
                Some(_) => (Action::CreateBackup, Detail::BackupFailed),
            };
            let about = About::Backup(&state.backup_id);
            let left = messages::leave(core, &tx, &state.asked, about, what).await;
            left.map_err(database)?;
            let failed = backups::fail(&tx, row, &text(why)).await;
            failed.map_err(database)?;
        }
        Ok(tx.commit().await?)
    }
}

/// A reason as people read it.
pub fn text(why: &Value) -> String {
    why.as_str().map_or_else(|| why.to_string(), str::to_owned)
}

/// A service that keeps backups in this zone, or in any.
pub async fn service(
    db: &impl sql::sea_orm::ConnectionTrait,
    zone: Option<&str>,
) -> Result<Option<service::Model>, sql::SqlError> {
    let now = sql::now(db).await?;
    let all = services::list(db, Some(Binary::Backup), None).await?;
    let serves = |one: &service::Model| {
        !one.disabled && services::is_up(one, now) && zone.is_none_or(|zone| one.zone == zone)
    };
    Ok(all.into_iter().find(serves))
}

/// The volume or snapshot has its status of before again.
async fn let_go(tx: &Tx, state: &State) -> Result<(), sql::sea_orm::DbErr> {
    if let Some(id) = &state.snapshot_id {
        let row = store::locked::<snapshot::Entity>(tx, id).await?;
        if let Some(mut row) = row.filter(|row| row.status == SnapshotStatus::BackingUp) {
            row.status = SnapshotStatus::Available;
            row.updated_at = Some(store::now());
            store::save(tx, row).await?;
        }
        return Ok(());
    }
    let row = store::locked::<volume::Entity>(tx, &state.volume_id).await?;
    if let Some(mut row) = row.filter(|row| row.status == Status::BackingUp) {
        // Servers may have come and gone in the meantime.
        row.status = attachment::at_rest(&rows::attachments(tx, &row.id).await?);
        row.previous = None;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    Ok(())
}

async fn place(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let placed = sql::retry(|| async {
        let tx = cx.begin().await?;
        let row = store::locked::<backup::Entity>(&*tx, &state.backup_id).await?;
        let Some(mut row) = row.filter(|row| row.status == BackupStatus::Creating) else {
            return Ok(Err("the backup is gone"));
        };
        let found = service(&*tx, row.availability_zone.as_deref()).await?;
        let Some(found) = found else {
            return Ok(Err("Service not found for creating backup."));
        };
        row.availability_zone.get_or_insert(found.zone);
        row.host = Some(found.host);
        row.service = Some(SERVICE.to_owned());
        store::save(&*tx, row).await?;
        tx.commit().await?;
        Ok::<_, sql::SqlError>(Ok(()))
    })
    .await?;
    placed.map(|()| Next::Go).map_err(StepError::fail)
}

impl State {
    /// The snapshot that stands still for this backup.
    fn still(&self) -> Result<Option<Snapshot>, StepError> {
        still::of(&self.volume_id, self.still.as_ref())
    }

    /// What is read.
    fn part(&self) -> Result<Part, StepError> {
        let volume = id(&self.volume_id)?;
        Ok(match (&self.snapshot_id, self.still()?) {
            (Some(snapshot), _) => Part::Snapshot(Snapshot {
                volume,
                id: id(snapshot)?,
            }),
            (None, Some(still)) => Part::Snapshot(still),
            (None, None) => Part::Volume(volume),
        })
    }
}

async fn make_still(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    still::ensure(core, state.still()?).await?;
    Ok(Next::Go)
}

async fn no_still(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    still::ensure_gone(core, state.still()?).await
}

async fn data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let at = home(core, &state.volume_id).await?;
    let from = at.driver.readable(state.part()?).await.map_err(backend)?;
    let parent = state.parent_id.as_deref().map(id).transpose()?;
    let (backup, kept) = (id(&state.backup_id)?, kept(core, &state.volume_id).await?);
    run(core, move |vault| vault.ensure(backup, &from, parent, kept)).await?;
    Ok(Next::Go)
}

async fn tidy(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    no_still(core, cx, state).await?;
    Ok(Next::Go)
}

async fn kept(core: &Core, volume_id: &str) -> Result<Kept, StepError> {
    let db = core.db.read();
    let row = store::find::<volume::Entity>(db, volume_id).await;
    let row = row.map_err(database)?;
    let row = row.ok_or_else(|| StepError::fail("the volume is gone"))?;
    let metadata = properties::of(db, Owner::Volume, volume_id).await;
    let image = properties::of(db, Owner::Image, volume_id).await;
    Ok(Kept {
        name: row.name,
        description: row.description,
        metadata: metadata.map_err(database)?,
        image: image.map_err(database)?,
    })
}

async fn no_data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let backup = id(&state.backup_id)?;
    run(core, move |vault| vault.ensure_gone(backup)).await
}

async fn settle(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        let_go(&tx, state).await?;
        let row = store::locked::<backup::Entity>(&*tx, &state.backup_id).await?;
        if let Some(mut row) = row.filter(|row| row.status == BackupStatus::Creating) {
            row.status = BackupStatus::Available;
            row.object_count = 1;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await?;
        }
        tx.finish(state).await
    });
    Ok(settled.await?)
}

/// Works on files of backups on a thread where it may wait.
pub async fn run<T: Send + 'static>(
    core: &Core,
    work: impl FnOnce(&Vault) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, StepError> {
    let vault = core.vault();
    let done = tokio::task::spawn_blocking(move || work(&vault)).await;
    let done = done.unwrap_or_else(|error| Err(std::io::Error::other(error.to_string()).into()));
    done.map_err(|error| {
        let passing = match &error {
            VaultError::Io(error) => error.kind() != std::io::ErrorKind::StorageFull,
            VaultError::Missing(_) | VaultError::Damaged { .. } => false,
        };
        let why = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        match passing {
            true => StepError::retry(super::AGAIN, why),
            false => StepError::fail(why),
        }
    })
}

impl Workflow for Delete {
    const KIND: &'static str = "backup.delete";
    type State = Gone;
    type Env = Core;

    fn request(state: &Gone) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, Gone>> {
        vec![
            Step::new("quiet", MINUTE, quiet).attempts(u32::MAX),
            Step::new("data", MINUTE, gone).attempts(TRIES),
            Step::new("record", MINUTE, record).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut Gone,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::error!(backup = state.backup_id, %why, "a backup could not be deleted");
        let tx = cx.begin().await?;
        let row = store::locked::<backup::Entity>(&*tx, &state.backup_id).await;
        let row = row.map_err(database)?;
        if let Some(row) = row.filter(|row| row.status == BackupStatus::Deleting) {
            let what = (Action::DeleteBackup, Detail::BackupStays);
            let about = About::Backup(&state.backup_id);
            let left = messages::leave(core, &tx, &state.asked, about, what).await;
            left.map_err(database)?;
            let failed = backups::fail(&tx, row, &text(why)).await;
            failed.map_err(database)?;
        }
        Ok(tx.commit().await?)
    }
}

/// Waits until it is neither made nor read any more: who deletes by force asked that to turn round.
async fn quiet(core: &Core, _cx: &StepContext, state: &mut Gone) -> Result<Next, StepError> {
    let others = workflow::find(core.db.read(), &state.backup_id).await?;
    let kinds = [Create::KIND, restore::Restore::KIND];
    match others.iter().any(|one| kinds.contains(&one.kind.as_str())) {
        false => Ok(Next::Go),
        true => Err(StepError::retry(LOOK, "it is still made or read")),
    }
}

async fn gone(core: &Core, _cx: &StepContext, state: &mut Gone) -> Result<Next, StepError> {
    let backup = id(&state.backup_id)?;
    run(core, move |vault| vault.ensure_gone(backup)).await?;
    Ok(Next::Go)
}

async fn record(_core: &Core, cx: &StepContext, state: &mut Gone) -> Result<Next, StepError> {
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        backups::forget(&tx, &state.backup_id).await?;
        tx.finish(state).await
    });
    Ok(done.await?)
}
