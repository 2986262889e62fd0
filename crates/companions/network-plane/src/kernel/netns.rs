//! Named network namespaces, as `ip netns` keeps them: a bind mount of the namespace under `/run/netns`.
//!
//! A namespace belongs to a thread, so everything here that must run *inside* one runs on a short-lived thread of its
//! own; tokio's workers never change namespace.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::PlaneError;

const DIRECTORY: &str = "/run/netns";
const OWN: &str = "/proc/thread-self/ns/net";

/// Where a named namespace is found.
pub fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// The namespace of the calling thread.
pub fn current() -> Result<File, PlaneError> {
    File::open(OWN).map_err(|e| PlaneError::file(OWN, e))
}

/// Opens a named namespace, if it exists. A name whose mount is gone (a stale file) counts as missing.
pub fn open(name: &str) -> Result<Option<File>, PlaneError> {
    let path = path(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(PlaneError::file(path, e)),
    };
    const NSFS: nix::sys::statfs::FsType = nix::sys::statfs::FsType(0x6e73_6673);
    let kind = nix::sys::statfs::fstatfs(&file)
        .map_err(|e| PlaneError::file(&path, e.into()))?
        .filesystem_type();
    Ok((kind == NSFS).then_some(file))
}

/// The number that identifies a namespace while it exists.
pub fn inode(file: &File) -> Result<u64, PlaneError> {
    file.metadata()
        .map(|m| m.ino())
        .map_err(|e| PlaneError::file(DIRECTORY, e))
}

/// The names of all namespaces that `belongs` accepts.
pub fn list(belongs: impl Fn(&str) -> bool) -> Result<Vec<String>, PlaneError> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(PlaneError::file(DIRECTORY, e)),
    };
    let mut names: Vec<String> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|n| belongs(n))
        .collect();
    names.sort();
    Ok(names)
}

/// Runs `work` on a thread inside the namespace. Child processes that it starts are inside, too.
pub fn inside<T: Send>(
    namespace: &File,
    work: impl FnOnce() -> Result<T, PlaneError> + Send,
) -> Result<T, PlaneError> {
    let fd = namespace.as_fd();
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            setns(fd, CloneFlags::CLONE_NEWNET)
                .map_err(|e| PlaneError::kernel("enter a network namespace", e))?;
            work()
        });
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Makes a named namespace. `prepare` runs inside before the name exists, so a named namespace is always prepared.
pub fn create(
    name: &str,
    prepare: impl FnOnce() -> Result<(), PlaneError> + Send,
) -> Result<File, PlaneError> {
    share_directory()?;
    let path = path(name);
    // A file without a mount is what a crash between the two steps leaves.
    File::create(&path).map_err(|e| PlaneError::file(&path, e))?;
    std::thread::scope(|scope| {
        let path = &path;
        let worker = scope.spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|e| PlaneError::kernel("make a network namespace", e))?;
            prepare()?;
            mount(
                Some(OWN),
                path,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .map_err(|e| PlaneError::file(path, e.into()))?;
            current()
        });
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Takes the name away. The namespace itself ends with its last process and socket.
pub fn remove(name: &str) -> Result<(), PlaneError> {
    let path = path(name);
    match umount2(&path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
        Err(e) => return Err(PlaneError::file(path, e.into())),
    }
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(PlaneError::file(path, e)),
        _ => Ok(()),
    }
}

/// Makes `/run/netns` a shared mount, as `ip netns add` does: other mount namespaces then see names come and go.
fn share_directory() -> Result<(), PlaneError> {
    let fail = |e: io::Error| PlaneError::file(DIRECTORY, e);
    fs::create_dir_all(DIRECTORY).map_err(fail)?;
    let share = || {
        mount(
            None::<&str>,
            DIRECTORY,
            None::<&str>,
            MsFlags::MS_SHARED | MsFlags::MS_REC,
            None::<&str>,
        )
    };
    match share() {
        Ok(()) => Ok(()),
        // Not a mount point yet.
        Err(nix::errno::Errno::EINVAL) => mount(
            Some(DIRECTORY),
            DIRECTORY,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
        .and_then(|()| share())
        .map_err(|e| fail(e.into())),
        Err(e) => Err(fail(e.into())),
    }
}
