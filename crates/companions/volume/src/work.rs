//! Operations that take time, as workflows of the journal: each is written in the transaction that changed the status of
//! its volume, and ends in one that gives it a status of rest.

pub mod backup;
pub mod busy;
pub mod create;
pub mod delete;
pub mod extend;
pub mod group;
pub mod images;
pub mod import;
pub mod manage;
pub mod migrate;
pub mod reimage;
pub mod restore;
pub mod snapshot;
pub mod still;
#[cfg(test)]
mod tests;
pub mod upload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use workflow::{Runner, SoleProcess, StepContext, StepError};

pub use crate::asked::Asked;
use crate::backends::Backend;
use crate::db::store;
use crate::driver::{DriverError, Id, Part, Snapshot, Source};
use crate::exports::{self, ExportError};
use crate::shared::Core;
use crate::tables::volume;

/// The longest that a step takes that moves no bytes.
pub const MINUTE: Duration = Duration::from_secs(60);

/// The longest that a step takes that copies a disk.
pub const COPY: Duration = Duration::from_secs(24 * 3600);

/// How long a back end that failed is left alone before it is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// How often a back end that fails is tried.
pub const TRIES: u32 = 3;

/// Works on the journal.
pub fn runner(core: Arc<Core>, sole: Option<SoleProcess>) -> Runner {
    let (db, host) = (core.db.clone(), core.settings.host.clone());
    Runner::build(db, &host, core)
        .on::<backup::Create>()
        .on::<backup::Delete>()
        .on::<create::Create>()
        .on::<delete::Delete>()
        .on::<extend::Extend>()
        .on::<group::Create>()
        .on::<group::Follow>()
        .on::<manage::Manage>()
        .on::<manage::ManageSnapshot>()
        .on::<migrate::Migrate>()
        .on::<migrate::attached::MigrateAttached>()
        .on::<reimage::Reimage>()
        .on::<restore::Restore>()
        .on::<snapshot::Create>()
        .on::<snapshot::Delete>()
        .on::<snapshot::Revert>()
        .on::<upload::Upload>()
        .sole(sole)
        .start()
}

/// An id of a row as drivers take it.
///
/// # Errors
/// It is none: the database was changed by hand.
pub fn id(text: &str) -> Result<Id, StepError> {
    text.parse()
        .map_err(|error: crate::driver::NoId| StepError::Fatal(error.to_string()))
}

/// The row of a volume; none: it is gone.
///
/// # Errors
/// The database does not answer.
pub async fn row(core: &Core, volume_id: &str) -> Result<Option<volume::Model>, StepError> {
    let row = store::find::<volume::Entity>(core.db.read(), volume_id).await;
    row.map_err(database)
}

/// The back end of a volume, by its row.
///
/// # Errors
/// The volume is gone, or its back end is none of this process.
pub async fn home<'c>(core: &'c Core, volume_id: &str) -> Result<&'c Backend, StepError> {
    let row = row(core, volume_id).await?;
    let row = row.ok_or_else(|| StepError::fail("the volume is gone"))?;
    home_of(core, &row)
}

/// The back end of a row.
///
/// # Errors
/// It is none of this process.
pub fn home_of<'c>(core: &'c Core, row: &volume::Model) -> Result<&'c Backend, StepError> {
    let found = core.backends.of(row.host.as_deref());
    found.map_err(|error| StepError::fail(error.to_string()))
}

/// The volume is still this work's, and the work this process's; no host reaches it any more. Asked right before the
/// volume's bytes are replaced, since what came before may have taken long.
///
/// # Errors
/// An administrator gave the volume another status, or it is gone; what serves it does not end.
pub async fn claimed(
    core: &Core,
    cx: &StepContext,
    volume_id: &str,
    is: fn(&volume::Model) -> bool,
) -> Result<(), StepError> {
    let tx = cx.begin().await?;
    let row = store::locked::<volume::Entity>(&*tx, volume_id).await;
    let row = row.map_err(database)?;
    tx.commit().await?;
    if !row.is_some_and(|row| is(&row)) {
        return Err(StepError::fail("the volume is not to be written any more"));
    }
    // A host that asked without an attachment may still have it open.
    let ended = exports::end_all(core, volume_id).await;
    ended.map_err(exported)
}

/// The volume is gone from its back end; one without a row, from all.
///
/// # Errors
/// A back end does not answer.
pub async fn ensure_gone(core: &Core, volume_id: &str) -> Result<(), StepError> {
    let gone = match row(core, volume_id).await? {
        Some(row) => {
            home_of(core, &row)?
                .driver
                .ensure_gone(id(volume_id)?)
                .await
        }
        None => core.backends.ensure_gone(id(volume_id)?).await,
    };
    gone.map_err(backend)
}

/// A volume that lost its row while it was made leaves no bytes.
///
/// # Errors
/// A back end does not answer.
pub async fn ensure_no_orphan(core: &Core, volume_id: &str) -> Result<(), StepError> {
    match row(core, volume_id).await? {
        Some(_) => Ok(()),
        None => ensure_gone(core, volume_id).await,
    }
}

/// The snapshot is gone from its volume's back end; one whose volume has no row, from all.
///
/// # Errors
/// A back end does not answer.
pub async fn ensure_snapshot_gone(core: &Core, snapshot: Snapshot) -> Result<(), StepError> {
    match row(core, &snapshot.volume.to_string()).await? {
        Some(row) => {
            let gone = home_of(core, &row)?
                .driver
                .ensure_snapshot_gone(snapshot)
                .await;
            gone.map_err(backend)
        }
        None => {
            for one in core.backends.iter() {
                let gone = one.driver.ensure_snapshot_gone(snapshot).await;
                gone.map_err(backend)?;
            }
            Ok(())
        }
    }
}

/// What a part holds, for a volume on a back end: its own part, or a copy of another's, whose path is kept in `path`.
///
/// # Errors
/// It is gone, or its back end does not answer.
pub async fn copied<'p>(
    core: &Core,
    to: &Backend,
    part: Part,
    path: &'p mut PathBuf,
) -> Result<Source<'p>, StepError> {
    let of = match part {
        Part::Volume(id) => id,
        Part::Snapshot(snapshot) => snapshot.volume,
    };
    let from = home(core, &of.to_string()).await?;
    if from.host == to.host {
        return Ok(match part {
            Part::Volume(id) => Source::Volume(id),
            Part::Snapshot(snapshot) => Source::Snapshot(snapshot),
        });
    }
    *path = from.driver.readable(part).await.map_err(backend)?;
    Ok(Source::Copy(path))
}

/// GiB of a row as drivers take them.
pub fn size(row: &volume::Model) -> u64 {
    row.size.unsigned_abs()
}

/// A back end that failed may not fail again; one that has not what is asked for, or no room, will.
pub fn backend(error: DriverError) -> StepError {
    let mut why = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        why = format!("{why}: {source}");
    }
    match error {
        DriverError::Io { .. } => StepError::retry(AGAIN, why),
        _ => StepError::fail(why),
    }
}

/// What serves volumes may do so, or end, at another attempt.
pub fn exported(error: ExportError) -> StepError {
    match error {
        ExportError::Database(error) => database(error),
        ExportError::Driver(error) => backend(error),
        other => StepError::retry(AGAIN, other),
    }
}

/// A database that does not answer is waited for.
pub fn database(error: impl Into<sql::SqlError>) -> StepError {
    error.into().into()
}
