//! Settings of one simulated host.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Verb;

/// One simulated host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FakeSettings {
    /// Name that the host shows as its hypervisor.
    pub hostname: String,
    /// Capacity; the defaults are those of Nova's own fake driver.
    pub vcpus: u32,
    /// MiB.
    pub memory_mb: u64,
    /// GiB.
    pub disk_gb: u64,
    /// Refuse guests that do not fit into the capacity. Off: the scheduler's claims decide, as on a real host.
    pub refuse_overcommit: bool,
    /// More traits to show, e.g. `CUSTOM_GOLD`.
    pub traits: Vec<String>,
    /// Guests are kept here and survive the process; none keeps them in memory alone.
    pub state_dir: Option<PathBuf>,
    /// `host:port` of a VNC server that every guest shows; none: guests have no screen.
    pub vnc_server: Option<String>,
    pub latencies: Latencies,
    pub faults: Faults,
}

impl Default for FakeSettings {
    fn default() -> Self {
        Self {
            hostname: "fake-host".to_owned(),
            vcpus: 1000,
            memory_mb: 800_000,
            disk_gb: 600_000,
            refuse_overcommit: false,
            traits: Vec::new(),
            state_dir: None,
            vnc_server: None,
            latencies: Latencies::default(),
            faults: Faults::default(),
        }
    }
}

/// How long verbs take, in milliseconds. All zero: as fast as the machine can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latencies {
    /// Starting a guest, also by reboot and resume.
    pub start_ms: u64,
    /// Stopping one, also by suspend.
    pub stop_ms: u64,
    /// Removing one.
    pub gone_ms: u64,
    /// Exporting a snapshot.
    pub snapshot_ms: u64,
    /// Everything else.
    pub other_ms: u64,
}

/// What goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Guests whose name matches this regular expression do not start.
    pub fail_start_of: Option<String>,
    /// Running guests whose name matches take no volume.
    pub fail_attach_volume_of: Option<String>,
    /// Running guests whose name matches do not let go of a volume.
    pub keep_volume_of: Option<String>,
    /// Copies of volumes of running guests whose name matches fail.
    pub fail_copy_of: Option<String>,
    /// Copies of volumes of running guests whose name matches come to no end.
    pub slow_copy_of: Option<String>,
    /// Running guests whose name matches do not switch to a copy that is ready, and keep the volume that they have.
    pub fail_switch_of: Option<String>,
    /// Guests whose name matches lose their disks when they stop, and cannot start again.
    pub lose_disk_of: Option<String>,
    /// Guests whose name matches ignore the power button: a graceful stop takes all of its time.
    pub ignore_shutdown_of: Option<String>,
    /// Guests whose name matches crash this many milliseconds after they started.
    pub crash_of: Option<String>,
    pub crash_after_ms: u64,
    /// Single calls that fail.
    pub fail_calls: Vec<FailCall>,
    /// Calls of these verbs stand still for as long as they are named here, as on a host that looks dead, and go on
    /// afterwards.
    pub hold_calls: Vec<Verb>,
}

/// The `nth` call (from 1) of this verb fails as if the hypervisor did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailCall {
    pub verb: Verb,
    pub nth: u64,
}
