//! What only some hypervisors can do: one trait each, reached through [`crate::Driver`].

use std::path::Path;

use async_trait::async_trait;

use crate::{Endpoint, GuestDiagnostics, GuestFacts, Nic, Result, SnapshotFacts};

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

/// Copy a server's root disk into an image file.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Writes a self-contained qcow2 (no backing file) to `target`, live when the guest runs. `target` appears whole
    /// or not at all; an existing file is replaced.
    async fn export(&self, id: &str, epoch: u64, target: &Path) -> Result<SnapshotFacts>;
}

/// Plug network cards into a server, running or not; the kept description changes with it.
#[async_trait]
pub trait HotplugNic: Send + Sync {
    /// A card with the same port is success.
    async fn attach_nic(&self, id: &str, epoch: u64, nic: &Nic) -> Result<()>;

    /// Removes the card of the port; none is success. Waits until the guest let go of it.
    async fn detach_nic(&self, id: &str, epoch: u64, port_id: &str) -> Result<()>;
}

/// Counters of a running guest.
#[async_trait]
pub trait Diagnostics: Send + Sync {
    async fn diagnostics(&self, id: &str) -> Result<GuestDiagnostics>;
}
