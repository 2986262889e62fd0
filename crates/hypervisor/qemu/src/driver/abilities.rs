//! Pausing, consoles, diagnostics.

use async_trait::async_trait;
use chrono::Utc;
use hypervisor::{
    Cause, Console, CpuDetails, CrashDump, Diagnostics, DiskDetails, DriverError, Endpoint,
    EventKind, GuestDiagnostics, GuestFacts, MemoryDetails, Nic, NicDetails, Pause, PowerState,
    Result,
};
use serde_json::{Value, json};

use super::{QemuDriver, busy};
use crate::guest::Guest;
use crate::probe::Accel;
use crate::qmp::During;
use crate::{console_log, record, tap};

/// Ticks of process times in a second on Linux.
const TICKS: u64 = 100;

impl QemuDriver {
    async fn switch(&self, id: &str, epoch: u64, to: PowerState) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut known = host.admitted(&layout, epoch)?;
        let Some(guest) = host.reach(&layout).await? else {
            record::write(&layout, &known)?;
            return Err(busy(id, "it does not run"));
        };
        if guest.power().await != to {
            let _commanding = guest.qmp.commanding();
            let (command, event) = match to {
                PowerState::Paused => ("stop", EventKind::Paused),
                _ => ("cont", EventKind::Resumed),
            };
            guest
                .qmp
                .execute(command, json!({}))
                .await
                .map_err(|error| error.during(command))?;
            host.emit(id, event, Cause::Command, None);
        }
        known.take(to);
        record::write(&layout, &known)?; // with the command's epoch
        Ok(host.facts(&layout, &known).await)
    }

    /// The socket of a running guest.
    fn endpoint(&self, id: &str, path: std::path::PathBuf) -> Result<Endpoint> {
        self.host.known(&self.host.layout(id)?)?;
        match self.host.guest(id) {
            Some(_) => Ok(Endpoint::Unix(path)),
            None => Err(busy(id, "it does not run")),
        }
    }
}

#[async_trait]
impl Pause for QemuDriver {
    async fn pause(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        self.switch(id, epoch, PowerState::Paused).await
    }

    async fn unpause(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        self.switch(id, epoch, PowerState::Running).await
    }
}

#[async_trait]
impl CrashDump for QemuDriver {
    async fn crash_dump(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let known = host.admitted(&layout, epoch)?;
        record::write(&layout, &known)?;
        let Some(guest) = host.reach(&layout).await? else {
            return Err(busy(id, "it does not run"));
        };
        let told = guest.qmp.execute("inject-nmi", json!({})).await;
        told.map_err(|error| error.during("inject-nmi"))?;
        Ok(host.facts(&layout, &known).await)
    }
}

#[async_trait]
impl Console for QemuDriver {
    async fn vnc(&self, id: &str) -> Result<Endpoint> {
        self.endpoint(id, self.host.layout(id)?.vnc())
    }

    async fn serial(&self, id: &str) -> Result<Endpoint> {
        self.endpoint(id, self.host.layout(id)?.serial())
    }

    async fn log_tail(&self, id: &str, max_bytes: usize) -> Result<Vec<u8>> {
        let layout = self.host.layout(id)?;
        self.host.known(&layout)?;
        console_log::tail(&layout, max_bytes as u64)
            .map_err(DriverError::io("read the console log"))
    }
}

#[async_trait]
impl Diagnostics for QemuDriver {
    async fn diagnostics(&self, id: &str) -> Result<GuestDiagnostics> {
        let layout = self.host.layout(id)?;
        let known = self.host.known(&layout)?;
        let guest = self.host.guest(id);
        let power = self.host.facts(&layout, &known).await.power_state;
        let spec = &known.spec;
        let disks = usize::from(spec.root_disk.is_some())
            + spec.ephemeral.len()
            + spec.volumes.len()
            + usize::from(spec.swap_mb > 0);
        let disk_details = match &guest {
            Some(guest) => disk_details(guest).await,
            None => Vec::new(),
        };
        let cpu_details = match &guest {
            Some(guest) => cpu_details(guest).await,
            None => Vec::new(),
        };
        let alive = guest.is_some();
        Ok(GuestDiagnostics {
            state: power.as_str().to_owned(),
            // The API's own list knows no other name for QEMU guests.
            driver: "libvirt".to_owned(),
            hypervisor: if self.host.probe.accel == Accel::Kvm {
                "kvm"
            } else {
                "qemu"
            }
            .to_owned(),
            hypervisor_os: std::env::consts::OS.to_owned(),
            uptime: alive.then(|| {
                (Utc::now() - known.since)
                    .num_seconds()
                    .max(0)
                    .unsigned_abs()
            }),
            config_drive: spec.config_drive.is_some(),
            num_cpus: spec.vcpus,
            num_nics: u32::try_from(spec.nics.len()).unwrap_or(u32::MAX),
            num_disks: u32::try_from(disks).unwrap_or(u32::MAX),
            memory_details: MemoryDetails {
                maximum: Some(spec.memory_mb),
                used: guest.and_then(|guest| resident_mb(guest.process.pid)),
            },
            cpu_details,
            nic_details: spec
                .nics
                .iter()
                .map(|nic| nic_details(nic, alive))
                .collect(),
            disk_details,
        })
    }
}

/// What a guest receives, its tap sends, and the other way round.
fn nic_details(nic: &Nic, alive: bool) -> NicDetails {
    let counters = nic.tap.as_ref().filter(|_| alive).and_then(tap::counters);
    let (tx, rx) = counters.map_or((None, None), |(tap_rx, tap_tx)| {
        (Some(tap_rx), Some(tap_tx))
    });
    let pick = |four: Option<[u64; 4]>, number: usize| four.map(|four| four[number]);
    NicDetails {
        mac_address: nic.mac.clone(),
        rx_octets: pick(rx, 0),
        rx_packets: pick(rx, 1),
        rx_errors: pick(rx, 2),
        rx_drop: pick(rx, 3),
        rx_rate: None,
        tx_octets: pick(tx, 0),
        tx_packets: pick(tx, 1),
        tx_errors: pick(tx, 2),
        tx_drop: pick(tx, 3),
        tx_rate: None,
    }
}

async fn disk_details(guest: &Guest) -> Vec<DiskDetails> {
    let Ok(stats) = guest.qmp.execute("query-blockstats", json!({})).await else {
        return Vec::new();
    };
    let disks = stats.as_array().map(Vec::as_slice).unwrap_or_default();
    let details = |disk: &Value| {
        let number = |key: &str| {
            disk.get("stats")
                .and_then(|stats| stats.get(key))
                .and_then(Value::as_u64)
        };
        DiskDetails {
            read_bytes: number("rd_bytes"),
            read_requests: number("rd_operations"),
            write_bytes: number("wr_bytes"),
            write_requests: number("wr_operations"),
            errors_count: number("failed_rd_operations")
                .zip(number("failed_wr_operations"))
                .map(|(a, b)| a + b),
        }
    };
    // Firmware has block devices too; the guest's disks are those with a device name of ours.
    let ours = |disk: &&Value| {
        disk.get("qdev")
            .and_then(Value::as_str)
            .is_some_and(|path| path.contains("disk-"))
    };
    let config = |disk: &&Value| {
        disk.get("qdev")
            .and_then(Value::as_str)
            .is_some_and(|path| path.contains("disk-config"))
    };
    disks
        .iter()
        .filter(ours)
        .filter(|disk| !config(disk))
        .map(details)
        .collect()
}

async fn cpu_details(guest: &Guest) -> Vec<CpuDetails> {
    let Ok(cpus) = guest.qmp.execute("query-cpus-fast", json!({})).await else {
        return Vec::new();
    };
    let cpus = cpus.as_array().map(Vec::as_slice).unwrap_or_default();
    let details = |cpu: &Value| {
        let thread = cpu.get("thread-id").and_then(Value::as_u64);
        CpuDetails {
            id: cpu
                .get("cpu-index")
                .and_then(Value::as_u64)
                .and_then(|id| u32::try_from(id).ok()),
            time: thread.and_then(|thread| thread_time(guest.process.pid, thread)),
            utilisation: None,
        }
    };
    cpus.iter().map(details).collect()
}

/// A thread by the number that it has in the guest's own process table.
fn task_of(pid: u32, inner: u64) -> Option<std::path::PathBuf> {
    let known_as = |task: &std::path::Path| {
        let status = std::fs::read_to_string(task.join("status")).ok()?;
        let numbers = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))?;
        numbers.split_whitespace().last()?.parse::<u64>().ok()
    };
    let mut tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .ok()?
        .flatten();
    tasks
        .find(|task| known_as(&task.path()) == Some(inner))
        .map(|task| task.path())
}

/// Nanoseconds a thread has run. Emulation runs all processors of a guest in threads of their own too.
fn thread_time(pid: u32, thread: u64) -> Option<u64> {
    let stat = std::fs::read_to_string(task_of(pid, thread)?.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * (1_000_000_000 / TICKS))
}

fn resident_mb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kb| kb / 1024)
}
