//! What drivers report: facts about the host, its guests, and what happened to them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// State of a guest, with Nova's numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum PowerState {
    NoState,
    Running,
    Paused,
    Shutdown,
    Crashed,
    Suspended,
}

impl PowerState {
    /// Nova's number (2 and 5 are unused there).
    pub fn number(self) -> u8 {
        match self {
            Self::NoState => 0,
            Self::Running => 1,
            Self::Paused => 3,
            Self::Shutdown => 4,
            Self::Crashed => 6,
            Self::Suspended => 7,
        }
    }

    /// The word that the diagnostics API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoState => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Shutdown => "shutdown",
            Self::Crashed => "crashed",
            Self::Suspended => "suspended",
        }
    }
}

impl From<PowerState> for u8 {
    fn from(state: PowerState) -> u8 {
        state.number()
    }
}

impl TryFrom<u8> for PowerState {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        [
            Self::NoState,
            Self::Running,
            Self::Paused,
            Self::Shutdown,
            Self::Crashed,
            Self::Suspended,
        ]
        .into_iter()
        .find(|state| state.number() == number)
        .ok_or_else(|| format!("no power state has number {number}"))
    }
}

/// One server as the driver sees it now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuestFacts {
    pub id: String,
    pub name: String,
    pub power_state: PowerState,
    /// When it took that state, as far as the driver knows.
    pub since: DateTime<Utc>,
    /// The last epoch that a command carried.
    pub epoch: u64,
    /// The process that runs it, where there is one.
    #[serde(default)]
    pub pid: Option<u32>,
    /// False when its disks are missing or were never made.
    pub has_disks: bool,
    /// Ports of the cards it has.
    #[serde(default)]
    pub port_ids: Vec<String>,
    /// What the description's `metadata` said.
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
}

/// What the machine offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `QEMU`, `fake`, ...
    pub hypervisor_type: String,
    /// major * 1,000,000 + minor * 1,000 + micro, as Nova shows it.
    pub hypervisor_version: u32,
    pub hypervisor_hostname: String,
    pub vcpus: u32,
    pub memory_mb: u64,
    /// MiB that are in use by anything on the host.
    pub memory_mb_used: u64,
    /// Size of the file system that holds the servers, GiB.
    pub disk_gb: u64,
    /// GiB free there.
    pub disk_free_gb: u64,
    /// MiB there that the memory of suspended guests takes: no server may be promised them.
    #[serde(default)]
    pub saved_memory_mb: u64,
    /// Nova's cpu_info: `{arch, model, vendor, features, topology{cells,sockets,cores,threads}}`.
    pub cpu_info: serde_json::Value,
    /// Placement traits, `COMPUTE_*` and `HW_*`.
    pub traits: BTreeSet<String>,
    pub supported_instances: Vec<SupportedInstance>,
    /// Seconds since the machine started.
    pub uptime_s: u64,
}

/// A kind of guest that the host can run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportedInstance {
    /// `x86_64`, ...
    pub arch: String,
    /// `kvm`, `qemu`, `fake`.
    pub hv_type: String,
    /// `hvm`.
    pub vm_mode: String,
}

/// Something happened to a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuestEvent {
    pub id: String,
    pub kind: EventKind,
    pub cause: Cause,
    pub at: DateTime<Utc>,
    /// For the log: exit status, panic text.
    #[serde(default)]
    pub detail: Option<String>,
}

/// Kinds of change; names as in Nova's lifecycle events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    Started,
    Stopped,
    Paused,
    Resumed,
    Suspended,
    Crashed,
}

/// Who caused an event. The agent reacts to `Guest` only: the other it asked for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A command to the driver was under way.
    Command,
    /// The guest, its process, or somebody at the host.
    Guest,
}

/// Where a console listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// A stream socket on this host.
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
    },
}

/// A finished snapshot file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// Glance disk_format.
    pub disk_format: String,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes that a guest sees.
    pub virtual_size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_states_travel_as_novas_numbers() {
        let states = [
            PowerState::NoState,
            PowerState::Running,
            PowerState::Paused,
            PowerState::Shutdown,
        ];
        assert_eq!(serde_json::to_string(&states).unwrap(), "[0,1,3,4]");
        assert_eq!(
            serde_json::from_str::<PowerState>("6").unwrap(),
            PowerState::Crashed
        );
        assert_eq!(
            serde_json::from_str::<PowerState>("7").unwrap(),
            PowerState::Suspended
        );
        assert!(serde_json::from_str::<PowerState>("2").is_err());
    }
}
