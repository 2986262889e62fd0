//! Names of the files of one server.

use std::path::{Path, PathBuf};

use hypervisor::{DriverError, Result, parse_id};

use crate::slot::Slot;

/// The longest path that a unix socket can have on Linux.
const SOCKET_PATH: usize = 107;

/// What [`Layout::volumes`] is called.
const VOLUMES: &str = "volumes";

/// What the names of disks of rescues begin with.
const RESCUE: &str = "rescue-";

/// The directory of one server. Only made from ids that passed [`parse_id`].
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
    id: String,
}

impl Layout {
    /// # Errors
    /// `NotFound` when `id` is no UUID.
    pub fn new(state_path: &Path, id: &str) -> Result<Self> {
        let id = parse_id(id)?.to_owned();
        Ok(Self {
            dir: servers(state_path).join(&id),
            id,
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Description, epoch, last known state.
    pub fn record(&self) -> PathBuf {
        self.dir.join("spec.json")
    }

    pub fn root_disk(&self) -> PathBuf {
        self.dir.join("disk.qcow2")
    }

    pub fn ephemeral(&self, number: usize) -> PathBuf {
        self.dir.join(format!("ephemeral{number}.qcow2"))
    }

    /// The disk of a rescue.
    pub fn rescue_disk(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{RESCUE}{number}.qcow2"))
    }

    /// Whether a file of the folder is the disk of a rescue, made or half made.
    pub fn is_rescue_disk(name: &str) -> bool {
        name.starts_with(RESCUE)
    }

    pub fn swap(&self) -> PathBuf {
        self.dir.join("swap.raw")
    }

    pub fn config_drive(&self) -> PathBuf {
        self.dir.join("config.iso")
    }

    /// UEFI variables.
    pub fn nvram(&self) -> PathBuf {
        self.dir.join("nvram.fd")
    }

    /// The same as they were before a resize.
    pub fn nvram_before(&self) -> PathBuf {
        self.dir.join("nvram.before")
    }

    /// The guest's process number, as this process sees it.
    pub fn pid(&self) -> PathBuf {
        self.dir.join("pid")
    }

    /// The one folder in which the guest's QEMU makes files.
    pub fn io(&self) -> PathBuf {
        self.dir.join("io")
    }

    /// Where QEMU writes its process number, as it sees it itself.
    pub fn inner_pid(&self) -> PathBuf {
        self.io().join("pid")
    }

    /// Where QEMU makes the socket of the screen; it is moved to [`Layout::vnc`].
    pub fn inner_vnc(&self) -> PathBuf {
        self.io().join("vnc")
    }

    /// Where QEMU makes the socket of the serial line; it is moved to [`Layout::serial`].
    pub fn inner_serial(&self) -> PathBuf {
        self.io().join("tty")
    }

    pub fn qmp(&self) -> PathBuf {
        self.dir.join("qmp")
    }

    /// The port of the agent in the guest.
    pub fn agent(&self) -> PathBuf {
        self.dir.join("agent")
    }

    /// There while the agent holds the guest's file systems still.
    pub fn frozen(&self) -> PathBuf {
        self.dir.join("frozen")
    }

    pub fn vnc(&self) -> PathBuf {
        self.dir.join("vnc")
    }

    pub fn serial(&self) -> PathBuf {
        self.dir.join("serial")
    }

    pub fn console_log(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// Of volumes that other machines serve: a folder for the storage daemon of each, and the socket by which QEMU
    /// reaches it.
    pub fn volumes(&self) -> PathBuf {
        self.dir.join(VOLUMES)
    }

    /// The folder of the storage daemon of a volume.
    pub(crate) fn daemon(&self, slot: &Slot) -> PathBuf {
        self.volumes().join(slot.to_string())
    }

    /// Its socket, named from the server's folder: QEMU works there, and names of sockets must be short.
    pub(crate) fn served(slot: &Slot) -> PathBuf {
        Path::new(VOLUMES).join(format!("{slot}.nbd"))
    }

    /// What QEMU itself says.
    pub fn qemu_log(&self) -> PathBuf {
        self.dir.join("qemu.log")
    }

    /// The memory of a suspended guest.
    pub fn memory(&self) -> PathBuf {
        self.dir.join("memory")
    }

    /// The same while it is being written.
    pub fn unfinished_memory(&self) -> PathBuf {
        self.dir.join("memory.part")
    }

    /// Where the directory goes before it is removed, so that a removal cut short is never taken for a server.
    pub fn trash(&self) -> PathBuf {
        self.dir.with_extension("gone")
    }
}

/// The folder of all servers.
pub fn servers(state_path: &Path) -> PathBuf {
    state_path.join("servers")
}

/// Refuses a state folder whose sockets could not be bound, or whose name QEMU cannot be given.
///
/// # Errors
/// `Unsupported`, saying by how much it is too long, or which characters are in the way.
pub fn check_path(state_path: &Path) -> Result<()> {
    let plain = |text: &str| !text.chars().any(char::is_control);
    if !state_path.to_str().is_some_and(plain) {
        let what =
            format!("the state path {state_path:?}: it has control characters or is no UTF-8");
        return Err(DriverError::Unsupported { what });
    }
    let longest = servers(state_path).as_os_str().len()
        + "/00000000-0000-0000-0000-000000000000/serial".len();
    if longest > SOCKET_PATH {
        let what = format!(
            "a state path as long as {}: use one {} bytes shorter",
            state_path.display(),
            longest - SOCKET_PATH
        );
        return Err(DriverError::Unsupported { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_name_directories() {
        assert!(Layout::new(Path::new("/s"), "../../etc").is_err());
        let layout = Layout::new(Path::new("/s"), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        assert_eq!(
            layout.root_disk(),
            Path::new("/s/servers/0d7b1a2c-6a3e-4f0e-9f41-000000000001/disk.qcow2")
        );
    }

    #[test]
    fn a_state_path_that_sockets_or_qemu_cannot_take_is_refused_at_once() {
        assert!(check_path(Path::new("/var/lib/kilonova")).is_ok());
        assert!(check_path(Path::new("/with, comma and space")).is_ok());
        assert!(check_path(&Path::new("/").join("x".repeat(80))).is_err());
        assert!(check_path(Path::new("/line\nbreak")).is_err());
    }
}
