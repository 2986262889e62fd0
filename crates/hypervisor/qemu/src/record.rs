//! What is kept of a server on disk: its description, the last epoch, and what cannot be seen from a process that
//! has ended. Written as a whole and synced, before anything is done that it describes.

use chrono::{DateTime, Utc};
use hypervisor::guard::{admit, admit_device};
use hypervisor::qcow2;
use hypervisor::{
    DeviceCommand, DriverError, ImageFormat, MachineType, PowerState, Result, ServerSpec, Volume,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::addresses::Addresses;
use crate::durable;
use crate::layout::Layout;

/// The content of `spec.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub epoch: u64,
    /// Number of the last command about one of its devices.
    #[serde(default)]
    pub device_command: u64,
    /// The state when it was last known; a guest whose process lives is asked instead.
    pub power: PowerState,
    pub since: DateTime<Utc>,
    /// The base image under the root disk, as it was when the disk was made: a later description may name another.
    #[serde(default)]
    pub base: Option<Base>,
    /// The base image under the disk of the present rescue.
    #[serde(default)]
    pub rescue_base: Option<Base>,
    /// Machine type the server was first started with, by its whole name; it never changes under a guest.
    #[serde(default)]
    pub machine: Option<MachineType>,
    /// Number of the user that the guest runs as; None before its first start as a user of its own.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Gone from this host with its disks kept.
    #[serde(default)]
    pub away: bool,
    /// Where each named device sat when the guest's memory was saved: it expects them there. Of no meaning otherwise.
    #[serde(default)]
    pub addresses: Addresses,
    /// What the server's disks can be taken back to, while a resize is not confirmed.
    #[serde(default)]
    pub before: Option<Before>,
    /// A volume whose place another one is taking in the running guest: the description names the other one already, and
    /// this is what it named before.
    #[serde(default)]
    pub switching: Option<Volume>,
    pub spec: ServerSpec,
}

/// The state before a resize: an internal snapshot of each qcow2 disk, and a copy of the UEFI variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Of the resize; names the snapshots.
    pub epoch: u64,
    pub stage: Stage,
    pub root: bool,
    pub ephemeral: usize,
}

/// How far a resize, or its way back, has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// The disks are as they were; not all of them may have their snapshot.
    Keeping,
    Kept,
    /// The disks are as they were again; some may still have their snapshot.
    Restored,
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
            device_command: 0,
            power: PowerState::Shutdown,
            since: Utc::now(),
            base: None,
            rescue_base: None,
            machine: None,
            uid: None,
            away: false,
            addresses: Addresses::new(),
            before: None,
            switching: None,
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

    /// Takes the place of a command about a device.
    ///
    /// # Errors
    /// `StaleEpoch`, `StaleCommand`.
    pub fn admit_device(&mut self, command: DeviceCommand) -> Result<()> {
        let current = DeviceCommand {
            epoch: self.epoch,
            number: self.device_command,
        };
        admit_device(&self.spec.id, command, current)?;
        (self.epoch, self.device_command) = (command.epoch, command.number);
        Ok(())
    }

    /// Replaces the description, keeping the epoch.
    pub fn describe(&mut self, spec: &ServerSpec) {
        self.spec = spec.clone();
        self.switching = None;
        self.epoch = self.epoch.max(spec.epoch);
    }
}

/// What a server's folder says of it.
#[derive(Debug)]
pub(crate) enum Kept {
    /// There is no such server, or a start that was cut short before it made anything.
    Nothing,
    Whole(Box<Record>),
    /// Something of the server is here, and its record is lost or cannot be read: nothing is known but its id.
    Damaged(DriverError),
}

impl Kept {
    /// The last epoch, where it is known.
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Self::Whole(record) => Some(record.epoch),
            Self::Nothing | Self::Damaged(_) => None,
        }
    }

    /// The record of a server that is on this host; None when there is none, or its disks alone were kept.
    ///
    /// # Errors
    /// It is damaged.
    pub fn present(self) -> Result<Option<Record>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Whole(record) => Ok(Some(*record).filter(|record| !record.away)),
            Self::Damaged(error) => Err(error),
        }
    }
}

/// Looks at a server's folder.
pub(crate) fn kept(layout: &Layout) -> Kept {
    let path = layout.record();
    let fail = |error| Kept::Damaged(DriverError::io(format!("read {}", path.display()))(error));
    match std::fs::read(&path) {
        Ok(text) => match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.spec.id == layout.id() => Kept::Whole(Box::new(record)),
            Ok(_) => fail(std::io::Error::other("it is of another server")),
            Err(error) => fail(error.into()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            match is_empty(layout.dir()) {
                true => Kept::Nothing,
                false => fail(error),
            }
        }
        Err(error) => fail(error),
    }
}

/// Is there no folder, or nothing in it but a record that never got its name?
pub(crate) fn is_empty(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .flatten()
            .all(|entry| entry.file_name() == "spec.json.new"),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Reads a server's record; None when there is no such server.
///
/// # Errors
/// It is damaged.
pub(crate) fn read(layout: &Layout) -> Result<Option<Record>> {
    match kept(layout) {
        Kept::Nothing => Ok(None),
        Kept::Whole(record) => Ok(Some(*record)),
        Kept::Damaged(error) => Err(error),
    }
}

/// Files made elsewhere that a server needs: what its record names, and what its root disk itself does.
///
/// # Errors
/// The record or the disk cannot be read: nobody knows what it needs.
pub(crate) fn files(layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if let Some(record) = read(layout)? {
        files.extend(record.spec.files().cloned());
        let bases = record.base.into_iter().chain(record.rescue_base);
        files.extend(bases.map(|base| base.path));
    }
    let disk = layout.root_disk();
    match qcow2::backing_file(&disk) {
        Ok(below) => files.extend(below),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(DriverError::io(format!("read {}", disk.display()))(error)),
    }
    Ok(files)
}

/// Writes a server's record; it is on the disk when this returns.
pub(crate) fn write(layout: &Layout, record: &Record) -> Result<()> {
    put(layout, record, durable::replace)
}

/// Writes a record of which the state alone is new: after a power failure no guest runs, whatever it says.
pub(crate) fn note(layout: &Layout, record: &Record) -> Result<()> {
    put(layout, record, durable::replace_soon)
}

fn put(
    layout: &Layout,
    record: &Record,
    replace: fn(&Path, &[u8]) -> std::io::Result<()>,
) -> Result<()> {
    let path = layout.record();
    let fail = || DriverError::io(format!("write {}", path.display()));
    let text = serde_json::to_vec(record)
        .map_err(std::io::Error::other)
        .map_err(fail())?;
    replace(&path, &text).map_err(fail())
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

    #[test]
    fn a_folder_with_anything_in_it_and_no_record_is_a_damaged_server() {
        let dir = tempfile::tempdir().unwrap();
        let id = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";
        let layout = Layout::new(dir.path(), id).unwrap();
        assert!(matches!(kept(&layout), Kept::Nothing));
        std::fs::create_dir_all(layout.dir()).unwrap();
        std::fs::write(layout.dir().join("spec.json.new"), "half").unwrap();
        assert!(matches!(kept(&layout), Kept::Nothing), "cut short");
        std::fs::write(layout.root_disk(), "disk").unwrap();
        assert!(matches!(kept(&layout), Kept::Damaged(_)), "lost");
        let mut spec = ServerSpec::minimal(id, "one");
        write(&layout, &Record::new(&spec)).unwrap();
        assert!(matches!(kept(&layout), Kept::Whole(_)));
        let whole = std::fs::read(layout.record()).unwrap();
        for damaged in [&b""[..], b"{", &whole[..whole.len() / 2], b"\xff\0"] {
            std::fs::write(layout.record(), damaged).unwrap();
            assert!(matches!(kept(&layout), Kept::Damaged(_)));
        }
        spec.id = "0d7b1a2c-6a3e-4f0e-9f41-000000000002".into();
        write(&layout, &Record::new(&spec)).unwrap();
        assert!(
            matches!(kept(&layout), Kept::Damaged(_)),
            "another server's"
        );
    }
}
