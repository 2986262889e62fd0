//! What only some hypervisors can do: one trait each, reached through [`crate::Driver`].

use std::path::Path;

use async_trait::async_trait;

use crate::{
    DiskPlace, Endpoint, GuestDiagnostics, GuestFacts, Nic, Result, ServerSpec, SnapshotFacts,
    StopHow, Volume,
};

/// Freeze a guest in memory.
#[async_trait]
pub trait Pause: Send + Sync {
    /// Stops the guest's processors. Pausing a paused guest is success.
    ///
    /// # Errors
    /// `Busy` when it does not run at all, `NotFound` when unknown.
    async fn pause(&self, id: &str, epoch: u64) -> Result<GuestFacts>;

    /// Lets them go on. A running guest is success.
    async fn unpause(&self, id: &str, epoch: u64) -> Result<GuestFacts>;
}

/// Save a guest's memory to disk and end it.
#[async_trait]
pub trait Suspend: Send + Sync {
    /// Suspending a suspended server is success.
    ///
    /// # Errors
    /// `Busy` when it does not run.
    async fn suspend(&self, id: &str, epoch: u64) -> Result<GuestFacts>;

    /// Continues where [`Suspend::suspend`] left off. A running guest is success; one that is neither is `Busy`.
    async fn resume(&self, id: &str, epoch: u64) -> Result<GuestFacts>;
}

/// Look at a guest and type into it.
#[async_trait]
pub trait Console: Send + Sync {
    /// The VNC server of a running guest.
    ///
    /// # Errors
    /// `Busy` when it does not run.
    async fn vnc(&self, id: &str) -> Result<Endpoint>;

    /// The first serial line of a running guest; one reader at a time.
    async fn serial(&self, id: &str) -> Result<Endpoint>;

    /// The last `max_bytes` of what the guest wrote to its serial line, also after it stopped. Empty when nothing was.
    async fn log_tail(&self, id: &str, max_bytes: usize) -> Result<Vec<u8>>;
}

/// Whether the agent in a guest holds its file systems still at the moment that a copy of its disk shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quiesce {
    #[default]
    No,
    /// If it can.
    Try,
    /// Without that there is no copy. The disk of a guest that does not run is still.
    Require,
}

/// Copy a server's root disk into an image file.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Writes a self-contained qcow2 (no backing file) to `target`, live when the guest runs. `target` appears whole
    /// or not at all; an existing file is replaced.
    ///
    /// # Errors
    /// `GuestAgent` when file systems must be still and are not, and when the agent does not let them go on afterwards.
    async fn export(
        &self,
        id: &str,
        epoch: u64,
        target: &Path,
        quiesce: Quiesce,
    ) -> Result<SnapshotFacts>;
}

/// Ask the agent inside a guest, of servers whose hardware has its port.
#[async_trait]
pub trait GuestAgent: Send + Sync {
    /// Gives a user of the guest another password.
    ///
    /// # Errors
    /// `Busy` when the guest does not run; `GuestAgent` when its agent does not answer in time, or refuses.
    async fn set_password(
        &self,
        id: &str,
        epoch: u64,
        user: &str,
        password: &str,
    ) -> Result<GuestFacts>;
}

/// Which of the commands about single devices of one server this is. One that a dead process left on its way may come after
/// those that followed it: within an epoch, a smaller number than the last that was carried out answers `StaleCommand` and
/// changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCommand {
    pub epoch: u64,
    pub number: u64,
}

impl DeviceCommand {
    /// The first of an epoch.
    pub fn first(epoch: u64) -> Self {
        Self { epoch, number: 0 }
    }
}

/// Plug network cards into a server, running or not; the kept description changes with it.
#[async_trait]
pub trait HotplugNic: Send + Sync {
    /// A card with the same port is success.
    async fn attach_nic(&self, id: &str, command: DeviceCommand, nic: &Nic) -> Result<()>;

    /// Removes the card of the port; none is success. Waits until the guest let go of it.
    async fn detach_nic(&self, id: &str, command: DeviceCommand, port_id: &str) -> Result<()>;
}

/// Plug volumes into a server, running or not; the kept description changes with it. What the volume holds is never
/// touched.
#[async_trait]
pub trait HotplugVolume: Send + Sync {
    /// A volume that the server has already is success.
    ///
    /// # Errors
    /// `BadSpec` when the volume's file may not be opened, `Unsupported` for a bus without room or without hot plug.
    async fn attach_volume(&self, id: &str, command: DeviceCommand, volume: &Volume) -> Result<()>;

    /// Takes the volume; a server that does not have it is success. When this returns, the guest let go of it, what it had
    /// written is with the volume, and nothing here has the volume open.
    ///
    /// # Errors
    /// A guest that does not let go in time keeps the volume, and so does the description.
    async fn detach_volume(&self, id: &str, command: DeviceCommand, volume_id: &str) -> Result<()>;

    /// Shows a running guest the size that the volume has by now. One that does not run sees it when it starts.
    ///
    /// # Errors
    /// `BadSpec` when the server does not have the volume.
    async fn resize_volume(&self, id: &str, volume_id: &str) -> Result<()>;
}

/// How far a volume is that takes the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// The guest has the old one, and nothing is copied.
    Idle,
    /// Bytes that were copied, of those that are to be. The total grows while the guest writes.
    Copying { copied: u64, total: u64 },
    /// Both hold the same, and what the guest writes goes to both before it counts as written.
    Ready,
    /// The guest has the new one.
    Switched,
}

/// Have another volume take the place of one that a running guest has. For the guest the device stays what it is, its serial
/// number included: the new description has the id of the old one, and another source.
///
/// All verbs tell how it stands, whoever began it, also after a restart of the driver. A guest that ended has the old
/// volume, and the copy begins anew.
#[async_trait]
pub trait ReplaceVolume: Send + Sync {
    /// How far it is; nothing begins or ends, but a switch that was decided and cut short is done. A copy to a file that is
    /// not the one at the path of `new` any more is none.
    ///
    /// # Errors
    /// `BadSpec` when the server does not have a volume with this id; `Busy` while a copy is about to end; `Hypervisor` when
    /// the copy failed. It is then gone: the next [`ReplaceVolume::copy_volume`] begins anew.
    async fn look_at_copy(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing>;

    /// Begins to copy what the volume holds to the source of `new`, unless that is under way or done. The guest runs on.
    ///
    /// # Errors
    /// As [`ReplaceVolume::look_at_copy`]; `BadSpec` for a source that is smaller; `Unsupported` for a guest that does not run,
    /// and for a volume that it only reads.
    async fn copy_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing>;

    /// The guest has the new volume from now on, and nothing here has the old one open. Where the copy is not `Ready`,
    /// nothing happens. `Idle`: the guest did not take the new one, keeps the old one, and the copy is gone. The host has it
    /// on its disk which one the guest has before the guest writes to the new one alone.
    ///
    /// # Errors
    /// As [`ReplaceVolume::look_at_copy`].
    async fn switch_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing>;

    /// Ends a copy: the guest keeps the old volume, and nothing here has the new one open. Where the guest has the new one,
    /// nothing happens.
    ///
    /// # Errors
    /// `BadSpec` when the server does not have a volume with this id.
    async fn keep_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing>;
}

/// Give a server another size, for good or not: until it is confirmed, its local disks can come back as they were.
#[async_trait]
pub trait Resize: Send + Sync {
    /// Stops the guest, keeps what its local disks hold, gives it the size of the new description, and starts it again if
    /// `run`. Repeating it with one epoch keeps what was kept first; another epoch gives up what was kept before.
    ///
    /// # Errors
    /// `NotFound` when unknown. What was kept stays kept: [`Resize::revert_resize`] takes all of it back.
    async fn resize(&self, spec: &ServerSpec, how: StopHow, run: bool) -> Result<GuestFacts>;

    /// What was kept goes, while the guest runs or not. Nothing kept is success.
    async fn confirm_resize(&self, id: &str, epoch: u64) -> Result<GuestFacts>;

    /// Stops the guest, takes its local disks back to what was kept, gives it the size of this description, and starts it
    /// again if `run`. Where nothing was kept, a guest of this size that runs goes on.
    ///
    /// # Errors
    /// `BadSpec` where nothing was kept and the guest has another size: what was confirmed is not taken back.
    async fn revert_resize(&self, spec: &ServerSpec, how: StopHow, run: bool)
    -> Result<GuestFacts>;
}

/// Make a guest's kernel write what it was doing.
#[async_trait]
pub trait CrashDump: Send + Sync {
    /// Sends the guest a non-maskable interrupt; what that makes of it is the guest's own choice.
    ///
    /// # Errors
    /// `Busy` when it does not run.
    async fn crash_dump(&self, id: &str, epoch: u64) -> Result<GuestFacts>;
}

/// Say where a guest finds its disks.
#[async_trait]
pub trait DiskPlaces: Send + Sync {
    /// The places of the disks with tags in a guest that is started by this description, in the order of the guest's
    /// disks. Nothing is made or started: what a config drive tells must be known before.
    ///
    /// # Errors
    /// As those of a start that cannot be, for what the description alone shows.
    async fn disk_places(&self, spec: &ServerSpec) -> Result<Vec<DiskPlace>>;
}

/// Counters of a running guest.
#[async_trait]
pub trait Diagnostics: Send + Sync {
    async fn diagnostics(&self, id: &str) -> Result<GuestDiagnostics>;
}
