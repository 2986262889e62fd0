//! The folder of cached images: what lies in it, who is about to use it, and what may go.
//!
//! A file goes only if no server of this machine needs it, by the word of the drivers, which know
//! their servers' records and disks, and if nobody holds it: whoever asks for an image holds its file
//! from before it is looked for until the server's record names it. When a driver cannot say what
//! its servers need, nothing goes.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use hypervisor::Driver;

use super::ImageError;
use crate::failure::chain;
use crate::settings::{Budget, CacheSettings};

/// Folders that this process uses: simulated hosts share one.
static FOLDERS: LazyLock<Mutex<HashMap<PathBuf, Weak<Folder>>>> = LazyLock::new(Mutex::default);

/// A folder of images.
pub struct Folder {
    path: PathBuf,
    state: Mutex<State>,
    /// One fetch per file at a time.
    fetching: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    /// Only one looks for room at a time.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Those of the hosts whose servers use the folder. Kept while it is used at all: a host without an agent
    /// still has its servers.
    drivers: Vec<Arc<dyn Driver>>,
    held: HashMap<OsString, Held>,
    /// Bytes promised to fetches that run.
    promised: u64,
}

struct Held {
    count: usize,
    /// When it was last taken or given back: a server may have come to need the file since.
    last: Instant,
}

/// The file stays while this lives.
#[must_use]
pub struct Hold {
    folder: Arc<Folder>,
    name: OsString,
}

/// Room for a fetch, until this goes.
pub struct Promise {
    folder: Arc<Folder>,
    bytes: u64,
}

/// A file that lies complete in the folder.
struct Cached {
    name: OsString,
    bytes: u64,
    used: SystemTime,
}

impl Folder {
    /// The folder at `path`, which this host uses too. Whoever in this process is first finds what a
    /// crash left of fetches, and removes it.
    pub fn of(path: &Path, driver: &Arc<dyn Driver>) -> Arc<Self> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        folders.retain(|_, folder| folder.strong_count() > 0);
        let folder = folders.get(&path).and_then(Weak::upgrade);
        let folder = folder.unwrap_or_else(|| {
            let folder = Arc::new(Folder {
                path: path.clone(),
                state: Mutex::default(),
                fetching: Mutex::default(),
                looking: tokio::sync::Mutex::default(),
            });
            folder.remove_unfinished();
            folders.insert(path, Arc::downgrade(&folder));
            folder
        });
        let mut state = folder.state();
        if !state.drivers.iter().any(|known| Arc::ptr_eq(known, driver)) {
            state.drivers.push(driver.clone());
        }
        drop(state);
        folder
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what earlier processes did not finish: nobody goes on with it.
    fn remove_unfinished(&self) {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path
                .extension()
                .is_some_and(|extension| extension == "part")
            {
                tracing::info!(path = %path.display(), "removing an image that was not fetched whole");
                remove(&path);
            }
        }
    }

    /// Keeps the file of this name, whether it is there yet or not.
    pub fn hold(self: &Arc<Self>, name: &str) -> Hold {
        let name = OsString::from(name);
        let mut state = self.state();
        let now = Instant::now();
        let held = state.held.entry(name.clone());
        let held = held.or_insert(Held {
            count: 0,
            last: now,
        });
        held.count += 1;
        held.last = now;
        drop(state);
        Hold {
            folder: self.clone(),
            name,
        }
    }

    /// The right to fetch a file.
    pub fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        fetching.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = fetching.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        fetching.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// Room for `bytes` more, within the budget and beside what must stay free; images that nobody
    /// needs make it, those first that were not used for longest.
    ///
    /// # Errors
    /// `Full`; `Io`.
    pub async fn room(
        self: &Arc<Self>,
        bytes: u64,
        settings: &CacheSettings,
    ) -> Result<Promise, ImageError> {
        let _looking = self.looking.lock().await;
        if !self.fits(bytes, settings)? {
            let wanted = || self.fits(bytes, settings);
            self.collect(|_| Ok(!wanted()?)).await?;
        }
        let space = self.space(settings)?;
        let mut state = self.state();
        if !space.takes(bytes, state.promised) {
            return Err(ImageError::Full {
                needed: bytes,
                used: space.used,
                budget: space.budget,
                free: space.free,
            });
        }
        state.promised += bytes;
        Ok(Promise {
            folder: self.clone(),
            bytes,
        })
    }

    fn fits(&self, bytes: u64, settings: &CacheSettings) -> Result<bool, ImageError> {
        let promised = self.state().promised;
        Ok(self.space(settings)?.takes(bytes, promised))
    }

    fn space(&self, settings: &CacheSettings) -> Result<Space, ImageError> {
        let stat = nix::sys::statvfs::statvfs(&self.path)
            .map_err(|error| super::io("look for room")(error.into()))?;
        let unit = stat.fragment_size();
        let size = stat.blocks().saturating_mul(unit);
        let free = stat.blocks_available().saturating_mul(unit);
        let cached = self.cached()?;
        Ok(Space {
            used: cached.iter().map(|file| file.bytes).sum(),
            budget: match settings.budget {
                Budget::Bytes(bytes) => bytes,
                Budget::Percent(percent) => size / 100 * u64::from(percent),
            },
            free: free.saturating_sub(settings.keep_free),
        })
    }

    /// What nobody used for long goes, and what is beyond the budget.
    pub async fn tidy(self: &Arc<Self>, settings: &CacheSettings) -> Result<(), ImageError> {
        let _looking = self.looking.lock().await;
        if !self.path.is_dir() {
            return Ok(());
        }
        let now = SystemTime::now();
        self.collect(|file| {
            let idle = now.duration_since(file.used).unwrap_or_default();
            let old = settings.remove_unused && idle >= settings.unused_age;
            let space = self.space(settings)?;
            Ok(old || space.used > space.budget)
        })
        .await
    }

    /// Removes unneeded files, the longest unused first, as long as `wanted` says so.
    async fn collect(
        &self,
        wanted: impl Fn(&Cached) -> Result<bool, ImageError>,
    ) -> Result<(), ImageError> {
        let began = Instant::now();
        let Some(needed) = self.needed().await else {
            return Ok(());
        };
        let mut cached = self.cached()?;
        cached.sort_by_key(|file| file.used);
        for file in cached {
            if needed.contains(&file.name) || !wanted(&file)? {
                continue;
            }
            let mut state = self.state();
            // Taken since the drivers were asked: a server may need it of which they did not know.
            let held = state.held.get(&file.name);
            if held.is_some_and(|held| held.count > 0 || held.last >= began) {
                continue;
            }
            remove(&self.path.join(&file.name));
            state.held.remove(&file.name);
            drop(state);
            tracing::info!(image = ?file.name, bytes = file.bytes, "a cached image went");
        }
        Ok(())
    }

    /// Names of the files that servers need. None when a driver does not know.
    async fn needed(&self) -> Option<HashSet<OsString>> {
        let drivers = self.state().drivers.clone();
        let mut names = HashSet::new();
        for driver in drivers {
            match driver.files_in_use().await {
                Ok(files) => {
                    let files = files.iter().filter_map(|path| path.file_name());
                    names.extend(files.map(ToOwned::to_owned));
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "no cached image goes: what servers need is unknown");
                    return None;
                }
            }
        }
        Some(names)
    }

    /// The complete files.
    fn cached(&self) -> Result<Vec<Cached>, ImageError> {
        let fail = || super::io("look into the folder");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(fail())? {
            let entry = entry.map_err(fail())?;
            let metadata = match entry.metadata() {
                Ok(metadata) if metadata.is_file() => metadata,
                Ok(_) => continue,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(fail()(error)),
            };
            let name = entry.file_name();
            if Path::new(&name).extension().is_none() {
                found.push(Cached {
                    name,
                    bytes: metadata.len(),
                    used: metadata.modified().map_err(fail())?,
                });
            }
        }
        Ok(found)
    }
}

/// Sizes at one moment, in bytes.
struct Space {
    used: u64,
    budget: u64,
    /// Beside what must stay free.
    free: u64,
}

impl Space {
    /// Part of what was promised is written already, so this asks for more room than is needed.
    fn takes(&self, bytes: u64, promised: u64) -> bool {
        let more = bytes.saturating_add(promised);
        self.used.saturating_add(more) <= self.budget && more <= self.free
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(held) = self.folder.state().held.get_mut(&self.name) {
            held.count -= 1;
            held.last = Instant::now();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.folder.state().promised -= self.bytes;
    }
}

/// A file that cannot be removed takes room until the next attempt.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a cached image stays");
    }
}

/// Notes that a cached file is used now: those that are not go first.
pub fn used_now(path: &Path) {
    let noted = std::fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = noted {
        tracing::debug!(path = %path.display(), %error, "the use of a cached image is not noted");
    }
}
