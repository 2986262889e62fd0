//! Everything beyond the core verbs.

use std::path::Path;

use async_trait::async_trait;
use chrono::Utc;
use hypervisor::{
    Cause, Console, CpuDetails, CrashDump, DeviceCommand, Diagnostics, DiskDetails, DriverError,
    Endpoint, EventKind, GuestAgent, GuestDiagnostics, GuestFacts, HotplugNic, MemoryDetails, Nic,
    NicDetails, Pause, PowerState, Quiesce, Result, Snapshot, SnapshotFacts, Suspend,
};

use super::{FakeDriver, alive, busy};
use crate::guests::Guest;
use crate::{Verb, console};

impl FakeDriver {
    /// From one power state to another; already there is success, any other is `Busy`.
    async fn switch(&self, id: &str, epoch: u64, change: Change) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.admitted(id, epoch)?;
        let latencies = self.host.settings.latencies;
        let latency = match change.verb {
            Verb::Suspend => latencies.stop_ms,
            Verb::Resume => latencies.start_ms,
            _ => latencies.other_ms,
        };
        self.begin(change.verb, latency).await?;
        if guest.power != change.to {
            if !change.from.contains(&guest.power) {
                return Err(busy(id, &format!("it is {}", guest.power.as_str())));
            }
            guest.take(change.to);
            self.emit(id, change.event, Cause::Command, None);
        }
        let facts = guest.facts();
        self.host.guests.put(guest)?;
        Ok(facts)
    }
}

/// One kind of [`FakeDriver::switch`].
struct Change {
    verb: Verb,
    from: &'static [PowerState],
    to: PowerState,
    event: EventKind,
}

#[async_trait]
impl Pause for FakeDriver {
    async fn pause(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let (verb, event) = (Verb::Pause, EventKind::Paused);
        self.switch(
            id,
            epoch,
            Change {
                verb,
                from: &[PowerState::Running],
                to: PowerState::Paused,
                event,
            },
        )
        .await
    }

    async fn unpause(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let (verb, event) = (Verb::Unpause, EventKind::Resumed);
        self.switch(
            id,
            epoch,
            Change {
                verb,
                from: &[PowerState::Paused],
                to: PowerState::Running,
                event,
            },
        )
        .await
    }
}

#[async_trait]
impl CrashDump for FakeDriver {
    async fn crash_dump(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.admitted(id, epoch)?;
        self.begin(Verb::CrashDump, self.host.settings.latencies.other_ms)
            .await?;
        if !alive(&guest) {
            return Err(busy(id, "it does not run"));
        }
        console::append(
            &mut guest.console,
            "Uhhuh. NMI received for unknown reason\n",
        );
        let facts = guest.facts();
        self.host.guests.put(guest)?;
        Ok(facts)
    }
}

#[async_trait]
impl Suspend for FakeDriver {
    async fn suspend(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let from = &[PowerState::Running, PowerState::Paused];
        let (verb, event) = (Verb::Suspend, EventKind::Suspended);
        self.switch(
            id,
            epoch,
            Change {
                verb,
                from,
                to: PowerState::Suspended,
                event,
            },
        )
        .await
    }

    async fn resume(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let (verb, event) = (Verb::Resume, EventKind::Resumed);
        self.switch(
            id,
            epoch,
            Change {
                verb,
                from: &[PowerState::Suspended],
                to: PowerState::Running,
                event,
            },
        )
        .await
    }
}

#[async_trait]
impl Console for FakeDriver {
    async fn vnc(&self, id: &str) -> Result<Endpoint> {
        if !alive(&self.known(id)?) {
            return Err(busy(id, "it does not run"));
        }
        let unsupported = || DriverError::Unsupported {
            what: "a screen of simulated guests".to_owned(),
        };
        let server = self
            .host
            .settings
            .vnc_server
            .as_deref()
            .ok_or_else(unsupported)?;
        let (host, port) = server.rsplit_once(':').ok_or_else(unsupported)?;
        let port = port.parse().map_err(|_| unsupported())?;
        Ok(Endpoint::Tcp {
            host: host.to_owned(),
            port,
        })
    }

    async fn serial(&self, id: &str) -> Result<Endpoint> {
        self.known(id)?;
        Err(DriverError::Unsupported {
            what: "a serial line of simulated guests".to_owned(),
        })
    }

    async fn log_tail(&self, id: &str, max_bytes: usize) -> Result<Vec<u8>> {
        let log = self.known(id)?.console.into_bytes();
        Ok(log[log.len().saturating_sub(max_bytes)..].to_vec())
    }
}

#[async_trait]
impl Snapshot for FakeDriver {
    async fn export(
        &self,
        id: &str,
        epoch: u64,
        target: &Path,
        quiesce: Quiesce,
    ) -> Result<SnapshotFacts> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.admitted(id, epoch)?;
        if quiesce != Quiesce::No && alive(&guest) {
            match self
                .ask_agent(&guest, Verb::Quiesce, "hold the file systems still")
                .await
            {
                Ok(()) => guest.quiesced += 1,
                Err(error) if quiesce == Quiesce::Require => return Err(error),
                Err(_) => {}
            }
        }
        self.begin(Verb::Snapshot, self.host.settings.latencies.snapshot_ms)
            .await?;
        let root = guest.spec.root_disk.as_ref();
        let root = root.ok_or_else(|| DriverError::Unsupported {
            what: "a snapshot without a local disk".to_owned(),
        })?;
        let virtual_size = root.size_gb_or_image() << 30;
        let fail = || DriverError::io(format!("write {}", target.display()));
        let fresh = target.with_extension("part");
        let _ = tokio::fs::remove_file(&fresh).await;
        // An empty disk: a few kilobytes, so that nothing is gained by another thread.
        hypervisor::qcow2::create(&fresh, virtual_size, None).map_err(fail())?;
        let size = tokio::fs::metadata(&fresh).await.map_err(fail())?.len();
        tokio::fs::rename(&fresh, target).await.map_err(fail())?;
        self.host.guests.put(guest)?;
        Ok(SnapshotFacts {
            disk_format: "qcow2".to_owned(),
            size,
            virtual_size,
        })
    }
}

#[async_trait]
impl GuestAgent for FakeDriver {
    async fn set_password(
        &self,
        id: &str,
        epoch: u64,
        user: &str,
        password: &str,
    ) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.admitted(id, epoch)?;
        if !alive(&guest) {
            return Err(busy(id, "it does not run"));
        }
        self.ask_agent(&guest, Verb::SetPassword, "change the password")
            .await?;
        guest.passwords.insert(user.to_owned(), password.to_owned());
        let facts = guest.facts();
        self.host.guests.put(guest)?;
        Ok(facts)
    }
}

impl FakeDriver {
    /// Whether the agent in a guest does it; a verb that is to fail is one whose agent does not answer.
    async fn ask_agent(&self, guest: &Guest, verb: Verb, what: &'static str) -> Result<()> {
        let port = guest.spec.hardware.guest_agent;
        let answered = self
            .begin(verb, self.host.settings.latencies.other_ms)
            .await;
        match (port, answered) {
            (true, Ok(())) => Ok(()),
            (true, Err(_)) => Err(silent(what, "it does not answer")),
            (false, _) => Err(silent(what, "the guest has no port for it")),
        }
    }
}

fn silent(what: &'static str, why: &str) -> DriverError {
    DriverError::GuestAgent {
        what,
        why: why.to_owned(),
    }
}

#[async_trait]
impl HotplugNic for FakeDriver {
    async fn attach_nic(&self, id: &str, command: DeviceCommand, nic: &Nic) -> Result<()> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.commanded(id, command)?;
        self.begin(Verb::AttachNic, self.host.settings.latencies.other_ms)
            .await?;
        if guest
            .spec
            .nics
            .iter()
            .all(|known| known.port_id != nic.port_id)
        {
            guest.spec.nics.push(nic.clone());
        }
        self.host.guests.put(guest)
    }

    async fn detach_nic(&self, id: &str, command: DeviceCommand, port_id: &str) -> Result<()> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.commanded(id, command)?;
        self.begin(Verb::DetachNic, self.host.settings.latencies.other_ms)
            .await?;
        guest.spec.nics.retain(|nic| nic.port_id != port_id);
        self.host.guests.put(guest)
    }
}

#[async_trait]
impl Diagnostics for FakeDriver {
    async fn diagnostics(&self, id: &str) -> Result<GuestDiagnostics> {
        let guest = self.known(id)?;
        let spec = &guest.spec;
        let disks = spec.ephemeral.len()
            + spec.volumes.len()
            + usize::from(spec.root_disk.is_some())
            + usize::from(spec.swap_mb > 0);
        let uptime = alive(&guest).then(|| {
            (Utc::now() - guest.since)
                .num_seconds()
                .max(0)
                .unsigned_abs()
        });
        let nic = |nic: &Nic| NicDetails {
            mac_address: nic.mac.clone(),
            ..NicDetails::default()
        };
        let cpu = |number| CpuDetails {
            id: Some(number),
            time: Some(0),
            utilisation: Some(0),
        };
        Ok(GuestDiagnostics {
            state: guest.power.as_str().to_owned(),
            driver: "libvirt".to_owned(),
            hypervisor: "fake".to_owned(),
            hypervisor_os: std::env::consts::OS.to_owned(),
            uptime,
            config_drive: spec.config_drive.is_some(),
            num_cpus: spec.vcpus,
            num_nics: u32::try_from(spec.nics.len()).unwrap_or(u32::MAX),
            num_disks: u32::try_from(disks).unwrap_or(u32::MAX),
            memory_details: MemoryDetails {
                maximum: Some(spec.memory_mb),
                used: Some(0),
            },
            cpu_details: (0..spec.vcpus).map(cpu).collect(),
            nic_details: spec.nics.iter().map(nic).collect(),
            disk_details: vec![DiskDetails::default(); disks],
        })
    }
}
