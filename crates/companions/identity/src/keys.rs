//! Fernet keys in a folder, in the manner of Keystone's key repositories, so that several processes
//! and machines can share them.
//!
//! Files are named by numbers. The highest is the *primary* key: it encrypts. `0` is the *staged*
//! key: the next primary, spread to all machines before it is used. The others only decrypt.
//! A rotation makes the staged key primary, stages a new one and forgets the oldest, once nothing that
//! it encrypted can still be good.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
    primary: Fernet,
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

    /// Makes the staged key primary and stages a new one. Of the older ones all but so many are
    /// removed, but none while something encrypted with it may still be asked about: `life` after
    /// the key stopped being primary. Processes that share the folder take turns.
    pub fn rotate(&self, life: Duration) -> Result<(), KeyError> {
        let _alone = self.lock()?;
        self.rotate_at(life, SystemTime::now())
    }

    /// [`KeyRepository::rotate`], if the primary key is older than `interval`; says whether it was.
    pub fn rotate_if_older(
        &self,
        interval: Duration,
        life: Duration,
        now: SystemTime,
    ) -> Result<bool, KeyError> {
        let _alone = self.lock()?;
        let newest = numbers(&self.folder).map_err(self.io_error())?.pop();
        let due = match newest.filter(|number| *number != 0) {
            None => true,
            Some(primary) => age(&self.folder, primary, now).map_err(self.io_error())? >= interval,
        };
        if due {
            self.rotate_at(life, now)?;
        }
        Ok(due)
    }

    fn rotate_at(&self, life: Duration, now: SystemTime) -> Result<(), KeyError> {
        let folder = &self.folder;
        let present = numbers(folder).map_err(self.io_error())?;
        let next = present.last().copied().unwrap_or(0) + 1;
        if present.contains(&0) {
            let (staged, primary) = (folder.join("0"), folder.join(next.to_string()));
            // A key's time is when it became primary.
            fs::File::open(&staged)
                .and_then(|file| file.set_modified(now))
                .and_then(|()| fs::rename(&staged, &primary))
                .map_err(self.io_error())?;
        }
        write_key(folder, 0).map_err(self.io_error())?;
        let present = numbers(folder).map_err(self.io_error())?;
        let surplus = present.len().saturating_sub(self.max_active.max(2));
        let old: Vec<u64> = present.into_iter().filter(|number| *number != 0).collect();
        for pair in old.windows(2).take(surplus) {
            // A key made nothing since its successor became primary.
            if age(folder, pair[1], now).map_err(self.io_error())? < life {
                break;
            }
            fs::remove_file(folder.join(pair[0].to_string())).map_err(self.io_error())?;
        }
        sync(folder).map_err(self.io_error())?;
        self.loaded.store(Arc::new(load(folder)?));
        Ok(())
    }

    /// Whether `text` was encrypted with the primary key.
    pub fn is_of_primary(&self, text: &str) -> Result<bool, KeyError> {
        Ok(self.current()?.primary.decrypt(text).is_ok())
    }

    /// Keeps other processes from rotating at the same time.
    fn lock(&self) -> Result<fs::File, KeyError> {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.folder.join(".lock"))
            .map_err(self.io_error())?;
        file.lock().map_err(self.io_error())?;
        Ok(file)
    }

    fn io_error(&self) -> impl Fn(io::Error) -> KeyError {
        let folder = self.folder.clone();
        move |source| KeyError::Folder {
            folder: folder.clone(),
            source,
        }
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

/// How long ago a key became primary; nothing for a time that is yet to come.
fn age(folder: &Path, number: u64, now: SystemTime) -> io::Result<Duration> {
    let since = fs::metadata(folder.join(number.to_string()))?.modified()?;
    Ok(now.duration_since(since).unwrap_or_default())
}

/// Makes renamed and removed files durable.
fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
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
    let Some(primary) = keys.first().cloned() else {
        return Err(KeyError::Broken(folder.join("1")));
    };
    Ok(Loaded {
        primary,
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

    const LIFE: Duration = Duration::from_secs(100);
    const WEEK: Duration = Duration::from_secs(604_800);

    fn keys_in(folder: &Path) -> Vec<u64> {
        numbers(folder).expect("numbers")
    }

    #[test]
    fn a_token_is_read_for_its_whole_life_and_its_key_is_forgotten_then() {
        let folder = tempfile::tempdir().expect("folder");
        let keys = KeyRepository::open(folder.path(), 3).expect("keys");
        let start = SystemTime::now();
        let text = keys.encrypt(b"secret").expect("encrypt");
        // Rotated by hand again and again while the token lives.
        for second in 0..5 {
            let now = start + Duration::from_secs(second);
            keys.rotate_at(LIFE, now).expect("rotate");
            assert_eq!(keys.decrypt(&text).as_deref(), Some(&b"secret"[..]));
        }
        assert_eq!(keys_in(folder.path()), [0, 1, 2, 3, 4, 5, 6]);
        keys.rotate_at(LIFE, start + 2 * LIFE).expect("rotate");
        assert_eq!(keys.decrypt(&text), None, "past its life");
        assert_eq!(keys_in(folder.path()), [0, 6, 7]);
    }

    #[test]
    fn a_key_serves_for_its_interval_whatever_restarts() {
        let folder = tempfile::tempdir().expect("folder");
        let start = SystemTime::now();
        let rotated = |after: Duration| {
            // As after a start: nothing but the folder is known.
            let keys = KeyRepository::open(folder.path(), 3).expect("keys");
            let done = keys.rotate_if_older(WEEK, LIFE, start + after);
            done.expect("rotate")
        };
        assert!(!rotated(Duration::from_secs(60)));
        assert!(rotated(WEEK + LIFE));
        assert!(!rotated(WEEK + 2 * LIFE));
        assert!(!rotated(2 * WEEK));
        assert!(rotated(2 * WEEK + LIFE));
        assert_eq!(keys_in(folder.path()), [0, 2, 3]);
    }

    #[test]
    fn another_process_that_rotates_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let ours = KeyRepository::open(folder.path(), 3).expect("keys");
        let theirs = KeyRepository::open(folder.path(), 3).expect("keys");
        theirs.rotate(LIFE).expect("rotate");
        theirs.rotate(LIFE).expect("rotate");
        let text = theirs.encrypt(b"x").expect("encrypt");
        assert_eq!(ours.decrypt(&text).as_deref(), Some(&b"x"[..]));
        assert!(ours.is_of_primary(&text).expect("keys"));
        theirs.rotate(LIFE).expect("rotate");
        assert!(!ours.is_of_primary(&text).expect("keys"));
    }
}
