//! The simulated guests of one host, in memory and, when told so, in a file each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use hypervisor::{DriverError, GuestFacts, PowerState, Result, ServerSpec, VolumeSource};
use serde::{Deserialize, Serialize};

/// One simulated guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Guest {
    pub spec: ServerSpec,
    pub epoch: u64,
    /// Number of the last command about one of its devices.
    #[serde(default)]
    pub device_command: u64,
    pub power: PowerState,
    pub since: DateTime<Utc>,
    /// Counts starts: a crash timer of an earlier start must not hit a later one.
    pub starts: u64,
    pub has_disks: bool,
    /// Taken from the host with its disks kept.
    pub away: bool,
    pub console: String,
    /// What it was before a resize that is not confirmed.
    #[serde(default)]
    pub before: Option<Before>,
    /// What its users' passwords were changed to.
    #[serde(default)]
    pub passwords: BTreeMap<String, String>,
    /// How often its file systems were held still.
    #[serde(default)]
    pub quiesced: u32,
    /// Copies of its volumes, by the ids of these.
    #[serde(default)]
    pub copies: BTreeMap<String, Copied>,
}

/// A copy of a volume to another one, for as long as the guest runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Copied {
    pub to: VolumeSource,
    /// Device and inode of its file: a file that is made anew at the same path holds nothing of the copy. None: another
    /// machine serves it.
    #[serde(default)]
    pub file: Option<(u64, u64)>,
    /// Of the guest, when it began: a copy ends with the start that it belongs to.
    pub starts: u64,
    pub ready: bool,
}

/// What a resize can be taken back to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Of the resize.
    pub epoch: u64,
    pub spec: ServerSpec,
}

impl Guest {
    pub fn new(spec: &ServerSpec) -> Self {
        Self {
            spec: spec.clone(),
            epoch: spec.epoch,
            device_command: 0,
            power: PowerState::Shutdown,
            since: Utc::now(),
            starts: 0,
            has_disks: true,
            away: false,
            console: String::new(),
            before: None,
            passwords: BTreeMap::new(),
            quiesced: 0,
            copies: BTreeMap::new(),
        }
    }

    pub fn facts(&self) -> GuestFacts {
        GuestFacts {
            id: self.spec.id.clone(),
            name: self.spec.name.clone(),
            power_state: self.power,
            since: self.since,
            epoch: self.epoch,
            pid: None,
            has_disks: self.has_disks,
            port_ids: self
                .spec
                .nics
                .iter()
                .map(|nic| nic.port_id.clone())
                .collect(),
            metadata: self.spec.metadata.clone(),
        }
    }

    /// Takes a power state, noting the time when it is a new one.
    pub fn take(&mut self, power: PowerState) {
        if self.power != power {
            self.power = power;
            self.since = Utc::now();
        }
    }
}

/// The host's guests.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    guests: Mutex<BTreeMap<String, Guest>>,
    /// Ids of guests whose file cannot be read: nothing else is known of them.
    damaged: Mutex<BTreeSet<String>>,
    dir: Option<PathBuf>,
}

impl Guests {
    /// Reads the guests that an earlier process left in `dir`.
    pub fn open(dir: Option<PathBuf>) -> Result<Self> {
        let (mut guests, mut damaged) = (BTreeMap::new(), BTreeSet::new());
        if let Some(dir) = &dir {
            std::fs::create_dir_all(dir)
                .map_err(DriverError::io(format!("create {}", dir.display())))?;
            for entry in std::fs::read_dir(dir)
                .map_err(DriverError::io(format!("read {}", dir.display())))?
            {
                let path = entry
                    .map_err(DriverError::io("read a folder entry"))?
                    .path();
                if path.extension().is_some_and(|ext| ext == "json") {
                    match read(&path) {
                        Ok(guest) => drop(guests.insert(guest.spec.id.clone(), guest)),
                        Err(error) => {
                            let id = path.file_stem().unwrap_or_default().to_string_lossy();
                            tracing::error!(server = %id, %error, "a guest's file cannot be read");
                            damaged.insert(id.into_owned());
                        }
                    }
                }
            }
        }
        Ok(Self {
            guests: Mutex::new(guests),
            damaged: Mutex::new(damaged),
            dir,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Guest>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of one guest, also one whose disks alone are here.
    pub fn get(&self, id: &str) -> Option<Guest> {
        self.lock().get(id).cloned()
    }

    /// A copy of one guest of this host.
    pub fn present(&self, id: &str) -> Option<Guest> {
        self.get(id).filter(|guest| !guest.away)
    }

    fn lock_damaged(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this a guest of which only the id is known?
    pub fn is_damaged(&self, id: &str) -> bool {
        self.lock_damaged().contains(id)
    }

    /// What is known of guests whose file cannot be read.
    pub fn unknown(&self) -> Vec<GuestFacts> {
        let facts = |id: &String| GuestFacts {
            id: id.clone(),
            name: String::new(),
            power_state: PowerState::NoState,
            since: Utc::now(),
            epoch: 0,
            pid: None,
            has_disks: false,
            port_ids: Vec::new(),
            metadata: BTreeMap::new(),
        };
        self.lock_damaged().iter().map(facts).collect()
    }

    pub fn all(&self) -> Vec<Guest> {
        self.lock()
            .values()
            .filter(|guest| !guest.away)
            .cloned()
            .collect()
    }

    /// Sums over the guests that use processor and memory.
    pub fn used(&self) -> (u64, u64, u64) {
        self.lock()
            .values()
            .fold((0, 0, 0), |(vcpus, memory, disk), guest| {
                let disk = disk + guest.spec.local_disk_gb();
                match guest.power {
                    PowerState::Running | PowerState::Paused => (
                        vcpus + u64::from(guest.spec.vcpus),
                        memory + guest.spec.memory_mb,
                        disk,
                    ),
                    _ => (vcpus, memory, disk),
                }
            })
    }

    /// MiB that a real host would have written for its suspended guests.
    pub fn saved_memory_mb(&self) -> u64 {
        let guests = self.lock();
        let suspended = guests
            .values()
            .filter(|guest| guest.power == PowerState::Suspended);
        suspended.map(|guest| guest.spec.memory_mb).sum()
    }

    /// Files that the descriptions name, also those of guests whose disks alone are here.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let guests = self.lock();
        let files = guests.values().flat_map(|guest| guest.spec.files());
        files.cloned().collect()
    }

    /// Keeps a guest; the file is replaced as a whole.
    pub fn put(&self, guest: Guest) -> Result<()> {
        if let Some(path) = self.path(&guest.spec.id) {
            let fail = || DriverError::io(format!("write {}", path.display()));
            let fresh = path.with_extension("new");
            let text = serde_json::to_vec(&guest)
                .map_err(std::io::Error::other)
                .map_err(fail())?;
            std::fs::write(&fresh, text).map_err(fail())?;
            std::fs::rename(&fresh, &path).map_err(fail())?;
        }
        self.lock().insert(guest.spec.id.clone(), guest);
        Ok(())
    }

    pub fn remove(&self, id: &str) -> Result<()> {
        if let Some(path) = self.path(id)
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(DriverError::io(format!("remove {}", path.display()))(error));
        }
        self.lock().remove(id);
        self.lock_damaged().remove(id);
        Ok(())
    }

    fn path(&self, id: &str) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(format!("{id}.json")))
    }
}

fn read(path: &Path) -> Result<Guest> {
    let fail = || DriverError::io(format!("read {}", path.display()));
    let text = std::fs::read(path).map_err(fail())?;
    serde_json::from_slice(&text)
        .map_err(std::io::Error::other)
        .map_err(fail())
}
