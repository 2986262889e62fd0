//! A volume comes to hold what a backup holds: one that is there, or a new one.

use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{
    Asked, COPY, MINUTE, TRIES, backend, backup, claimed, create, database, ensure_gone,
    ensure_no_orphan, home_of, id, images, row, size,
};
use crate::backends::Backend;
use crate::db::properties;
use crate::db::store::{self, Tx};
use crate::driver::{Part, Source};
use crate::messages::{self, About, Action, Detail};
use crate::shared::Core;
use crate::tables::{BackupStatus, Owner, Status, backup as backups, volume};
use crate::vault::{Kept, VaultError};

/// See the module.
pub struct Restore;

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub backup_id: String,
    pub volume_id: String,
    /// Whether the volume is made for it.
    pub fresh: bool,
    /// Zones that a new volume may be in; any when empty.
    pub zones: Vec<String>,
}

impl Workflow for Restore {
    const KIND: &'static str = "backup.restore";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("place", MINUTE, place),
            Step::new("data", COPY, data).undo(no_data).attempts(TRIES),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let (backup, volume) = (&state.backup_id, &state.volume_id);
        tracing::error!(backup, volume, %why, "a backup could not be restored");
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, volume).await;
        if let Some(mut row) = row.map_err(database)?.filter(is_restored) {
            let what = (Action::RestoreBackup, Detail::RestoreFailed);
            let left = messages::leave(core, &tx, &state.asked, About::Backup(backup), what).await;
            left.map_err(database)?;
            row.status = match row.status {
                Status::Creating => Status::Error,
                _ => Status::ErrorRestoring,
            };
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await.map_err(database)?;
        }
        let_go(&tx, backup).await.map_err(database)?;
        Ok(tx.commit().await?)
    }
}

/// Whether the row is still this workflow's to change.
fn is_restored(row: &volume::Model) -> bool {
    matches!(row.status, Status::Creating | Status::RestoringBackup)
}

/// The backup is available again.
async fn let_go(tx: &Tx, id: &str) -> Result<(), sql::sea_orm::DbErr> {
    let row = store::locked::<backups::Entity>(tx, id).await?;
    if let Some(mut row) = row.filter(|row| row.status == BackupStatus::Restoring) {
        row.status = BackupStatus::Available;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    Ok(())
}

async fn place(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    create::placed(core, cx, &state.volume_id, &state.zones, None).await?;
    Ok(Next::Go)
}

async fn data(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let row = row(core, &state.volume_id).await?.filter(is_restored);
    let row = row.ok_or_else(|| StepError::fail("the volume is not restored any more"))?;
    let (volume, to) = (id(&row.id)?, home_of(core, &row)?);
    // A run before this one may have come to its end.
    if state.fresh && to.driver.readable(Part::Volume(volume)).await.is_ok() {
        return Ok(Next::Go);
    }
    let unpacked = unpack(core, to, state).await?;
    let source = Source::File(&unpacked);
    claimed(core, cx, &state.volume_id, is_restored).await?;
    let done = match state.fresh {
        true => to.driver.ensure_volume(volume, size(&row), source).await,
        false => to.driver.ensure_content(volume, source).await,
    };
    done.map_err(backend)?;
    images::forget(core, &state.volume_id).await?;
    Ok(Next::Go)
}

/// What the backup holds, as a file of the service's own.
async fn unpack(core: &Core, to: &Backend, state: &State) -> Result<PathBuf, StepError> {
    images::forget(core, &state.volume_id).await?;
    let made = to.make_incoming().map_err(VaultError::Io);
    let name = uuid::Uuid::new_v4().simple();
    let path = to.incoming().join(format!("{}.{name}", state.volume_id));
    let (backup, to) = (id(&state.backup_id)?, path.clone());
    backup::run(core, move |vault| {
        made?;
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        vault.unpack(backup, &file).map(drop)
    })
    .await?;
    Ok(path)
}

async fn no_data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    images::forget(core, &state.volume_id).await?;
    match state.fresh {
        true => ensure_gone(core, &state.volume_id).await,
        false => Ok(()),
    }
}

async fn settle(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let backup = id(&state.backup_id)?;
    let kept = backup::run(core, move |vault| match vault.manifest(backup) {
        Ok(manifest) => Ok(manifest.volume),
        // Its bytes are on the volume already.
        Err(VaultError::Missing(_) | VaultError::Damaged { .. }) => Ok(Kept::default()),
        Err(error) => Err(error),
    })
    .await?;
    ensure_no_orphan(core, &state.volume_id).await?;
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?;
        if let Some(row) = row.filter(is_restored) {
            take_over(&tx, row, &state.backup_id, &kept).await?;
        }
        let_go(&tx, &state.backup_id).await?;
        tx.finish(state).await
    });
    Ok(settled.await?)
}

/// Names of volumes that were made for a backup and have none of their own.
pub const MADE_FOR: &str = "restore_backup_";

/// The volume gets what the backup kept of its volume, as in Cinder, and the word of where it comes from.
async fn take_over(
    tx: &Tx,
    mut row: volume::Model,
    backup_id: &str,
    kept: &Kept,
) -> Result<(), sql::sea_orm::DbErr> {
    let unnamed = row
        .name
        .as_deref()
        .is_none_or(|name| name.is_empty() || name.starts_with(MADE_FOR));
    if unnamed && kept.name.as_ref().is_some_and(|name| !name.is_empty()) {
        row.name.clone_from(&kept.name);
        row.description.clone_from(&kept.description);
    }
    if !kept.metadata.is_empty() {
        properties::replace(tx, Owner::Volume, &row.id, &kept.metadata).await?;
    }
    if !kept.image.is_empty() {
        properties::replace(tx, Owner::Image, &row.id, &kept.image).await?;
        row.bootable = true;
    }
    let of = store::find::<backups::Entity>(tx, backup_id).await?;
    let earlier = properties::of(tx, Owner::Volume, &row.id).await?;
    let earlier = earlier.get(SOURCE).is_some_and(|id| id != backup_id);
    if earlier || of.is_none_or(|backup| backup.volume_id != row.id) {
        let source = [(SOURCE.to_owned(), backup_id.to_owned())].into();
        properties::merge(tx, Owner::Volume, &row.id, &source).await?;
    }
    row.status = Status::Available;
    row.updated_at = Some(store::now());
    store::save(tx, row).await
}

/// The metadata that says which backup a volume was restored from.
const SOURCE: &str = "src_backup_id";
