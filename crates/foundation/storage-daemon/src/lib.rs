//! Volumes served by `qemu-storage-daemon`: a process for each, which opens the volume with one of QEMU's drivers (a file,
//! NBD, iSCSI, RBD) and exports it by NBD, on a unix socket or a TCP address.
//!
//! A daemon has a folder, in which lie its number, what it does, and its log; it outlives who started it and is found again
//! by that folder. [`ensure`] says what should be: a daemon that does it already is left alone, one that does something else
//! or died is replaced. Its clients keep their place meanwhile, when they reconnect (`reconnect-delay` of QEMU). Calls about
//! one folder come one after the other: whoever calls sees to that.
//!
//! Sockets are made here and handed over as descriptors, what it opens is said by QMP: nothing from outside and no secret is
//! on its command line, and it needs no file of its own.

mod confine;
mod daemon;
mod place;
mod socket;
mod source;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use confine::{Part, measures};
pub use daemon::{Running, end, ensure, running};
pub use place::folders;
use serde_json::{Value, json};
pub use source::{Chap, RbdUser, Source};

/// The usual name of the program.
pub const PROGRAM: &str = "qemu-storage-daemon";

/// What a daemon is to do.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub source: Source,
    /// The volume is opened for reading alone, and nobody can write to the export.
    pub read_only: bool,
    /// The name that clients ask for: at most 4096 bytes.
    pub export: String,
    pub listen: Listen,
    /// Clients at the same time; 0: any number.
    pub connections: u32,
}

/// Where clients come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A socket file of any length of path; it is replaced, and belongs to this user and group alone when one is given.
    Unix { path: PathBuf, owner: Option<u32> },
    /// Port 0 is any free one.
    Tcp(SocketAddr),
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the program to answer.
    pub start: Duration,
    /// For the volume to be opened: logins at another machine.
    pub open: Duration,
    /// For what was written to be flushed at the end; then it is killed.
    pub end: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(10),
            open: Duration::from_secs(30),
            end: Duration::from_secs(10),
        }
    }
}

/// Why a daemon does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{program} is not installed (package qemu-system-common)")]
    NotInstalled { program: String },
    #[error("this machine's QEMU has no driver {driver:?} (package qemu-block-extra)")]
    NoDriver { driver: &'static str },
    #[error("cannot {what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    /// In its own words: the volume cannot be opened, for instance.
    #[error("the storage daemon did not {what}: {why}")]
    Refused { what: &'static str, why: String },
    #[error("the storage daemon did not {what} within {} s", limit.as_secs())]
    Late { what: &'static str, limit: Duration },
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl Wanted {
    /// What tells one work from another. Secrets are not in it: another password is no other volume.
    fn mark(&self) -> Value {
        let listen = match &self.listen {
            Listen::Unix { path, owner } => json!({"path": path.to_string_lossy(), "owner": owner}),
            Listen::Tcp(address) => json!({"address": address.to_string()}),
        };
        json!({
            "volume": self.source.node(self.read_only).value,
            "export": self.export,
            "connections": self.connections,
            "listen": listen,
        })
    }
}

/// A folder as its daemon's command line names it. It tells clouds of one machine apart.
fn name_of(folder: &Path) -> String {
    use sha2::Digest as _;
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let digest = sha2::Sha256::digest(whole.as_os_str().as_encoded_bytes());
    format!("of-{}", &hex::encode(digest)[..32])
}
