//! Volumes: which files they may be, and how QEMU gets them. QEMU is given an open descriptor, never the path of a volume;
//! one that another machine serves, it reaches by a socket in its server's folder.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hypervisor::{DriverError, Result, Volume, VolumeSource, parse_id};
use serde_json::{Value, json};

use crate::layout::Layout;
use crate::limits;
use crate::settings::QemuSettings;
use crate::slot::Slot;

pub(crate) use crate::slot::node;

/// Number of the descriptor set of a server's first volume. Sets below belong to others.
pub(crate) const FIRST_SET: u32 = 100;

/// Seconds in which a storage daemon that died may be started again, before the guest sees errors. QEMU answers no command
/// that waits for the guest's requests in that time.
const RECONNECT: u32 = 60;

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

/// Which file it is, whatever lies at its path later: as long as anybody has it open, no other file has these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}.{:x}", self.device, self.inode)
    }
}

/// The file that lies at a volume's path now; none: there is none, or another machine serves the volume. Blocking.
///
/// # Errors
/// `BadSpec`: it cannot be looked at.
pub(crate) fn file_id(volume: &Volume) -> Result<Option<FileId>> {
    let Some(path) = volume.source.file() else {
        return Ok(None);
    };
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(FileId::of(&metadata))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(volume, format_args!("{}: {error}", path.display()))),
    }
}

/// Name of the node that holds what takes the place of a volume: that of the volume, and a word made of the source and of
/// the file that lies there. So a file that was made anew at the same path has another node.
pub(crate) fn twin(new: &Volume, file: Option<FileId>) -> Result<String> {
    let mut source = serde_json::to_vec(&new.source)
        .map_err(|error| refused(new, format_args!("its source cannot be written: {error}")))?;
    if let Some(file) = file {
        source.extend(file.to_string().bytes());
    }
    // FNV-1a: the same in every version of this program.
    let hash = source.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let [_, word @ ..] = hash.to_be_bytes();
    Ok(format!(
        "{}.{}",
        node(&new.id),
        URL_SAFE_NO_PAD.encode(word)
    ))
}

/// Name of the node that QEMU puts between the volume with this node and its device while it is copied: what the device
/// reads then.
pub(crate) fn mirror(node: &str) -> String {
    format!("{node}.m")
}

/// Whether a node is that of the volume, or of what took its place, is to take it or copies it.
pub(crate) fn is_of(node: &str, other: &str) -> bool {
    let rest = other.strip_prefix(node);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Shows the first `bytes` of a node of [`block_node`], and no more.
pub(crate) fn shortened(block: &mut Value, bytes: u64) {
    let below = match block["driver"] == "throttle" {
        true => &mut block["file"],
        false => block,
    };
    if below["driver"] != "raw" {
        // What reaches a storage daemon shows all: the limit is a node above it, which has its name.
        let name = below
            .as_object_mut()
            .and_then(|node| node.remove("node-name"));
        let mut above = json!({"driver": "raw", "discard": "unmap", "file": below.take()});
        if let Some(name) = name {
            above["node-name"] = name;
        }
        *below = above;
    }
    below["size"] = bytes.into();
}

/// The object that holds the limits of the volume with this node.
pub(crate) fn limits_of(node: &str) -> String {
    format!("limits-{node}")
}

/// The node of a volume in this slot, and the object with its limits, which comes first. The descriptor of one that is a
/// file is in `set`; one that another machine serves is behind a socket of its storage daemon. Limits of the server's own
/// disks are not for volumes.
pub(crate) fn block_node(volume: &Volume, set: u32, slot: &Slot) -> (Option<Value>, Value) {
    let name = slot.node();
    let mut node = match volume.source {
        VolumeSource::File { .. } => raw(volume, set),
        VolumeSource::Nbd(_) | VolumeSource::Iscsi(_) | VolumeSource::Rbd(_) => json!({
            "driver": "nbd",
            "server": {"type": "unix", "path": Layout::served(slot).to_string_lossy()},
            "export": volume.id,
            "reconnect-delay": RECONNECT,
            "discard": "unmap",
        }),
    };
    if volume.read_only {
        node["read-only"] = Value::Bool(true);
    }
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

fn raw(volume: &Volume, set: u32) -> Value {
    let name = format!("/dev/fdset/{set}");
    let mut file = json!({"driver": "file", "filename": name, "discard": "unmap"});
    if volume.read_only {
        file["read-only"] = Value::Bool(true);
    }
    json!({"driver": "raw", "discard": "unmap", "file": file})
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
    let Some(path) = volume.source.file() else {
        return Err(refused(volume, "it is no file of this machine"));
    };
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
