//! What the plane remembers over a restart. All of it can be lost: the next apply then loads every firewall anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::PlaneError;
use crate::firewall::Table;
use crate::numbers::Numbers;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub numbers: Numbers,
    /// By namespace name.
    pub firewalls: BTreeMap<String, Loaded>,
    /// The guarded addresses: (conntrack zone, address).
    pub addresses: BTreeSet<(u16, IpAddr)>,
    /// Names of devices on the host that are not the usual ones.
    #[serde(default)]
    pub uplinks: BTreeMap<String, String>,
}

/// A rule set that was loaded, and how to know that the kernel still has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Of the namespace.
    pub inode: u64,
    /// The kernel counts every change of a namespace's rules.
    pub generation: u32,
    pub tables: Vec<Table>,
    /// How the kernel lists them, where others change the ruleset too.
    #[serde(default)]
    pub listing: String,
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("plane.json")
}

/// Whether anything was remembered, readable or not.
pub fn exists(state_dir: &Path) -> bool {
    path(state_dir).exists()
}

/// Reads the memory; a missing or unreadable one is empty.
pub fn load(state_dir: &Path) -> Memory {
    match fs::read(path(state_dir)) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, "the data plane's memory is unreadable; starting without");
            Memory::default()
        }),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, "the data plane's memory is unreadable; starting without");
            }
            Memory::default()
        }
    }
}

pub fn save(state_dir: &Path, memory: &Memory) -> Result<(), PlaneError> {
    let text =
        serde_json::to_string(memory).map_err(|e| PlaneError::file(path(state_dir), e.into()))?;
    replace(&path(state_dir), &text)
}

/// Forgets everything.
pub fn remove(state_dir: &Path) -> Result<(), PlaneError> {
    match fs::remove_file(path(state_dir)) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(PlaneError::file(path(state_dir), e)),
        _ => Ok(()),
    }
}

/// Writes a file so that readers see the old or the new text, never a part. Everybody may read it: dnsmasq reads its
/// files again after it gave up root.
pub fn replace(path: &Path, text: &str) -> Result<(), PlaneError> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text)
        .and_then(|()| fs::set_permissions(&fresh, fs::Permissions::from_mode(0o644)))
        .and_then(|()| fs::rename(&fresh, path))
        .map_err(|e| PlaneError::file(path, e))
}
