//! What is kept of a server on disk: its description, the last epoch, and what cannot be seen from a process that
//! has ended. Written as a whole (new file, rename), before anything is done that it describes.

use chrono::{DateTime, Utc};
use hypervisor::guard::admit;
use hypervisor::qcow2;
use hypervisor::{DriverError, ImageFormat, MachineType, PowerState, Result, ServerSpec};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::layout::Layout;

/// The content of `spec.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub epoch: u64,
    /// The state when it was last known; a guest whose process lives is asked instead.
    pub power: PowerState,
    pub since: DateTime<Utc>,
    /// The base image under the root disk, as it was when the disk was made: a later description may name another.
    #[serde(default)]
    pub base: Option<Base>,
    /// Machine type the server was first started with, by its whole name; it never changes under a guest.
    #[serde(default)]
    pub machine: Option<MachineType>,
    /// Gone from this host with its disks kept.
    #[serde(default)]
    pub away: bool,
    pub spec: ServerSpec,
}

/// A base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    pub path: PathBuf,
    pub format: ImageFormat,
}

impl Record {
    pub fn new(spec: &ServerSpec) -> Self {
        Self {
            epoch: spec.epoch,
            power: PowerState::Shutdown,
            since: Utc::now(),
            base: None,
            machine: None,
            away: false,
            spec: spec.clone(),
        }
    }

    /// Takes a state, noting the time when it is a new one.
    pub fn take(&mut self, power: PowerState) {
        if self.power != power {
            self.power = power;
            self.since = Utc::now();
        }
    }

    /// Takes a command's epoch.
    ///
    /// # Errors
    /// `StaleEpoch`.
    pub fn admit(&mut self, epoch: u64) -> Result<()> {
        admit(&self.spec.id, epoch, Some(self.epoch))?;
        self.epoch = epoch;
        Ok(())
    }

    /// Replaces the description, keeping the epoch.
    pub fn describe(&mut self, spec: &ServerSpec) {
        self.spec = spec.clone();
        self.epoch = self.epoch.max(spec.epoch);
    }
}

/// Reads a server's record; None when there is no such server.
pub(crate) fn read(layout: &Layout) -> Result<Option<Record>> {
    let path = layout.record();
    let fail = || DriverError::io(format!("read {}", path.display()));
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail()(error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(std::io::Error::other)
        .map_err(fail())
}

/// Files made elsewhere that a server needs: what its record names, and what its root disk itself does.
///
/// # Errors
/// The record or the disk cannot be read: nobody knows what it needs.
pub(crate) fn files(layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if let Some(record) = read(layout)? {
        files.extend(record.spec.files().cloned());
        files.extend(record.base.map(|base| base.path));
    }
    let disk = layout.root_disk();
    match qcow2::backing_file(&disk) {
        Ok(below) => files.extend(below),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(DriverError::io(format!("read {}", disk.display()))(error)),
    }
    Ok(files)
}

/// Writes a server's record.
pub(crate) fn write(layout: &Layout, record: &Record) -> Result<()> {
    let path = layout.record();
    let fail = || DriverError::io(format!("write {}", path.display()));
    let text = serde_json::to_vec(record)
        .map_err(std::io::Error::other)
        .map_err(fail())?;
    replace(&path, &text).map_err(fail())
}

/// Replaces a file as a whole; readable by the owner alone, since descriptions carry passwords.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    drop(file);
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_process_and_refuses_older_epochs() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        assert_eq!(read(&layout).unwrap(), None);
        std::fs::create_dir_all(layout.dir()).unwrap();
        let mut record = Record::new(&ServerSpec::minimal(layout.id(), "one"));
        record.admit(5).unwrap();
        write(&layout, &record).unwrap();
        let mut again = read(&layout).unwrap().unwrap();
        assert_eq!(again, record);
        assert!(matches!(
            again.admit(4),
            Err(DriverError::StaleEpoch { current: 5, .. })
        ));
    }
}
