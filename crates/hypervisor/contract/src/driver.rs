//! The core trait that every hypervisor driver implements.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::ability::{
    Console, CrashDump, Diagnostics, DiskPlaces, GuestAgent, HotplugNic, HotplugVolume, Pause,
    ReplaceVolume, Resize, Snapshot, Suspend,
};
use crate::{GuestEvent, GuestFacts, HostFacts, Result, ServerSpec};

/// How a running guest is brought down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopHow {
    /// Ask the guest (ACPI power button) and wait this long before the power is cut.
    Graceful { timeout: Duration },
    /// Cut the power.
    Hard,
}

/// What stays when a server goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    Nothing,
    /// The disks and the description stay (shelving, moving, evacuation towards shared storage).
    Disks,
}

/// The two kinds of reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reboot {
    /// Ask the guest to go down, start it again; power is cut when it has not obeyed after `timeout`.
    Soft { timeout: Duration },
    /// Cut the power, rebuild from the description, start.
    Hard,
}

/// A hypervisor on one host. Shared as `Arc<dyn Driver>`; calls for different servers run at once, calls for one
/// server are taken one after the other.
#[async_trait]
pub trait Driver: Send + Sync {
    /// `qemu`, `fake`, ...: for logs and settings.
    fn name(&self) -> &'static str;

    /// What the machine offers now. Cheap enough for a periodic report.
    async fn host_facts(&self) -> Result<HostFacts>;

    /// Makes the server run as described: creates what is missing (directory, disks, config drive), grows disks that
    /// are too small, starts the guest. A guest that already runs is left alone (a paused one stays paused, a
    /// suspended one is resumed), the description is kept for the next start. Returns when the guest executes.
    ///
    /// # Errors
    /// After any error a server that was new on this host has left nothing behind; one that existed keeps its disks.
    async fn ensure_running(&self, spec: &ServerSpec) -> Result<GuestFacts>;

    /// Makes the server not run; its disks stay. A suspended server loses its saved memory. Stopping a stopped server
    /// is success.
    ///
    /// # Errors
    /// `NotFound` when the host does not know the server.
    async fn ensure_stopped(&self, id: &str, epoch: u64, how: StopHow) -> Result<GuestFacts>;

    /// Makes the server be gone from this host. An unknown server is success, and remembered: a command with an older
    /// epoch that comes later is refused. With [`Keep::Nothing`] it does not wait for a guest that another command
    /// asked to shut down; that command cuts the power and ends as usual.
    async fn ensure_gone(&self, id: &str, epoch: u64, keep: Keep) -> Result<()>;

    /// Restarts the guest. A server that is not running is started (Nova's hard reboot does so); a paused one is
    /// running afterwards.
    async fn reboot(&self, spec: &ServerSpec, how: Reboot) -> Result<GuestFacts>;

    /// One server, or None when this host does not know it.
    async fn inspect(&self, id: &str) -> Result<Option<GuestFacts>>;

    /// The description this host keeps of a server, for an agent that lost its own picture.
    async fn spec(&self, id: &str) -> Result<Option<ServerSpec>>;

    /// Every server that this host knows, running or not, sorted by id. One whose own record is damaged is there too, with
    /// `NoState`, epoch 0 and no name: only `ensure_gone` and `ensure_stopped` do anything with it. A guest that lives and
    /// does not answer is `NoState` as well, never `Shutdown`.
    async fn list(&self) -> Result<Vec<GuestFacts>>;

    /// Every file made elsewhere that servers of this host need: base images, kernels, ramdisks. Also of servers
    /// whose disks alone are here. What is not named may be removed, so a driver that does not know fails.
    async fn files_in_use(&self) -> Result<BTreeSet<PathBuf>>;

    /// Changes from now on. A receiver that lags must `list()` again.
    fn events(&self) -> broadcast::Receiver<GuestEvent>;

    fn pause(&self) -> Option<&dyn Pause> {
        None
    }

    fn suspend(&self) -> Option<&dyn Suspend> {
        None
    }

    fn console(&self) -> Option<&dyn Console> {
        None
    }

    fn snapshot(&self) -> Option<&dyn Snapshot> {
        None
    }

    fn guest_agent(&self) -> Option<&dyn GuestAgent> {
        None
    }

    fn hotplug_nic(&self) -> Option<&dyn HotplugNic> {
        None
    }

    fn hotplug_volume(&self) -> Option<&dyn HotplugVolume> {
        None
    }

    fn replace_volume(&self) -> Option<&dyn ReplaceVolume> {
        None
    }

    fn resize(&self) -> Option<&dyn Resize> {
        None
    }

    fn crash_dump(&self) -> Option<&dyn CrashDump> {
        None
    }

    fn diagnostics(&self) -> Option<&dyn Diagnostics> {
        None
    }

    fn disk_places(&self) -> Option<&dyn DiskPlaces> {
        None
    }
}
