//! The driver: the contract, played out on simulated guests.

mod abilities;
mod disk_places;
mod replace;
mod resize;
mod startable;
mod volumes;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::Utc;
use hypervisor::guard::{Graves, ServerLocks, admit, admit_device};
use hypervisor::{
    Cause, Console, CrashDump, DeviceCommand, Diagnostics, DiskPlaces, Driver, DriverError,
    EventKind, GuestAgent, GuestEvent, GuestFacts, HostFacts, HotplugNic, HotplugVolume, Keep,
    Pause, PowerState, Reboot, ReplaceVolume, Resize, Result, ServerSpec, Snapshot, StopHow,
    Suspend, parse_id,
};
use tokio::sync::broadcast;

use crate::faults::FaultBox;
use crate::guests::{Guest, Guests};
use crate::{FakeSettings, Faults, Verb, console, facts};

/// Events kept for a slow reader; it lists again when it lags more.
const EVENTS: usize = 4096;

/// One simulated host. Clones are the same host.
#[derive(Clone, Debug)]
pub struct FakeDriver {
    host: Arc<Host>,
}

#[derive(Debug)]
struct Host {
    settings: FakeSettings,
    guests: Guests,
    faults: FaultBox,
    locks: ServerLocks,
    graves: Graves,
    events: broadcast::Sender<GuestEvent>,
    started: Instant,
    /// Bytes of volumes that guests were shown last, by volume.
    sizes: Mutex<HashMap<String, u64>>,
}

impl Host {
    fn resized(&self, volume_id: &str, size: u64) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.insert(volume_id.to_owned(), size);
    }
}

impl FakeDriver {
    /// Opens the host; guests that an earlier process left in the state folder are there again.
    ///
    /// # Errors
    /// The state folder cannot be read, or a fault pattern is no regular expression.
    pub fn open(settings: FakeSettings) -> Result<Self> {
        let faults = FaultBox::default();
        faults.set(&settings.faults)?;
        let guests = Guests::open(settings.state_dir.clone())?;
        let host = Host {
            guests,
            faults,
            locks: ServerLocks::default(),
            sizes: Mutex::default(),
            graves: Graves::default(),
            events: broadcast::channel(EVENTS).0,
            started: Instant::now(),
            settings,
        };
        Ok(Self {
            host: Arc::new(host),
        })
    }

    /// Replaces what goes wrong from now on; call counts start anew.
    ///
    /// # Errors
    /// A pattern is no regular expression.
    pub fn set_faults(&self, faults: &Faults) -> Result<()> {
        self.host.faults.set(faults)
    }

    /// The guest crashes, as seen from outside.
    ///
    /// # Errors
    /// `NotFound`, or `Busy` when it does not run.
    pub async fn crash_guest(&self, id: &str) -> Result<()> {
        self.end_by_guest(
            id,
            PowerState::Crashed,
            EventKind::Crashed,
            "simulated crash",
        )
        .await
    }

    /// The guest powers itself off.
    ///
    /// # Errors
    /// `NotFound`, or `Busy` when it does not run.
    pub async fn power_off_from_inside(&self, id: &str) -> Result<()> {
        self.end_by_guest(
            id,
            PowerState::Shutdown,
            EventKind::Stopped,
            "power-off from inside",
        )
        .await
    }

    /// What the password of a guest's user was changed to.
    pub fn password(&self, id: &str, user: &str) -> Option<String> {
        let guest = self.host.guests.present(id)?;
        guest.passwords.get(user).cloned()
    }

    /// How often a guest's file systems were held still.
    pub fn quiesced(&self, id: &str) -> u32 {
        self.host
            .guests
            .present(id)
            .map_or(0, |guest| guest.quiesced)
    }

    /// The machine loses its power: what ran does not run any more, and nobody hears of it.
    ///
    /// # Errors
    /// A guest's file cannot be written.
    pub async fn cut_power(&self) -> Result<()> {
        for mut guest in self.host.guests.all() {
            let _held = self.host.locks.lock(&guest.spec.id).await;
            if alive(&guest) {
                guest.take(PowerState::Shutdown);
                self.host.guests.put(guest)?;
            }
        }
        Ok(())
    }

    async fn end_by_guest(
        &self,
        id: &str,
        power: PowerState,
        kind: EventKind,
        why: &str,
    ) -> Result<()> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.known(id)?;
        if !alive(&guest) {
            return Err(busy(id, "it does not run"));
        }
        guest.take(power);
        self.host.guests.put(guest)?;
        self.emit(id, kind, Cause::Guest, Some(why.to_owned()));
        Ok(())
    }

    /// Refuses a guest of which only the id is known.
    fn readable(&self, id: &str) -> Result<()> {
        match self.host.guests.is_damaged(id) {
            true => Err(DriverError::io(format!("read the file of server {id}"))(
                std::io::Error::other("it is damaged"),
            )),
            false => Ok(()),
        }
    }

    fn known(&self, id: &str) -> Result<Guest> {
        self.readable(id)?;
        self.host
            .guests
            .present(parse_id(id)?)
            .ok_or_else(|| DriverError::NotFound { id: id.to_owned() })
    }

    /// A known guest with the command's epoch taken.
    fn admitted(&self, id: &str, epoch: u64) -> Result<Guest> {
        let mut guest = self.known(id)?;
        admit(id, epoch, Some(guest.epoch))?;
        guest.epoch = epoch;
        Ok(guest)
    }

    /// A known guest with the place of a command about a device taken.
    fn commanded(&self, id: &str, command: DeviceCommand) -> Result<Guest> {
        let mut guest = self.known(id)?;
        let current = DeviceCommand {
            epoch: guest.epoch,
            number: guest.device_command,
        };
        admit_device(id, command, current)?;
        (guest.epoch, guest.device_command) = (command.epoch, command.number);
        Ok(guest)
    }

    fn emit(&self, id: &str, kind: EventKind, cause: Cause, detail: Option<String>) {
        // No receiver is no error: nobody wants to know.
        let _ = self.host.events.send(GuestEvent {
            id: id.to_owned(),
            kind,
            cause,
            at: Utc::now(),
            detail,
        });
    }

    async fn begin(&self, verb: Verb, latency_ms: u64) -> Result<()> {
        self.host.faults.count(verb)?;
        self.host.faults.pass(verb).await;
        if latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(latency_ms)).await;
        }
        Ok(())
    }

    /// Lets a guest run and keeps it.
    fn start(&self, mut guest: Guest, kind: EventKind) -> Result<GuestFacts> {
        guest.starts += 1;
        guest.away = false;
        if kind == EventKind::Started {
            let text = console::boot_text(&guest.spec.started());
            console::append(&mut guest.console, &text);
        }
        guest.take(PowerState::Running);
        let facts = guest.facts();
        let (id, name, starts) = (guest.spec.id.clone(), guest.spec.name.clone(), guest.starts);
        self.host.guests.put(guest)?;
        self.emit(&id, kind, Cause::Command, None);
        if let Some(after) = self.host.faults.crash_after(&name) {
            let driver = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                if driver
                    .host
                    .guests
                    .present(&id)
                    .is_some_and(|guest| guest.starts == starts)
                    && let Err(error) = driver.crash_guest(&id).await
                {
                    tracing::debug!(%id, %error, "the guest was gone before it could crash");
                }
            });
        }
        Ok(facts)
    }

    fn stop(&self, guest: &mut Guest) {
        if matches!(guest.power, PowerState::Running | PowerState::Paused) {
            self.emit(&guest.spec.id, EventKind::Stopped, Cause::Command, None);
        }
        guest.take(PowerState::Shutdown);
        if self.host.faults.loses_disk(&guest.spec.name) {
            guest.has_disks = false;
        }
    }
}

fn alive(guest: &Guest) -> bool {
    matches!(guest.power, PowerState::Running | PowerState::Paused)
}

fn busy(id: &str, what: &str) -> DriverError {
    DriverError::Busy {
        id: id.to_owned(),
        what: what.to_owned(),
    }
}

#[async_trait]
impl Driver for FakeDriver {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn host_facts(&self) -> Result<HostFacts> {
        let (_, memory, disk) = self.host.guests.used();
        Ok(facts::host(
            &self.host.settings,
            memory,
            (disk, self.host.guests.saved_memory_mb()),
            self.host.started.elapsed().as_secs(),
        ))
    }

    async fn ensure_running(&self, spec: &ServerSpec) -> Result<GuestFacts> {
        let id = parse_id(&spec.id)?;
        let _held = self.host.locks.lock(id).await;
        self.readable(id)?;
        let known = self.host.guests.get(id);
        admit(
            id,
            spec.epoch,
            known
                .as_ref()
                .map(|guest| guest.epoch)
                .max(self.host.graves.epoch(id)),
        )?;
        self.begin(Verb::EnsureRunning, self.host.settings.latencies.start_ms)
            .await?;
        let mut guest = known.unwrap_or_else(|| Guest::new(spec));
        guest.spec = spec.clone();
        guest.epoch = spec.epoch;
        if alive(&guest) {
            let facts = guest.facts();
            self.host.guests.put(guest)?;
            return Ok(facts);
        }
        self.check_startable(&guest)?;
        let kind = if guest.power == PowerState::Suspended {
            EventKind::Resumed
        } else {
            EventKind::Started
        };
        self.start(guest, kind)
    }

    async fn ensure_stopped(&self, id: &str, epoch: u64, how: StopHow) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(id).await;
        let mut guest = self.admitted(id, epoch)?;
        // Kept at once: a delete asks for it while the guest shuts down.
        self.host.guests.put(guest.clone())?;
        let latency = self.host.settings.latencies.stop_ms;
        match how {
            StopHow::Graceful { timeout } => {
                let most = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                let latency = match self.host.faults.ignores_shutdown(&guest.spec.name) {
                    true => most,
                    false => latency.min(most),
                };
                tokio::select! {
                    biased;
                    begun = self.begin(Verb::EnsureStopped, latency) => begun?,
                    () = self.host.locks.urgent(id) => {}
                }
            }
            StopHow::Hard => self.begin(Verb::EnsureStopped, 0).await?,
        }
        self.stop(&mut guest);
        let facts = guest.facts();
        self.host.guests.put(guest)?;
        Ok(facts)
    }

    async fn ensure_gone(&self, id: &str, epoch: u64, keep: Keep) -> Result<()> {
        let Ok(id) = parse_id(id) else { return Ok(()) };
        let buried = || self.host.graves.epoch(id);
        let known = self.host.guests.get(id);
        // A stale one must not hurry anybody.
        admit(id, epoch, known.map(|guest| guest.epoch).max(buried()))?;
        let _held = match keep {
            Keep::Nothing => self.host.locks.lock_urgently(id).await,
            Keep::Disks => self.host.locks.lock(id).await,
        };
        let known = self.host.guests.get(id);
        let current = known.as_ref().map(|guest| guest.epoch).max(buried());
        admit(id, epoch, current)?;
        self.begin(Verb::EnsureGone, self.host.settings.latencies.gone_ms)
            .await?;
        if self.host.guests.is_damaged(id) {
            if keep == Keep::Disks {
                return self.readable(id);
            }
            self.host.guests.remove(id)?;
        }
        let Some(mut guest) = known else {
            // Its build may still be fetching the image: that one must not start it any more.
            self.host.graves.bury(id, epoch);
            return Ok(());
        };
        self.stop(&mut guest);
        match keep {
            Keep::Nothing => {
                self.host.guests.remove(id)?;
                self.host.graves.bury(id, epoch);
            }
            Keep::Disks => {
                guest.away = true;
                guest.epoch = epoch;
                self.host.guests.put(guest)?;
            }
        }
        Ok(())
    }

    async fn reboot(&self, spec: &ServerSpec, how: Reboot) -> Result<GuestFacts> {
        let _held = self.host.locks.lock(&spec.id).await;
        let mut guest = self.admitted(&spec.id, spec.epoch)?;
        let latencies = self.host.settings.latencies;
        let stop_ms = match how {
            Reboot::Soft { timeout } => latencies
                .stop_ms
                .min(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            Reboot::Hard => 0,
        };
        self.begin(Verb::Reboot, latencies.start_ms.saturating_add(stop_ms))
            .await?;
        self.stop(&mut guest);
        guest.spec = spec.clone();
        self.host.guests.put(guest.clone())?;
        self.check_startable(&guest)?;
        self.start(guest, EventKind::Started)
    }

    async fn inspect(&self, id: &str) -> Result<Option<GuestFacts>> {
        self.host.faults.count(Verb::Inspect)?;
        let unknown = self.host.guests.unknown();
        if let Some(unknown) = unknown.into_iter().find(|facts| facts.id == id) {
            return Ok(Some(unknown));
        }
        Ok(self.host.guests.present(id).map(|guest| guest.facts()))
    }

    async fn spec(&self, id: &str) -> Result<Option<ServerSpec>> {
        self.readable(id)?;
        Ok(self.host.guests.present(id).map(|guest| guest.spec))
    }

    async fn list(&self) -> Result<Vec<GuestFacts>> {
        let mut all = self.host.guests.unknown();
        all.extend(self.host.guests.all().iter().map(Guest::facts));
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    async fn files_in_use(&self) -> Result<BTreeSet<PathBuf>> {
        // Nobody knows what a damaged one needs.
        for unknown in self.host.guests.unknown() {
            self.readable(&unknown.id)?;
        }
        Ok(self.host.guests.files())
    }

    fn events(&self) -> broadcast::Receiver<GuestEvent> {
        self.host.events.subscribe()
    }

    fn pause(&self) -> Option<&dyn Pause> {
        Some(self)
    }

    fn suspend(&self) -> Option<&dyn Suspend> {
        Some(self)
    }

    fn console(&self) -> Option<&dyn Console> {
        Some(self)
    }

    fn snapshot(&self) -> Option<&dyn Snapshot> {
        Some(self)
    }

    fn hotplug_nic(&self) -> Option<&dyn HotplugNic> {
        Some(self)
    }

    fn hotplug_volume(&self) -> Option<&dyn HotplugVolume> {
        Some(self)
    }

    fn replace_volume(&self) -> Option<&dyn ReplaceVolume> {
        Some(self)
    }

    fn resize(&self) -> Option<&dyn Resize> {
        Some(self)
    }

    fn guest_agent(&self) -> Option<&dyn GuestAgent> {
        Some(self)
    }

    fn crash_dump(&self) -> Option<&dyn CrashDump> {
        Some(self)
    }

    fn diagnostics(&self) -> Option<&dyn Diagnostics> {
        Some(self)
    }

    fn disk_places(&self) -> Option<&dyn DiskPlaces> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
