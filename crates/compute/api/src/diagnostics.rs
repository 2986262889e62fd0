//! Counters of running guests.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::servers::diagnostics;
use compute_model::diagnostics::{
    CpuDetails, DiskDetails, GuestDiagnostics, MemoryDetails, NicDetails,
};
use microversion::{Version, Versioned};
use serde::Serialize;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

/// From here on in a form that is the same for all hypervisors.
const STANDARD: Version = Version::new(2, 48);

/// `GET …/diagnostics`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let id = call.path("server_id");
    let found = diagnostics::show(&api.control, &call.cx, id).await?;
    match call.version.at_least(STANDARD) {
        true => call.render(&view(&found)),
        false => Ok(Answer::of(&old(&found))),
    }
}

/// The flat form of before, with the names of libvirt's driver. -1 where libvirt cannot count either.
fn old(found: &GuestDiagnostics) -> BTreeMap<String, i64> {
    let number = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    let mut flat = BTreeMap::new();
    let mut put = |name: String, count: Option<u64>| {
        flat.insert(name, number(count).unwrap_or(-1));
    };
    for (at, cpu) in found.cpu_details.iter().enumerate() {
        put(format!("cpu{at}_time"), cpu.time);
    }
    let kib = |mib: Option<u64>| mib.and_then(|mib| mib.checked_mul(1024));
    put("memory".to_owned(), kib(found.memory_details.maximum));
    put("memory-rss".to_owned(), kib(found.memory_details.used));
    for (letter, disk) in ('a'..='z').zip(&found.disk_details) {
        put(format!("vd{letter}_read"), disk.read_bytes);
        put(format!("vd{letter}_read_req"), disk.read_requests);
        put(format!("vd{letter}_write"), disk.write_bytes);
        put(format!("vd{letter}_write_req"), disk.write_requests);
        put(format!("vd{letter}_errors"), disk.errors_count);
    }
    for (at, nic) in found.nic_details.iter().enumerate() {
        put(format!("vnet{at}_rx"), nic.rx_octets);
        put(format!("vnet{at}_rx_drop"), nic.rx_drop);
        put(format!("vnet{at}_rx_errors"), nic.rx_errors);
        put(format!("vnet{at}_rx_packets"), nic.rx_packets);
        put(format!("vnet{at}_tx"), nic.tx_octets);
        put(format!("vnet{at}_tx_drop"), nic.tx_drop);
        put(format!("vnet{at}_tx_errors"), nic.tx_errors);
        put(format!("vnet{at}_tx_packets"), nic.tx_packets);
    }
    flat
}

fn view(found: &GuestDiagnostics) -> DiagnosticsView<'_> {
    DiagnosticsView {
        state: &found.state,
        driver: &found.driver,
        hypervisor: &found.hypervisor,
        hypervisor_os: &found.hypervisor_os,
        uptime: found.uptime,
        config_drive: found.config_drive,
        num_cpus: found.num_cpus,
        num_nics: found.num_nics,
        num_disks: found.num_disks,
        memory_details: Memory::from(&found.memory_details),
        cpu_details: found.cpu_details.iter().map(Cpu::from).collect(),
        nic_details: found.nic_details.iter().map(Card::from).collect(),
        disk_details: found.disk_details.iter().map(Disk::from).collect(),
    }
}

/// Null is unknown.
#[derive(Serialize, Versioned)]
pub struct DiagnosticsView<'v> {
    pub state: &'v str,
    pub driver: &'v str,
    pub hypervisor: &'v str,
    pub hypervisor_os: &'v str,
    /// Seconds.
    pub uptime: Option<u64>,
    pub config_drive: bool,
    pub num_cpus: u32,
    pub num_nics: u32,
    pub num_disks: u32,
    pub memory_details: Memory,
    pub cpu_details: Vec<Cpu>,
    pub nic_details: Vec<Card<'v>>,
    pub disk_details: Vec<Disk>,
}

/// MiB.
#[derive(Serialize, Versioned)]
pub struct Memory {
    pub maximum: Option<u64>,
    pub used: Option<u64>,
}

impl From<&MemoryDetails> for Memory {
    fn from(found: &MemoryDetails) -> Self {
        Memory {
            maximum: found.maximum,
            used: found.used,
        }
    }
}

#[derive(Serialize, Versioned)]
pub struct Cpu {
    pub id: Option<u32>,
    /// Nanoseconds.
    pub time: Option<u64>,
    /// Percent.
    pub utilisation: Option<u32>,
}

impl From<&CpuDetails> for Cpu {
    fn from(found: &CpuDetails) -> Self {
        Cpu {
            id: found.id,
            time: found.time,
            utilisation: found.utilisation,
        }
    }
}

#[derive(Serialize, Versioned)]
pub struct Card<'v> {
    pub mac_address: &'v str,
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

impl<'v> From<&'v NicDetails> for Card<'v> {
    fn from(found: &'v NicDetails) -> Self {
        Card {
            mac_address: &found.mac_address,
            rx_octets: found.rx_octets,
            rx_errors: found.rx_errors,
            rx_drop: found.rx_drop,
            rx_packets: found.rx_packets,
            rx_rate: found.rx_rate,
            tx_octets: found.tx_octets,
            tx_errors: found.tx_errors,
            tx_drop: found.tx_drop,
            tx_packets: found.tx_packets,
            tx_rate: found.tx_rate,
        }
    }
}

#[derive(Serialize, Versioned)]
pub struct Disk {
    pub read_bytes: Option<u64>,
    pub read_requests: Option<u64>,
    pub write_bytes: Option<u64>,
    pub write_requests: Option<u64>,
    pub errors_count: Option<u64>,
}

impl From<&DiskDetails> for Disk {
    fn from(found: &DiskDetails) -> Self {
        Disk {
            read_bytes: found.read_bytes,
            read_requests: found.read_requests,
            write_bytes: found.write_bytes,
            write_requests: found.write_requests,
            errors_count: found.errors_count,
        }
    }
}
