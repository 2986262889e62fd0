//! The contract between the service and whatever keeps the bytes of volumes. How hosts reach them is a matter of targets
//! (`target`), whatever keeps them.
//!
//! A [`Driver`] is told what must be true (*ensure* created, gone, extended, …) of volumes and snapshots by their ids. It
//! sees neither rows nor requests. Promises every driver keeps, checked by the shared suite:
//! - every verb is idempotent: told again, it changes nothing, also after a run that was killed in its middle;
//! - what is half made is never taken for the thing: a volume or snapshot is there whole or not at all;
//! - a volume that is there is not written by [`Driver::ensure_volume`] again, whatever it is to be made of: who was made
//!   to wait and comes late destroys nothing;
//! - a snapshot, a clone and a copy depend on nothing: their origin may be written, extended and deleted.

pub mod file;
pub mod lvm;
pub(crate) mod sparse;
#[cfg(test)]
pub(crate) mod suite;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use async_trait::async_trait;
use uuid::Uuid;

/// The id of a volume or snapshot. Ids become names of files: nothing but a UUID in its usual form is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Uuid);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no id of a volume or snapshot")]
pub struct NoId(String);

impl FromStr for Id {
    type Err = NoId;

    fn from_str(text: &str) -> std::result::Result<Self, NoId> {
        match Uuid::try_parse(text) {
            Ok(uuid) if uuid.hyphenated().to_string() == text => Ok(Id(uuid)),
            _ => Err(NoId(text.to_owned())),
        }
    }
}

/// A snapshot of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot {
    pub volume: Id,
    pub id: Id,
}

/// What a new volume holds. What is smaller than the volume is followed by zeros.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// Zeros.
    Blank,
    Snapshot(Snapshot),
    Volume(Id),
    /// A raw file of the service's own, which the driver may take away.
    File(&'a Path),
    /// What another back end's [`Driver::readable`] gave: it is read and stays as it is.
    Copy(&'a Path),
}

/// A volume or a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Volume(Id),
    Snapshot(Snapshot),
}

/// Room, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub total: u64,
    pub free: u64,
}

/// What a driver says of itself, for operators and for the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    pub vendor: &'static str,
    pub version: &'static str,
    /// Whether the sum of volumes may be larger than the room.
    pub thin: bool,
    pub multiattach: bool,
}

/// Why a driver did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// There is no such volume or snapshot.
    #[error("{0} is not there")]
    NotFound(String),
    /// What is to be taken over belongs to somebody else for now.
    #[error("{0} is in use")]
    InUse(String),
    /// Another attempt may find more room.
    #[error("there is no room left on {}", .0.display())]
    Full(PathBuf),
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

/// The result of every verb.
pub type Result<T> = std::result::Result<T, DriverError>;

/// GiB in bytes.
pub const GIB: u64 = 1 << 30;

/// See the module.
#[async_trait]
pub trait Driver: Send + Sync {
    /// What it is.
    fn about(&self) -> About;

    /// How much room there is.
    async fn capacity(&self) -> Result<Capacity>;

    /// There is a volume of this many GiB. What is there already stays as it is.
    async fn ensure_volume(&self, id: Id, size: u64, source: Source<'_>) -> Result<()>;

    /// The volume is gone, with its snapshots and with what was half made of both.
    async fn ensure_gone(&self, id: Id) -> Result<()>;

    /// The volume has at least this many GiB; no volume ever shrinks.
    async fn ensure_size(&self, id: Id, size: u64) -> Result<()>;

    /// The volume holds what this is, and zeros behind it. Told again, it holds that again: to be told only while nobody
    /// uses the volume.
    async fn ensure_content(&self, id: Id, source: Source<'_>) -> Result<()>;

    /// There is a snapshot of what the volume holds now, or held when the snapshot was made.
    async fn ensure_snapshot(&self, snapshot: Snapshot) -> Result<()>;

    /// The snapshot is gone.
    async fn ensure_snapshot_gone(&self, snapshot: Snapshot) -> Result<()>;

    /// A raw file or device on this machine that shows what it holds, to be read.
    async fn readable(&self, part: Part) -> Result<PathBuf>;

    /// The same of volumes, where one call tells it of all. Nothing needs to be in here.
    async fn paths(&self) -> Result<BTreeMap<Id, PathBuf>> {
        Ok(BTreeMap::new())
    }

    /// All volumes and snapshots that are there, for audits.
    async fn inventory(&self) -> Result<Vec<Part>>;

    /// The ability to take over what is no volume yet, and to let volumes go.
    fn adoption(&self) -> Option<&dyn Adoption>;
}

/// What lies on a back end beside its volumes, under names of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    pub name: String,
    pub bytes: u64,
    /// The volume of which it was a snapshot.
    pub of: Option<Id>,
}

/// Taking over what is no volume yet, and letting volumes go. Nothing here destroys bytes.
#[async_trait]
pub trait Adoption: Send + Sync {
    /// All that may be taken over and is in nobody's use, by name.
    async fn strays(&self) -> Result<Vec<Stray>>;

    /// What has this name; `InUse` where the machine itself has it open.
    async fn stray(&self, name: &str) -> Result<Stray>;

    /// What had this name is that volume or snapshot; of several that are to be it one is. One that is there already
    /// stays as it is.
    async fn ensure_adopted(&self, name: &str, part: Part) -> Result<()>;

    /// What was that volume, which has no snapshots, or that snapshot, or was on its way there, has this name; nothing
    /// that has it already is replaced.
    async fn ensure_released(&self, part: Part, name: &str) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_uuids_are_ids() {
        let plain = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";
        assert_eq!(
            plain.parse::<Id>().map(|id| id.to_string()).as_deref(),
            Ok(plain)
        );
        for other in [
            "",
            "..",
            "../x",
            "0d7b1a2c6a3e4f0e9f41000000000001",
            "0D7B1A2C-6A3E-4F0E-9F41-000000000001",
        ] {
            assert!(other.parse::<Id>().is_err(), "{other}");
        }
    }
}
