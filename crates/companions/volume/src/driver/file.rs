//! Volumes as raw, sparse files of this machine.
//!
//! Layout of the folder: `ID/disk.raw`, `ID/snapshots/SNAPSHOT.raw`, and `unmanaged/NAME` of what is no volume. What is
//! being made has a name of its own beside its place, `disk.raw.RANDOM.part`, and is linked to its place when it is whole
//! and on disk: a link never replaces what is there, so that a process that was given up and wakes up late destroys
//! nothing. Only this user reads the folder; no link is followed in it.

pub mod adopt;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    About, Adoption, Capacity, Driver, DriverError, GIB, Id, Part, Result, Snapshot, Source, sparse,
};

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileDriver {
    root: PathBuf,
    /// Bytes that are left free on the file system.
    keep_free: u64,
}

/// How what is being made ends.
const PART: &str = ".part";

impl FileDriver {
    /// Opens the folder, making it when it is missing.
    ///
    /// # Errors
    /// It cannot be made or found.
    pub fn open(root: &Path, keep_free: u64) -> io::Result<Self> {
        private_folder(root)?;
        Ok(FileDriver {
            root: root.canonicalize()?,
            keep_free,
        })
    }

    /// The folder, without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, id: Id) -> PathBuf {
        self.root.join(id.to_string())
    }

    fn disk(&self, id: Id) -> PathBuf {
        self.folder(id).join("disk.raw")
    }

    fn snapshot(&self, snapshot: Snapshot) -> PathBuf {
        let folder = self.folder(snapshot.volume).join("snapshots");
        folder.join(format!("{}.raw", snapshot.id))
    }

    fn part(&self, part: Part) -> PathBuf {
        match part {
            Part::Volume(id) => self.disk(id),
            Part::Snapshot(snapshot) => self.snapshot(snapshot),
        }
    }

    fn free(&self) -> io::Result<Capacity> {
        let stat = nix::sys::statvfs::statvfs(&self.root)?;
        #[allow(clippy::unnecessary_cast)] // their width differs by platform
        let bytes = |blocks| (blocks as u64).saturating_mul(stat.fragment_size() as u64);
        Ok(Capacity {
            total: bytes(stat.blocks()),
            free: bytes(stat.blocks_available()).saturating_sub(self.keep_free),
        })
    }

    /// Makes what a source says as a file beside `place`, of at least `size` bytes, and on disk.
    fn prepare(&self, place: &Path, size: u64, source: Source<'_>) -> Result<Prepared> {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let folder = place.parent().unwrap_or(&self.root);
        discard(folder, &format!("{name}."))?;
        let path = folder.join(format!("{name}.{}{PART}", Uuid::new_v4().simple()));
        let made = Prepared { path };
        if let Source::File(taken) = source
            && fs::rename(taken, &made.path).is_ok()
        {
            let file = open(&made.path, true)?;
            grow(&file, size)
                .and_then(|()| file.sync_all())
                .map_err(|error| self.failed(place, error))?;
            return Ok(made);
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC)
            .open(&made.path)
            .map_err(|error| self.failed(place, error))?;
        let from = match source {
            Source::Blank => None,
            Source::Snapshot(snapshot) => Some(self.snapshot(snapshot)),
            Source::Volume(id) => Some(self.disk(id)),
            Source::File(path) | Source::Copy(path) => Some(path.to_owned()),
        };
        if let Some(from) = from {
            let from = open(&from, false)?;
            self.copy(&from, &file)
                .map_err(|error| self.failed(place, error))?;
        }
        grow(&file, size)
            .and_then(|()| file.sync_all())
            .map_err(|error| self.failed(place, error))?;
        Ok(made)
    }

    fn copy(&self, from: &File, to: &File) -> io::Result<()> {
        if sparse::allocated(from)? > self.free()?.free {
            return Err(io::ErrorKind::StorageFull.into());
        }
        sparse::copy(from, to)
    }

    fn failed(&self, place: &Path, source: io::Error) -> DriverError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                DriverError::Full(self.root.clone())
            }
            _ => io_error(place, source),
        }
    }

    fn make_volume(&self, id: Id, size: u64, source: Source<'_>) -> Result<()> {
        let place = self.disk(id);
        if exists(&place)? {
            return Ok(());
        }
        let folder = self.folder(id);
        // A folder of volumes that went away, as a disk that is not mounted does, is not made anew.
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(self.failed(&folder, error));
            }
            _ => {}
        }
        self.prepare(&place, bytes(size), source)?.link_to(&place)?;
        sync_folder(&self.root)
    }

    fn remove_volume(&self, id: Id) -> Result<()> {
        match fs::remove_dir_all(self.folder(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error(&self.folder(id), error))
            }
            _ => sync_folder(&self.root),
        }
    }

    fn extend(&self, id: Id, size: u64) -> Result<()> {
        let place = self.disk(id);
        let file = open(&place, true)?;
        grow(&file, bytes(size))
            .and_then(|()| file.sync_all())
            .map_err(|error| self.failed(&place, error))
    }

    fn rewrite(&self, id: Id, source: Source<'_>) -> Result<()> {
        let place = self.disk(id);
        let size = open(&place, false)?
            .metadata()
            .map_err(|error| io_error(&place, error))?
            .len();
        self.prepare(&place, size, source)?.replace(&place)
    }

    fn make_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let place = self.snapshot(snapshot);
        if exists(&place)? {
            return Ok(());
        }
        open(&self.disk(snapshot.volume), false)?;
        let folder = place.parent().unwrap_or(&self.root);
        private_folder(folder).map_err(|error| self.failed(folder, error))?;
        self.prepare(&place, 0, Source::Volume(snapshot.volume))?
            .link_to(&place)
    }

    fn remove_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let place = self.snapshot(snapshot);
        let folder = place.parent().unwrap_or(&self.root);
        if !exists(folder)? {
            return Ok(());
        }
        discard(folder, &format!("{}.raw.", snapshot.id))?;
        remove(&place)?;
        sync_folder(folder)
    }

    fn all(&self) -> Result<Vec<Part>> {
        let mut found = Vec::new();
        for id in ids(&self.root, "")? {
            found.push(Part::Volume(id));
            let folder = self.folder(id).join("snapshots");
            if exists(&folder)? {
                let snapshots = ids(&folder, ".raw")?.into_iter();
                found.extend(snapshots.map(|snapshot| {
                    Part::Snapshot(Snapshot {
                        volume: id,
                        id: snapshot,
                    })
                }));
            }
        }
        Ok(found)
    }

    /// Runs work on files on a thread where it may wait.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let driver = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&driver)).await;
        done.unwrap_or_else(|error| Err(io_error(&self.root, io::Error::other(error.to_string()))))
    }
}

/// A source whose path lives as long as a thread needs it.
#[derive(Debug)]
enum Owned {
    Plain(Source<'static>),
    File(PathBuf),
    Copy(PathBuf),
}

impl Owned {
    fn of(source: Source<'_>) -> Self {
        match source {
            Source::Blank => Owned::Plain(Source::Blank),
            Source::Snapshot(snapshot) => Owned::Plain(Source::Snapshot(snapshot)),
            Source::Volume(id) => Owned::Plain(Source::Volume(id)),
            Source::File(path) => Owned::File(path.to_owned()),
            Source::Copy(path) => Owned::Copy(path.to_owned()),
        }
    }

    fn source(&self) -> Source<'_> {
        match self {
            Owned::Plain(source) => *source,
            Owned::File(path) => Source::File(path),
            Owned::Copy(path) => Source::Copy(path),
        }
    }
}

#[async_trait]
impl Driver for FileDriver {
    fn about(&self) -> About {
        About {
            vendor: "Kilonova",
            version: env!("CARGO_PKG_VERSION"),
            thin: true,
            multiattach: true,
        }
    }

    async fn capacity(&self) -> Result<Capacity> {
        self.run(|driver| driver.free().map_err(|error| io_error(&driver.root, error)))
            .await
    }

    async fn ensure_volume(&self, id: Id, size: u64, source: Source<'_>) -> Result<()> {
        let source = Owned::of(source);
        self.run(move |driver| driver.make_volume(id, size, source.source()))
            .await
    }

    async fn ensure_gone(&self, id: Id) -> Result<()> {
        self.run(move |driver| driver.remove_volume(id)).await
    }

    async fn ensure_size(&self, id: Id, size: u64) -> Result<()> {
        self.run(move |driver| driver.extend(id, size)).await
    }

    async fn ensure_content(&self, id: Id, source: Source<'_>) -> Result<()> {
        let source = Owned::of(source);
        self.run(move |driver| driver.rewrite(id, source.source()))
            .await
    }

    async fn ensure_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        self.run(move |driver| driver.make_snapshot(snapshot)).await
    }

    async fn ensure_snapshot_gone(&self, snapshot: Snapshot) -> Result<()> {
        self.run(move |driver| driver.remove_snapshot(snapshot))
            .await
    }

    async fn readable(&self, part: Part) -> Result<PathBuf> {
        self.run(move |driver| {
            let path = driver.part(part);
            open(&path, false).map(|_| path)
        })
        .await
    }

    async fn inventory(&self) -> Result<Vec<Part>> {
        self.run(FileDriver::all).await
    }

    fn adoption(&self) -> Option<&dyn Adoption> {
        Some(self)
    }
}

/// A whole file on its way to its place. Dropped, it leaves nothing.
struct Prepared {
    path: PathBuf,
}

impl Prepared {
    /// Takes its place, unless there is something.
    fn link_to(self, place: &Path) -> Result<()> {
        match fs::hard_link(&self.path, place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io_error(place, error))
            }
            _ => sync_folder(place.parent().unwrap_or(place)),
        }
    }

    /// Takes the place of what is there.
    fn replace(self, place: &Path) -> Result<()> {
        fs::rename(&self.path, place).map_err(|error| io_error(place, error))?;
        sync_folder(place.parent().unwrap_or(place))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove what was half made");
        }
    }
}

/// GiB in bytes. No file is larger than what a signed number of bytes counts.
fn bytes(gib: u64) -> u64 {
    gib.saturating_mul(GIB).min(i64::MAX.unsigned_abs())
}

fn io_error(path: &Path, source: io::Error) -> DriverError {
    match source.kind() {
        io::ErrorKind::NotFound => DriverError::NotFound(path.display().to_string()),
        _ => DriverError::Io {
            what: format!("{} cannot be used", path.display()),
            source,
        },
    }
}

/// Makes a folder that only this user reads, and those above it.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file of ours; a link or anything else in its place is refused.
fn open(path: &Path, write: bool) -> Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(flags)
        .open(path);
    let file = opened.map_err(|error| io_error(path, error))?;
    let is_file = file
        .metadata()
        .map_err(|error| io_error(path, error))?
        .is_file();
    if !is_file {
        return Err(io_error(path, io::Error::other("it is no file")));
    }
    Ok(file)
}

fn grow(file: &File, size: u64) -> io::Result<()> {
    match file.metadata()?.len() < size {
        true => file.set_len(size),
        false => Ok(()),
    }
}

fn exists(path: &Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(path, error)),
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}

/// Removes what an earlier run that was killed left half made: nobody works on it any more, or will not succeed.
fn discard(folder: &Path, prefix: &str) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| io_error(folder, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| io_error(folder, error))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(PART) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// The ids in the names of a folder; other names are not ours.
fn ids(folder: &Path, end: &str) -> Result<Vec<Id>> {
    let entries = fs::read_dir(folder).map_err(|error| io_error(folder, error))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| io_error(folder, error))?;
        let name = entry.file_name();
        let id: Option<Id> = name
            .to_str()
            .and_then(|name| name.strip_suffix(end)?.parse().ok());
        found.extend(id);
    }
    found.sort();
    Ok(found)
}

/// A name is on disk when its folder is.
fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::suite;

    fn driver(folder: &Path) -> FileDriver {
        FileDriver::open(&folder.join("volumes"), 0).expect("opens")
    }

    #[tokio::test]
    async fn files_keep_the_contract() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = driver(folder.path());
        suite::run(&driver, folder.path()).await;
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_a_volume_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = driver(folder.path());
        let id = suite::id();
        let other = folder.path().join("other");
        fs::write(&other, b"secret").expect("written");
        fs::create_dir(driver.folder(id)).expect("made");
        std::os::unix::fs::symlink(&other, driver.disk(id)).expect("linked");
        assert!(driver.ensure_size(id, 1).await.is_err());
        assert!(driver.readable(Part::Volume(id)).await.is_err());
        assert_eq!(fs::read(&other).expect("read"), b"secret");
    }

    #[tokio::test]
    async fn what_a_killed_run_left_is_removed_by_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = driver(folder.path());
        let id = suite::id();
        fs::create_dir(driver.folder(id)).expect("made");
        let left = driver.folder(id).join("disk.raw.0.part");
        fs::write(&left, b"half").expect("written");
        driver
            .ensure_volume(id, 1, Source::Blank)
            .await
            .expect("made");
        let names: Vec<_> = fs::read_dir(driver.folder(id)).expect("listed").collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[tokio::test]
    async fn no_volume_is_made_where_there_is_no_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("volumes");
        let driver = FileDriver::open(&root, u64::MAX).expect("opens");
        let from = folder.path().join("from");
        fs::write(&from, [1; 8192]).expect("written");
        let (a, b) = (suite::id(), suite::id());
        driver
            .ensure_volume(a, 1, Source::File(&from))
            .await
            .expect("a rename needs none");
        let other = driver.disk(a);
        for source in [Source::Volume(a), Source::Copy(&other)] {
            let refused = driver.ensure_volume(b, 1, source).await;
            let refused = refused.expect_err("no room");
            assert!(matches!(refused, DriverError::Full(_)), "{refused}");
        }
        assert_eq!(driver.inventory().await.expect("listed").len(), 2);
        assert!(driver.readable(Part::Volume(b)).await.is_err());
    }
}
