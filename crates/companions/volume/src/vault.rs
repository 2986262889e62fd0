//! The bytes of backups, as folders of this machine.
//!
//! Layout: `ID/manifest.json`, `ID/index`, `ID/data`. A disk is cut into blocks; those that are zeros are left out, the
//! others stand in the index with their SHA-256 and with where their bytes lie: in the data of this backup, or of one that
//! it builds upon. So an incremental backup holds what changed, and is read without asking which parents there are between.
//! What is being made is a folder `ID.RANDOM.part`, renamed when it is whole and on disk: a backup is there whole or not at
//! all, and one that is there is never written again.

mod index;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::db::properties::Properties;
use crate::driver::{Id, sparse};
use crate::room::Room;
use index::{Entry, Reader};

/// Bytes of a block: what an incremental backup stores when one byte of it changed.
const BLOCK: u64 = 256 << 10;

/// How hard blocks are pressed: the fastest.
const LEVEL: u8 = 1;

/// The folder of backups. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    root: PathBuf,
    /// Bytes that are left free on the file system.
    keep_free: u64,
}

/// What a backup knows of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the layout; this program reads 1.
    version: u16,
    /// Bytes of the disk.
    pub bytes: u64,
    /// Bytes of a block.
    block: u64,
    /// The backups whose data it needs, the oldest first, itself last.
    pub chain: Vec<String>,
    pub volume: Kept,
}

/// What a backup keeps of its volume beside the bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Properties,
    /// What the volume knows of its image.
    pub image: Properties,
}

/// Why a backup was not made or read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the backup {0} is not there")]
    Missing(String),
    #[error("the backup {id} is damaged: {why}")]
    Damaged { id: String, why: &'static str },
    #[error("files of backups cannot be used")]
    Io(#[from] io::Error),
}

type Result<T> = std::result::Result<T, VaultError>;

impl Vault {
    pub fn new(root: &Path, keep_free: u64) -> Self {
        Vault {
            root: root.to_owned(),
            keep_free,
        }
    }

    fn folder(&self, id: Id) -> PathBuf {
        self.root.join(id.to_string())
    }

    /// There is a backup of what a raw file or device holds; one that is there stays as it is.
    ///
    /// # Errors
    /// The file, its parent or the folder cannot be used.
    pub fn ensure(&self, id: Id, from: &Path, parent: Option<Id>, kept: Kept) -> Result<()> {
        let place = self.folder(id);
        if place.try_exists()? {
            return Ok(());
        }
        private(&self.root)?;
        self.discard(id)?;
        let part = self.part(id)?;
        let mut base = match parent {
            None => None,
            Some(parent) => Some((self.manifest(parent)?, self.index(parent)?)),
        };
        let mut chain = base
            .as_ref()
            .map(|(base, _)| base.chain.clone())
            .unwrap_or_default();
        chain.push(id.to_string());
        let mut from = File::open(from)?;
        let bytes = from.seek(SeekFrom::End(0))?;
        let mut out = Out {
            data: BufWriter::new(create(&part.0.join("data"))?),
            index: BufWriter::new(create(&part.0.join("index"))?),
            owner: u32::try_from(chain.len() - 1).map_err(io::Error::other)?,
            at: 0,
            room: Room::new(self.keep_free),
        };
        // Blocks of another size are not comparable.
        let mut old = base
            .as_mut()
            .filter(|(base, _)| base.block == BLOCK)
            .map(|(_, old)| old);
        let mut block = vec![0; usize::try_from(BLOCK).map_err(io::Error::other)?];
        let (mut next, mut at) = (0, 0);
        while let Some((begin, end)) = sparse::next_data(&from, at, bytes)? {
            at = end;
            for number in next.max(begin / BLOCK)..end.div_ceil(BLOCK) {
                next = number + 1;
                let length = BLOCK.min(bytes - number * BLOCK);
                let block = &mut block[..usize::try_from(length).map_err(io::Error::other)?];
                from.read_exact_at(block, number * BLOCK)?;
                if block.iter().all(|byte| *byte == 0) {
                    continue;
                }
                let digest = Sha256::digest(&*block).into();
                let known = match &mut old {
                    Some(old) => old.find(number)?.filter(|entry| entry.digest == digest),
                    None => None,
                };
                match known {
                    Some(entry) => entry.write(&mut out.index)?,
                    None => out.store(number, digest, block)?,
                }
            }
        }
        let manifest = Manifest {
            version: 1,
            bytes,
            block: BLOCK,
            chain,
            volume: kept,
        };
        out.finish(&part.0, &manifest)?;
        self.put(&part, &place)
    }

    /// A file that holds what a backup holds, and nothing else: its blocks are proved by their digests.
    ///
    /// # Errors
    /// The backup is damaged or not there, or there is no room for what it holds.
    pub fn unpack(&self, id: Id, to: &File) -> Result<Manifest> {
        let manifest = self.manifest(id)?;
        let damaged = |why| VaultError::Damaged {
            id: id.to_string(),
            why,
        };
        let mut data = Vec::new();
        for one in &manifest.chain {
            let one: Id = one.parse().map_err(|_| damaged("its chain names no ids"))?;
            data.push(
                File::open(self.folder(one).join("data")).map_err(|error| missing(one, error))?,
            );
        }
        to.set_len(manifest.bytes)?;
        let mut room = Room::new(self.keep_free);
        let mut index = self.index(id)?;
        while let Some(entry) = index.next()? {
            let from = usize::try_from(entry.owner)
                .ok()
                .and_then(|owner| data.get(owner));
            let from = from.ok_or_else(|| damaged("its index names no backup"))?;
            let at = entry
                .block
                .checked_mul(manifest.block)
                .filter(|at| *at < manifest.bytes);
            let at = at.ok_or_else(|| damaged("its index names no block"))?;
            let whole = manifest.block.min(manifest.bytes - at);
            if u64::from(entry.length) > whole {
                return Err(damaged("its index names too long a block"));
            }
            let whole = usize::try_from(whole).map_err(io::Error::other)?;
            let mut stored = vec![0; usize::try_from(entry.length).map_err(io::Error::other)?];
            from.read_exact_at(&mut stored, entry.at)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => damaged("its data is cut off"),
                    _ => error.into(),
                })?;
            let block = match stored.len() == whole {
                true => stored,
                false => decompress_to_vec_with_limit(&stored, whole)
                    .map_err(|_| damaged("a block cannot be unpacked"))?,
            };
            let digest: [u8; 32] = Sha256::digest(&block).into();
            if block.len() != whole || digest != entry.digest {
                return Err(damaged("a block does not have its digest"));
            }
            room.take(to, manifest.block)?;
            to.write_all_at(&block, at)?;
        }
        to.sync_all()?;
        Ok(manifest)
    }

    /// The backup is gone, and what was half made of it.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn ensure_gone(&self, id: Id) -> Result<()> {
        if !self.root.try_exists()? {
            return Ok(());
        }
        self.discard(id)?;
        match fs::remove_dir_all(self.folder(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(sync(&self.root)?),
        }
    }

    /// There is a backup under another id that holds the same. Both have the bytes by hard links, so that either goes
    /// without the other.
    ///
    /// # Errors
    /// The backup is damaged or not there, or the folder cannot be used.
    pub fn ensure_copy(&self, of: Id, id: Id) -> Result<()> {
        let place = self.folder(id);
        if place.try_exists()? {
            return Ok(());
        }
        let mut manifest = self.manifest(of)?;
        let last = manifest.chain.last_mut();
        let last = last.filter(|last| **last == of.to_string());
        let damaged = VaultError::Damaged {
            id: of.to_string(),
            why: "its chain does not end with it",
        };
        *last.ok_or(damaged)? = id.to_string();
        self.discard(id)?;
        let part = self.part(id)?;
        for name in ["data", "index"] {
            fs::hard_link(self.folder(of).join(name), part.0.join(name))
                .map_err(|error| missing(of, error))?;
        }
        describe(&part.0, &manifest)?;
        self.put(&part, &place)
    }

    /// A folder of a backup that is being made.
    fn part(&self, id: Id) -> Result<Part> {
        let name = format!("{id}.{}.part", Uuid::new_v4().simple());
        let part = Part(self.root.join(name));
        private(&part.0)?;
        Ok(part)
    }

    /// What was made is there, as a whole.
    fn put(&self, part: &Part, place: &Path) -> Result<()> {
        match fs::rename(&part.0, place) {
            // Another run was quicker.
            Err(_) if place.try_exists()? => {}
            other => other?,
        }
        Ok(sync(&self.root)?)
    }

    /// What a backup knows of itself.
    ///
    /// # Errors
    /// It is damaged or not there.
    pub fn manifest(&self, id: Id) -> Result<Manifest> {
        let text =
            fs::read(self.folder(id).join("manifest.json")).map_err(|error| missing(id, error))?;
        let damaged = |why| VaultError::Damaged {
            id: id.to_string(),
            why,
        };
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|_| damaged("its manifest cannot be read"))?;
        match manifest.version == 1 && manifest.block > 0 {
            true => Ok(manifest),
            false => Err(damaged("its manifest is of another version")),
        }
    }

    /// All backups that are there, for audits.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn inventory(&self) -> Result<Vec<Id>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            found.extend(name.to_str().and_then(|name| name.parse::<Id>().ok()));
        }
        Ok(found)
    }

    fn index(&self, id: Id) -> Result<Reader<BufReader<File>>> {
        let file = File::open(self.folder(id).join("index")).map_err(|error| missing(id, error))?;
        Ok(Reader::new(BufReader::new(file)))
    }

    /// Removes what earlier runs that were killed left half made.
    fn discard(&self, id: Id) -> Result<()> {
        let prefix = format!("{id}.");
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&prefix) && name.ends_with(".part") {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The files of a backup that is being made.
struct Out {
    data: BufWriter<File>,
    index: BufWriter<File>,
    /// The place of this backup in its own chain.
    owner: u32,
    /// Bytes of data so far.
    at: u64,
    /// Of the data.
    room: Room,
}

impl Out {
    fn store(&mut self, block: u64, digest: [u8; 32], bytes: &[u8]) -> io::Result<()> {
        let pressed = compress_to_vec(bytes, LEVEL);
        let stored = match pressed.len() < bytes.len() {
            true => &pressed,
            false => bytes,
        };
        self.room.take(self.data.get_ref(), stored.len() as u64)?;
        self.data.write_all(stored)?;
        let entry = Entry {
            block,
            owner: self.owner,
            length: u32::try_from(stored.len()).map_err(io::Error::other)?,
            at: self.at,
            digest,
        };
        self.at += stored.len() as u64;
        entry.write(&mut self.index)
    }

    fn finish(self, folder: &Path, manifest: &Manifest) -> io::Result<()> {
        for out in [self.data, self.index] {
            let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
        }
        describe(folder, manifest)
    }
}

/// Writes what a backup knows of itself, as the last of its files.
fn describe(folder: &Path, manifest: &Manifest) -> io::Result<()> {
    let mut file = create(&folder.join("manifest.json"))?;
    file.write_all(&serde_json::to_vec(manifest)?)?;
    file.sync_all()?;
    sync(folder)
}

/// A folder on its way to its place. Dropped, it leaves nothing.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.0.display(), "cannot remove what was half made");
        }
    }
}

fn missing(id: Id, error: io::Error) -> VaultError {
    match error.kind() {
        io::ErrorKind::NotFound => VaultError::Missing(id.to_string()),
        _ => VaultError::Io(error),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes a folder that only this user reads, and those above it.
fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A name is on disk when its folder is.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::store;

    fn id() -> Id {
        store::new_id().parse().expect("an id")
    }

    fn disk(folder: &Path) -> File {
        let path = folder.join("disk");
        let disk = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let disk = disk.expect("a disk");
        disk.set_len(64 << 20).expect("grown");
        disk
    }

    fn holds(vault: &Vault, id: Id, at: u64) -> [u8; 4] {
        let to = tempfile::tempfile().expect("a file");
        vault.unpack(id, &to).expect("unpacked");
        assert_eq!(to.metadata().expect("size").len(), 64 << 20);
        let mut bytes = [0; 4];
        to.read_exact_at(&mut bytes, at).expect("read");
        bytes
    }

    fn stored(vault: &Vault, id: Id) -> u64 {
        vault
            .folder(id)
            .join("data")
            .metadata()
            .expect("data")
            .len()
    }

    #[test]
    fn a_chain_holds_what_each_disk_held_and_only_what_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::new(&folder.path().join("backups"), 0);
        let (disk, from) = (disk(folder.path()), folder.path().join("disk"));
        let noise: Vec<u8> = (0..1u32 << 18)
            .flat_map(|n| {
                n.wrapping_mul(0x9e37_79b9)
                    .rotate_left(n % 32)
                    .to_le_bytes()
            })
            .collect();
        disk.write_all_at(&noise, 0).expect("written");
        disk.write_all_at(b"tail", (64 << 20) - 4).expect("written");
        let (full, more) = (id(), id());
        vault
            .ensure(full, &from, None, Kept::default())
            .expect("made");
        disk.write_all_at(b"more", 32 << 20).expect("written");
        disk.write_all_at(&[0; 4], (64 << 20) - 4).expect("written");
        vault
            .ensure(more, &from, Some(full), Kept::default())
            .expect("made");
        assert!(stored(&vault, full) >= 1 << 18);
        assert!(stored(&vault, more) < 4096, "{}", stored(&vault, more));
        for (of, at, bytes) in [
            (full, 0, &noise[..4]),
            (full, 32 << 20, &[0; 4][..]),
            (full, (64 << 20) - 4, b"tail"),
            (more, 0, &noise[..4]),
            (more, 32 << 20, b"more"),
            (more, (64 << 20) - 4, &[0; 4]),
        ] {
            assert_eq!(holds(&vault, of, at), bytes, "{of} {at}");
        }
        assert_eq!(vault.manifest(more).expect("read").chain.len(), 2);
    }

    #[test]
    fn a_damaged_block_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::new(&folder.path().join("backups"), 0);
        disk(folder.path())
            .write_all_at(b"here", 0)
            .expect("written");
        let one = id();
        vault
            .ensure(one, &folder.path().join("disk"), None, Kept::default())
            .expect("made");
        let data = OpenOptions::new()
            .write(true)
            .open(vault.folder(one).join("data"));
        data.expect("data")
            .write_all_at(&[255, 255], 3)
            .expect("written");
        let to = tempfile::tempfile().expect("a file");
        let refused = vault.unpack(one, &to).expect_err("damaged");
        assert!(matches!(refused, VaultError::Damaged { .. }), "{refused}");
    }

    #[test]
    fn what_a_killed_run_left_goes_and_a_backup_is_written_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::new(&folder.path().join("backups"), 0);
        let (disk, from, one) = (disk(folder.path()), folder.path().join("disk"), id());
        let left = vault.root.join(format!("{one}.0.part"));
        fs::create_dir_all(&left).expect("made");
        vault
            .ensure(one, &from, None, Kept::default())
            .expect("made");
        assert!(!left.exists());
        disk.write_all_at(b"late", 0).expect("written");
        vault
            .ensure(one, &from, None, Kept::default())
            .expect("there");
        assert_eq!(holds(&vault, one, 0), [0; 4]);
        fs::create_dir_all(&left).expect("made");
        vault.ensure_gone(one).expect("gone");
        vault.ensure_gone(one).expect("gone");
        assert_eq!(fs::read_dir(&vault.root).expect("listed").count(), 0);
        assert!(matches!(vault.manifest(one), Err(VaultError::Missing(_))));
    }

    #[test]
    fn nothing_is_left_where_there_is_no_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::new(&folder.path().join("backups"), u64::MAX);
        disk(folder.path())
            .write_all_at(b"here", 0)
            .expect("written");
        let refused = vault.ensure(id(), &folder.path().join("disk"), None, Kept::default());
        assert!(
            matches!(refused, Err(VaultError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
        assert_eq!(fs::read_dir(&vault.root).expect("listed").count(), 0);
    }

    #[test]
    fn nothing_is_unpacked_where_there_is_no_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, one) = (folder.path().join("backups"), id());
        disk(folder.path())
            .write_all_at(b"here", 0)
            .expect("written");
        Vault::new(&root, 0)
            .ensure(one, &folder.path().join("disk"), None, Kept::default())
            .expect("made");
        let to = tempfile::tempfile().expect("a file");
        let refused = Vault::new(&root, u64::MAX).unpack(one, &to);
        assert!(
            matches!(refused, Err(VaultError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
    }
}
