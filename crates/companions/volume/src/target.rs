//! How hosts reach volumes, apart from what keeps their bytes: a [`Target`] serves a file or device of this machine.
//!
//! Each export is served for itself, under its own id: what ends one ends nothing else, and who was told of one that
//! ended reaches nothing. Promises of every target:
//! - *ensure* served and gone are idempotent, also after a run that was killed in its middle;
//! - what is served outlives this process; another one finds it ([`Target::served`]) and may end it;
//! - nothing waits without a limit of time.

pub mod local;
pub mod nbd;
#[cfg(test)]
mod suite;
pub mod tgt;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::Value;

use crate::driver::Id;
use local::Local;

/// How the volumes of a back end are reached.
#[derive(Clone)]
pub enum Reach {
    /// Hosts of this machine open them.
    Local(Local),
    /// They are served.
    Target(Arc<dyn Target>),
}

impl Reach {
    /// `storage_protocol`, for operators and for types that ask for one.
    pub fn protocol(&self) -> &'static str {
        match self {
            Reach::Local(_) => "file",
            Reach::Target(target) => target.protocol(),
        }
    }

    /// What serves the volumes, where something does.
    pub fn target(&self) -> Option<&dyn Target> {
        match self {
            Reach::Local(_) => None,
            Reach::Target(target) => Some(target.as_ref()),
        }
    }
}

/// What is to be served to whom.
#[derive(Clone)]
pub struct Grant {
    /// The export's.
    pub id: Id,
    pub volume: Id,
    /// The file or device that is served, raw.
    pub path: PathBuf,
    /// Bytes that it has now.
    pub size: u64,
    pub read_only: bool,
    /// Random; see the table.
    pub token: String,
    /// One of [`Needs::ports`], of this export alone; none where there are none.
    pub port: Option<u16>,
    /// Who logs in; none where nobody does.
    pub login: Option<Login>,
}

/// Who logs in to an export.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name of the host's iSCSI initiator.
    pub initiator: String,
    pub password: SecretString,
}

/// What each export of a target gets of its own, before it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// One of these ports.
    pub ports: Option<RangeInclusive<u16>>,
    /// An initiator, which the connector names, and a password.
    pub login: bool,
}

/// Why a volume is not served.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The connector lacks something, or is of a host that does not reach the volume.
    #[error("{0}")]
    Connector(String),
    /// Something else listens there: another port may do.
    #[error("port {0} is taken")]
    Taken(u16),
    /// A program or the machine failed; a sentence for operators.
    #[error("{0}")]
    Failed(String),
}

/// The result of every verb.
pub type Result<T> = std::result::Result<T, TargetError>;

/// Whether exactly this grant was served when it was looked.
pub type Standing = Arc<dyn Fn(&Grant) -> bool + Send + Sync>;

/// Nothing is known to be served as it should be.
pub fn none_stands() -> Standing {
    Arc::new(|_: &Grant| false)
}

/// See the module.
#[async_trait]
pub trait Target: Send + Sync {
    /// `storage_protocol`.
    fn protocol(&self) -> &'static str;

    /// What each export gets of its own.
    fn needs(&self) -> Needs;

    /// The volume is served as the grant says, with the size that it has: the `connection_info`, without what all
    /// targets say alike. One that is served otherwise is served anew, under the same names.
    async fn ensure(&self, grant: &Grant) -> Result<Value>;

    /// What was served under this id is not any more.
    async fn ensure_gone(&self, id: Id) -> Result<()>;

    /// All that this target keeps something of: what it serves, what it failed to serve, and what it did not end.
    async fn served(&self) -> Result<Vec<Id>>;

    /// What hosts reach: what died in the meantime is not in here.
    async fn alive(&self) -> Result<Vec<Id>>;

    /// What is served exactly as it should be, where one call tells that of all. Nothing needs to be in here.
    async fn standing(&self) -> Result<Standing> {
        Ok(none_stands())
    }

    /// Nothing is served any more, and no program of this target runs.
    async fn down(&self) -> Result<()> {
        for id in self.served().await? {
            self.ensure_gone(id).await?;
        }
        Ok(())
    }
}

/// Bytes of a file or device.
///
/// # Errors
/// It cannot be opened.
pub fn size_of(path: &Path) -> io::Result<u64> {
    File::open(path)?.seek(SeekFrom::End(0))
}
