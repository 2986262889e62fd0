//! The files of images: received as streams in constant memory, published atomically.
//!
//! Layout of the folder: `incoming/<name>` while data comes in, `staging/<name>` when it waits for
//! an import, `<name>` when published. A published file is complete, synced and never written again
//! (mode 0444): others may link to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::{Digest, Md5};
use sha2::Sha512;
use tokio::sync::{mpsc, oneshot};

use crate::transfers::started;

/// Pieces between the network and the disk, and again between the disk and the hash: a piece is what
/// the HTTP library read at once, at most some hundred KiB.
const QUEUE: usize = 8;

/// Most bytes that are written between two looks at how much room is left.
const STRIDE: u64 = 16 << 20;

/// The folder of image data.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    keep_free: u64,
}

/// Where a file of the store lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Incoming,
    Staging,
    Published,
}

/// Data that came in whole and is on disk, but belongs nowhere yet. Removed when dropped.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
    pub size: u64,
    pub md5: String,
    pub sha512: String,
    kept: bool,
}

impl Incoming {
    /// The file, for looking into it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.kept {
            remove(&self.path);
        }
    }
}

impl Store {
    /// Opens the folder, making what is missing.
    pub fn open(root: &Path, keep_free: u64) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        for part in ["incoming", "staging"] {
            fs::create_dir_all(root.join(part))?;
        }
        Ok(Store { root, keep_free })
    }

    /// The path of `name`, which is one of our own ids, at `place`.
    pub fn path(&self, place: Place, name: &str) -> PathBuf {
        match place {
            Place::Incoming => self.root.join("incoming").join(name),
            Place::Staging => self.root.join("staging").join(name),
            Place::Published => self.root.join(name),
        }
    }

    /// Whether `size` more bytes fit.
    pub fn has_room(&self, size: u64) -> io::Result<bool> {
        let stat = nix::sys::statvfs::statvfs(&self.root)?;
        #[allow(clippy::unnecessary_cast)]
        let free = (stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64);
        Ok(size.saturating_add(self.keep_free) <= free)
    }

    /// Begins to receive into `incoming/<name>`, on a thread that counts and hashes on the way.
    ///
    /// # Errors
    /// No thread can be started. Whether the file can be written is said by [`Feed::finish`].
    pub fn begin(&self, name: &str) -> io::Result<Feed> {
        let (store, name) = (self.clone(), name.to_owned());
        let (sender, pieces) = mpsc::channel(QUEUE);
        let written = started(move || store.write_and_hash(&name, pieces))?;
        Ok(Feed { sender, written })
    }

    /// The blocking half of an upload: one thread writes and computes md5, another sha512, which is as
    /// dear as the rest together.
    fn write_and_hash(
        &self,
        name: &str,
        mut pieces: mpsc::Receiver<Piece>,
    ) -> io::Result<Incoming> {
        let path = self.path(Place::Incoming, name);
        // A client need not say how much comes, so what must stay free is looked after on the way.
        let stride = (self.keep_free / 4).clamp(1, STRIDE);
        let mut unseen = 0;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        let mut incoming = Incoming {
            path,
            size: 0,
            md5: String::new(),
            sha512: String::new(),
            kept: false,
        };
        std::thread::scope(|scope| {
            let (to_hash, hashed) = std::sync::mpsc::sync_channel::<Bytes>(QUEUE);
            let hasher = scope.spawn(move || {
                let mut sha512 = Sha512::new();
                while let Ok(piece) = hashed.recv() {
                    sha512.update(&piece);
                }
                hex::encode(sha512.finalize())
            });
            let mut md5 = Md5::new();
            loop {
                match pieces.blocking_recv() {
                    Some(Piece::Data(piece)) => {
                        to_hash
                            .send(piece.clone())
                            .map_err(|_| io::Error::other("the hashing thread ended"))?;
                        (&file).write_all(&piece)?;
                        md5.update(&piece);
                        incoming.size += piece.len() as u64;
                        unseen += piece.len() as u64;
                        if unseen >= stride {
                            unseen = 0;
                            if !self.has_room(0)? {
                                return Err(io::ErrorKind::StorageFull.into());
                            }
                        }
                    }
                    Some(Piece::End) => break,
                    None => return Err(io::Error::from(io::ErrorKind::Interrupted)),
                }
            }
            drop(to_hash);
            incoming.md5 = hex::encode(md5.finalize());
            incoming.sha512 = hasher
                .join()
                .map_err(|_| io::Error::other("the hashing thread panicked"))?;
            Ok(())
        })?;
        file.sync_all()?;
        Ok(incoming)
    }

    /// Moves received data to its place under `name`; afterwards it survives a power cut.
    pub fn keep(&self, mut incoming: Incoming, place: Place, name: &str) -> io::Result<PathBuf> {
        let to = self.path(place, name);
        fs::set_permissions(&incoming.path, fs::Permissions::from_mode(0o444))?;
        fs::rename(&incoming.path, &to)?;
        incoming.kept = true;
        sync_folder(&to)?;
        Ok(to)
    }

    /// Moves staged data to where published data lies.
    pub fn publish_staged(&self, name: &str) -> io::Result<()> {
        let to = self.path(Place::Published, name);
        fs::rename(self.path(Place::Staging, name), &to)?;
        sync_folder(&to)
    }

    /// Removes `name` wherever it lies.
    pub fn remove(&self, name: &str) {
        for place in [Place::Incoming, Place::Staging, Place::Published] {
            self.remove_from(place, name);
        }
    }

    /// Removes `name` from `place`, if it is there.
    pub fn remove_from(&self, place: Place, name: &str) {
        remove(&self.path(place, name));
    }

    /// The names of the files at `place`.
    pub fn names(&self, place: Place) -> io::Result<Vec<String>> {
        let folder = match place {
            Place::Incoming => self.root.join("incoming"),
            Place::Staging => self.root.join("staging"),
            Place::Published => self.root.clone(),
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Reads a file that was staged again, for its hashes.
pub fn hash_file(path: &Path) -> io::Result<(u64, String, String)> {
    use io::Read;
    let mut file = File::open(path)?;
    let (mut md5, mut sha512, mut size) = (Md5::new(), Sha512::new(), 0u64);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((
                size,
                hex::encode(md5.finalize()),
                hex::encode(sha512.finalize()),
            ));
        }
        size += read as u64;
        md5.update(&buffer[..read]);
        sha512.update(&buffer[..read]);
    }
}

/// The way to a file that is being received. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Feed {
    sender: mpsc::Sender<Piece>,
    written: oneshot::Receiver<io::Result<Incoming>>,
}

impl Feed {
    /// Hands on a piece, waiting while the disk is behind. False: the writer ended, and
    /// [`Feed::finish`] says why.
    pub async fn push(&mut self, piece: Bytes) -> bool {
        self.sender.send(Piece::Data(piece)).await.is_ok()
    }

    /// All is there.
    ///
    /// # Errors
    /// The file could not be written; nothing of it is left.
    pub async fn finish(self) -> io::Result<Incoming> {
        // A writer that is gone says why itself.
        drop(self.sender.send(Piece::End).await);
        let written = self.written.await;
        written.unwrap_or_else(|_| Err(io::Error::other("the writing thread ended abnormally")))
    }

    /// No more comes. Returns when nothing is left of the file.
    pub async fn abandon(self) {
        drop(self.sender);
        // Its error is that it was abandoned.
        drop(self.written.await);
    }
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    /// The data is whole. A channel that closes without it was abandoned.
    End,
}

/// Whether the file system, or what somebody may use of it, is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// A rename is on disk when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// A file that cannot be removed is found by the audit at the next start.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "cannot remove image data");
    }
}
