//! The contract between the agent and whatever runs guests.
//!
//! A [`Driver`] is told what must be true of one server (*ensure running, stopped, gone*) with one complete
//! [`ServerSpec`]; it answers with facts ([`GuestFacts`], [`HostFacts`]) and reports what happens on its own as
//! [`GuestEvent`]s. It never sees database rows or API types. What only some hypervisors can do is an ability trait
//! reached through the driver (`driver.pause() -> Option<&dyn Pause>`): an ability one lacks cannot be called.
//!
//! Promises every driver keeps, checked by the shared `suite`:
//! - every verb is idempotent: repeating it is harmless;
//! - every verb that changes a server carries an epoch; one older than the last seen answers
//!   [`DriverError::StaleEpoch`] and changes nothing, and so does an older [`DeviceCommand`] of the same epoch;
//! - a failed `ensure_running` of a new server leaves nothing behind;
//! - guests outlive the driver object, and a new driver on the same state finds them.

pub mod ability;
pub mod driver;
pub mod error;
pub mod facts;
pub mod guard;
pub mod qcow2;
pub mod spec;
#[cfg(feature = "suite")]
pub mod suite;

pub use compute_model::diagnostics::{
    CpuDetails, DiskDetails, GuestDiagnostics, MemoryDetails, NicDetails,
};
pub use compute_model::disk_device::{DiskDevice, DiskPlace, PlaceBus};
pub use compute_model::guest_hardware::{DiskLimits, GuestHardware, Random, Rates, Topology};
pub use compute_model::hardware::{
    CommandLine, DiskBus, FileSystem, InputBus, MachineType, NicModel, UsbModel, VideoModel,
    WatchdogAction, quoted,
};
pub use compute_model::volume::{Iscsi, Nbd, Rbd, Secret, key_of_keyring};
pub use compute_model::volume_limits::VolumeLimits;

pub use ability::{
    Console, CrashDump, DeviceCommand, Diagnostics, DiskPlaces, GuestAgent, HotplugNic,
    HotplugVolume, Pause, Quiesce, ReplaceVolume, Replacing, Resize, Snapshot, Suspend,
};
pub use driver::{Driver, Keep, Reboot, StopHow};
pub use error::DriverError;
pub use facts::{
    Cause, Endpoint, EventKind, GuestEvent, GuestFacts, HostFacts, PowerState, SnapshotFacts,
    SupportedInstance,
};
pub use spec::{
    Blob, ConfigDrive, ConfigFile, CpuLimits, DirectBoot, Ephemeral, Firmware, ImageFormat,
    ImageRef, Nic, Rescue, RescueDevice, RootDisk, ServerSpec, Tap, Volume, VolumeSource, parse_id,
};

/// What the disks of a server on its host are called, by agents and drivers: in [`DiskPlace`], and by QEMU.
pub mod disk_names {
    pub use compute_model::local_disks::{ROOT, SWAP, ephemeral_name};
}

/// The result of every driver call.
pub type Result<T> = std::result::Result<T, DriverError>;
