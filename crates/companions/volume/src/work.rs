//! Operations that take time, as workflows of the journal: each is written in the transaction that changed the status of
//! its volume, and ends in one that gives it a status of rest.

pub mod backup;
pub mod create;
pub mod delete;
pub mod extend;
pub mod group;
pub mod images;
pub mod manage;
pub mod reimage;
pub mod restore;
pub mod snapshot;
pub mod still;
#[cfg(test)]
mod tests;
pub mod upload;

use std::sync::Arc;
use std::time::Duration;

use workflow::{Runner, SoleProcess, StepError};

pub use crate::asked::Asked;
use crate::driver::{DriverError, Id};
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
pub fn runner(core: Arc<Core>, sole: Option<SoleProcess>) -> Runner<Core> {
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

/// A database that does not answer is waited for.
pub fn database(error: impl Into<sql::SqlError>) -> StepError {
    error.into().into()
}
