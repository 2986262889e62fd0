//! Fernet keys in a folder, in the manner of Keystone's key repositories, so that several processes
//! and machines can share them.
//!
//! Files are named by numbers. The highest is the *primary* key: it encrypts. `0` is the *staged*
//! key: the next primary, spread to all machines before it is used. The others only decrypt.
//! A rotation makes the staged key primary, stages a new one and forgets the oldest.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use fernet::{Fernet, MultiFernet};

/// Why a key folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot use the key folder {folder}; check that this user may read and write it")]
    Folder {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the file {0} holds no Fernet key")]
    Broken(PathBuf),
}

/// A folder of keys, read again whenever it changes.
pub struct KeyRepository {
    folder: PathBuf,
    max_active: usize,
    loaded: ArcSwap<Loaded>,
}

struct Loaded {
    keys: MultiFernet,
    /// Time of the folder's last change when the keys were read.
    stamp: Option<SystemTime>,
}

impl KeyRepository {
    /// Opens a folder; an empty or missing one gets a staged and a primary key.
    pub fn open(folder: &Path, max_active: usize) -> Result<Self, KeyError> {
        let told = |source| KeyError::Folder {
            folder: folder.to_owned(),
            source,
        };
        if !folder.is_dir() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(told)?;
        }
        if numbers(folder).map_err(told)?.is_empty() {
            for number in [0, 1] {
                write_key(folder, number).map_err(told)?;
            }
        }
        Ok(KeyRepository {
            folder: folder.to_owned(),
            max_active: max_active.max(1),
            loaded: ArcSwap::from_pointee(load(folder)?),
        })
    }

    /// Encrypts with the primary key.
    pub fn encrypt(&self, data: &[u8]) -> Result<String, KeyError> {
        Ok(self.current()?.keys.encrypt(data))
    }

    /// What `text` hides, or `None` when no key of ours made it.
    pub fn decrypt(&self, text: &str) -> Option<Vec<u8>> {
        let loaded = self.loaded.load();
        if let Ok(data) = loaded.keys.decrypt(text) {
            return Some(data);
        }
        let before = loaded.stamp;
        let fresh = self.current().ok()?;
        if fresh.stamp == before {
            return None;
        }
        fresh.keys.decrypt(text).ok()
    }

    /// Makes the staged key primary, stages a new one, and removes the oldest beyond the limit.
    pub fn rotate(&self) -> Result<(), KeyError> {
        let told = |source| KeyError::Folder {
            folder: self.folder.clone(),
            source,
        };
        let present = numbers(&self.folder).map_err(told)?;
        let next = present.last().copied().unwrap_or(0) + 1;
        if present.contains(&0) {
            let (staged, primary) = (self.folder.join("0"), self.folder.join(next.to_string()));
            fs::rename(staged, primary).map_err(told)?;
        }
        write_key(&self.folder, 0).map_err(told)?;
        let present = numbers(&self.folder).map_err(told)?;
        let surplus = present.len().saturating_sub(self.max_active.max(2));
        for number in present.iter().filter(|number| **number != 0).take(surplus) {
            fs::remove_file(self.folder.join(number.to_string())).map_err(told)?;
        }
        self.loaded.store(Arc::new(load(&self.folder)?));
        Ok(())
    }

    fn current(&self) -> Result<Arc<Loaded>, KeyError> {
        let loaded = self.loaded.load_full();
        if changed(&self.folder) == loaded.stamp {
            return Ok(loaded);
        }
        let fresh = Arc::new(load(&self.folder)?);
        self.loaded.store(fresh.clone());
        Ok(fresh)
    }
}

fn changed(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder).and_then(|meta| meta.modified()).ok()
}

/// The numbers of the keys in a folder, ascending.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Some(number) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            all.push(number);
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn load(folder: &Path) -> Result<Loaded, KeyError> {
    let told = |source| KeyError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let stamp = changed(folder);
    let mut keys = Vec::new();
    for number in numbers(folder).map_err(told)?.iter().rev() {
        let file = folder.join(number.to_string());
        let text = fs::read_to_string(&file).map_err(told)?;
        keys.push(Fernet::new(text.trim()).ok_or(KeyError::Broken(file))?);
    }
    if keys.is_empty() {
        return Err(KeyError::Broken(folder.join("1")));
    }
    Ok(Loaded {
        keys: MultiFernet::new(keys),
        stamp,
    })
}

/// Writes a new key under a temporary name first, so that no reader sees half a key.
fn write_key(folder: &Path, number: u64) -> io::Result<()> {
    let draft = folder.join(format!("{number}.{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(Fernet::generate_key().as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, folder.join(number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_tokens_are_read_until_their_key_is_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        let keys = KeyRepository::open(folder.path(), 3).expect("keys");
        let text = keys.encrypt(b"secret").expect("encrypt");
        keys.rotate().expect("rotate");
        assert_eq!(keys.decrypt(&text).as_deref(), Some(&b"secret"[..]));
        keys.rotate().expect("rotate");
        assert_eq!(
            keys.decrypt(&text),
            None,
            "three keys: staged, primary, one before"
        );
    }

    #[test]
    fn another_process_that_rotates_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let ours = KeyRepository::open(folder.path(), 3).expect("keys");
        let theirs = KeyRepository::open(folder.path(), 3).expect("keys");
        theirs.rotate().expect("rotate");
        theirs.rotate().expect("rotate");
        let text = theirs.encrypt(b"x").expect("encrypt");
        assert_eq!(ours.decrypt(&text).as_deref(), Some(&b"x"[..]));
    }
}
