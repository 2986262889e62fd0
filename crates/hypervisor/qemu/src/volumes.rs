//! Volumes: which files they may be, and how QEMU gets them. QEMU is given an open descriptor, never a path.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hypervisor::{DriverError, Result, Volume, VolumeSource, parse_id};
use serde_json::{Value, json};

use crate::limits;
use crate::settings::QemuSettings;

/// Number of the descriptor set of a server's first volume. Sets below belong to others.
pub(crate) const FIRST_SET: u32 = 100;

/// QEMU says by read locks on these bytes of a file what it does with it, and by those what it lets nobody else do.
const DOES: i64 = 100;
const FORBIDS: i64 = 200;
/// The offset of writing among them.
const WRITING: i64 = 1;

/// A volume's file, open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub fd: OwnedFd,
    /// Its length.
    pub bytes: u64,
}

/// Name of the node that holds a volume, and the mark on its descriptor: from the volume's id, within the 31 characters
/// that QEMU allows.
pub(crate) fn node(volume_id: &str) -> String {
    let digits: String = volume_id.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).unwrap_or_default();
    format!("vol-{}", URL_SAFE_NO_PAD.encode(number.to_be_bytes()))
}

/// The object that holds the limits of the volume with this node.
pub(crate) fn limits_of(node: &str) -> String {
    format!("limits-{node}")
}

/// The node of a volume whose descriptor is in `set`, and the object with its limits, which comes first. Limits of the
/// server's own disks are not for volumes.
pub(crate) fn block_node(volume: &Volume, set: u32) -> (Option<Value>, Value) {
    let file = format!("/dev/fdset/{set}");
    let name = node(&volume.id);
    let mut file = json!({"driver": "file", "filename": file, "discard": "unmap"});
    let mut node = json!({"driver": "raw", "discard": "unmap"});
    if volume.read_only {
        for node in [&mut file, &mut node] {
            node["read-only"] = Value::Bool(true);
        }
    }
    node["file"] = file;
    if volume.limits.is_none() {
        node["node-name"] = name.into();
        return (None, node);
    }
    let group = limits_of(&name);
    let object = limits::of_volume(&group, &volume.limits);
    let mut above = json!({
        "driver": "throttle", "node-name": name, "throttle-group": group, "discard": "unmap", "file": node,
    });
    if volume.read_only {
        above["read-only"] = Value::Bool(true);
    }
    (Some(object), above)
}

fn refused(volume: &Volume, why: impl std::fmt::Display) -> DriverError {
    DriverError::BadSpec {
        why: format!("volume {:.60}: {why}", volume.id),
    }
}

/// What can be said of volumes without their files.
///
/// # Errors
/// `BadSpec` for an id that is no UUID, a volume that is there twice, more than one to boot from.
pub(crate) fn check(volumes: &[Volume]) -> Result<()> {
    for (number, volume) in volumes.iter().enumerate() {
        if parse_id(&volume.id).is_err() {
            return Err(refused(volume, "its id is no UUID"));
        }
        if volumes[..number].iter().any(|other| other.id == volume.id) {
            return Err(refused(volume, "it is there twice"));
        }
        if volume.order_is_taken(&volumes[..number]) {
            return Err(refused(volume, "its order is another disk's"));
        }
    }
    match volumes.iter().filter(|volume| volume.boot).nth(1) {
        Some(volume) => Err(refused(volume, "another one is to be booted from")),
        None => Ok(()),
    }
}

/// The file of a volume by its own path, without links, and the file's length. Blocking.
///
/// # Errors
/// `BadSpec`: it is missing, no plain file, or outside the folders of volumes.
pub(crate) fn file(volume: &Volume, settings: &QemuSettings) -> Result<(PathBuf, u64)> {
    let VolumeSource::File { path } = &volume.source;
    let found = std::fs::canonicalize(path);
    let found = found
        .and_then(|found| Ok((std::fs::symlink_metadata(&found)?, found)))
        .map_err(|error| refused(volume, format_args!("{}: {error}", path.display())));
    let (metadata, found) = found?;
    if !inside(&found, settings) {
        let why = format_args!("{} is in no folder of volumes", path.display());
        return Err(refused(volume, why));
    }
    if !metadata.is_file() {
        let why = format_args!("{} is no plain file", path.display());
        return Err(refused(volume, why));
    }
    Ok((found, metadata.len()))
}

/// A folder that cannot be resolved holds nothing.
fn inside(file: &Path, settings: &QemuSettings) -> bool {
    let mut folders = settings.volume_folders.iter();
    folders.any(|folder| {
        let folder = std::fs::canonicalize(folder);
        folder.is_ok_and(|folder| file != folder && file.starts_with(folder))
    })
}

/// Opens a volume's file for QEMU. Blocking.
///
/// # Errors
/// `BadSpec` as [`file`], and when it cannot be opened; `Busy` when another guest holds it.
pub(crate) fn open(volume: &Volume, settings: &QemuSettings, server: &str) -> Result<Opened> {
    let (path, _) = file(volume, settings)?;
    let said = |error: std::io::Error| refused(volume, format_args!("{}: {error}", path.display()));
    // Should a pipe have taken the file's place, nobody waits for its other end.
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(!volume.read_only)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(&path)
        .map_err(said)?;
    // What was opened is what counts: a folder on the way may have been replaced by a link.
    let own = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let metadata = opened.metadata().map_err(said)?;
    if !metadata.is_file() || std::fs::read_link(own).map_err(said)? != path {
        return Err(refused(volume, "its file was replaced while it was opened"));
    }
    let fd = OwnedFd::from(opened);
    let others = [
        !volume.shared && held(&fd, DOES + WRITING).map_err(said)?,
        !volume.read_only && held(&fd, FORBIDS + WRITING).map_err(said)?,
    ];
    if others.contains(&true) {
        return Err(DriverError::Busy {
            id: server.to_owned(),
            what: format!("volume {} is in use by another guest", volume.id),
        });
    }
    Ok(Opened {
        fd,
        bytes: metadata.len(),
    })
}

/// Does anybody hold a lock on this byte? QEMU would say so too, but not which disk it means.
fn held(fd: &OwnedFd, byte: i64) -> std::io::Result<bool> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}
