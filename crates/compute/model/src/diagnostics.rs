//! What a host can say of a running guest: counters of its processors, memory, disks and network cards.

use serde::{Deserialize, Serialize};

/// Standardised diagnostics (API 2.48); None where the driver cannot know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuestDiagnostics {
    pub state: String,
    /// Name of the driver as the API knows it.
    pub driver: String,
    pub hypervisor: String,
    pub hypervisor_os: String,
    /// Seconds since the guest started.
    pub uptime: Option<u64>,
    pub config_drive: bool,
    pub num_cpus: u32,
    pub num_nics: u32,
    pub num_disks: u32,
    pub memory_details: MemoryDetails,
    pub cpu_details: Vec<CpuDetails>,
    pub nic_details: Vec<NicDetails>,
    pub disk_details: Vec<DiskDetails>,
}

/// MiB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryDetails {
    pub maximum: Option<u64>,
    pub used: Option<u64>,
}

/// One virtual processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuDetails {
    pub id: Option<u32>,
    /// Nanoseconds.
    pub time: Option<u64>,
    /// Percent.
    pub utilisation: Option<u32>,
}

/// Counters of one network card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NicDetails {
    pub mac_address: String,
    pub rx_octets: Option<u64>,
    pub rx_errors: Option<u64>,
    pub rx_drop: Option<u64>,
    pub rx_packets: Option<u64>,
    pub rx_rate: Option<u64>,
    pub tx_octets: Option<u64>,
    pub tx_errors: Option<u64>,
    pub tx_drop: Option<u64>,
    pub tx_packets: Option<u64>,
    pub tx_rate: Option<u64>,
}

/// Counters of one disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiskDetails {
    pub read_bytes: Option<u64>,
    pub read_requests: Option<u64>,
    pub write_bytes: Option<u64>,
    pub write_requests: Option<u64>,
    pub errors_count: Option<u64>,
}
