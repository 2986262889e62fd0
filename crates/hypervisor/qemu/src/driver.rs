//! The contract's verbs on QEMU guests.

mod abilities;
mod addresses;
mod copies;
mod disk_places;
mod guest_agent;
mod hotplug;
mod nics;
mod nodes;
mod recover;
mod replace;
mod resize;
mod served;
mod snapshot;
mod start;
mod stop;
mod suspend;
mod volumes;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::Utc;
use hypervisor::guard::{Graves, ServerLocks, admit};
use hypervisor::{
    Cause, Console, CrashDump, DeviceCommand, Diagnostics, DiskPlaces, Driver, DriverError,
    EventKind, GuestAgent, GuestEvent, GuestFacts, HostFacts, HotplugNic, HotplugVolume, Keep,
    Pause, PowerState, Reboot, ReplaceVolume, Resize, Result, ServerSpec, Snapshot, StopHow,
    Suspend, parse_id,
};
use tokio::sync::broadcast;
use tokio::task::{AbortHandle, JoinSet};

use crate::confine::Warden;
use crate::guest::Guest;
use crate::layout::{Layout, servers};
use crate::probe::Probe;
use crate::record::{Kept, Record};
use crate::settings::QemuSettings;
use crate::{args, disks, host, process, record, room};

/// Events kept for a slow reader; it lists again when it lags more.
const EVENTS: usize = 4096;

/// The QEMU driver of one host.
#[derive(Debug)]
pub struct QemuDriver {
    host: Arc<Host>,
    /// Keeps logs bounded while the driver lives.
    trimmer: AbortHandle,
}

impl Drop for QemuDriver {
    fn drop(&mut self) {
        self.trimmer.abort();
    }
}

/// What the verbs and the watchers share.
#[derive(Debug)]
pub(crate) struct Host {
    settings: QemuSettings,
    probe: Probe,
    warden: Warden,
    hostname: String,
    locks: ServerLocks,
    graves: Graves,
    events: broadcast::Sender<GuestEvent>,
    guests: Mutex<HashMap<String, Arc<Guest>>>,
    /// Held while a guest takes its place on a volume that another machine serves.
    claims: Mutex<()>,
}

impl Host {
    fn layout(&self, id: &str) -> Result<Layout> {
        Layout::new(&self.settings.state_path, id)
    }

    fn lock_guests(&self) -> MutexGuard<'_, HashMap<String, Arc<Guest>>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running guest, if we are connected to it and it lives.
    fn guest(&self, id: &str) -> Option<Arc<Guest>> {
        self.lock_guests()
            .get(id)
            .filter(|guest| guest.process.alive())
            .cloned()
    }

    fn forget(&self, id: &str) {
        self.lock_guests().remove(id);
    }

    fn emit(&self, id: &str, kind: EventKind, cause: Cause, detail: Option<String>) {
        tracing::debug!(server = id, ?kind, ?cause, ?detail, "guest event");
        // No receiver is no error: nobody wants to know.
        let _ = self.events.send(GuestEvent {
            id: id.to_owned(),
            kind,
            cause,
            at: Utc::now(),
            detail,
        });
    }

    /// The record of a server that is on this host.
    fn known(&self, layout: &Layout) -> Result<Record> {
        record::kept(layout)
            .present()?
            .ok_or_else(|| DriverError::NotFound {
                id: layout.id().to_owned(),
            })
    }

    /// The record with a command's epoch taken.
    fn admitted(&self, layout: &Layout, epoch: u64) -> Result<Record> {
        let mut record = self.known(layout)?;
        record.admit(epoch)?;
        Ok(record)
    }

    /// The record with the place of a command about a device taken.
    fn commanded(&self, layout: &Layout, command: DeviceCommand) -> Result<Record> {
        let mut record = self.known(layout)?;
        record.admit_device(command)?;
        Ok(record)
    }

    async fn facts(self: &Arc<Self>, layout: &Layout, record: &Record) -> GuestFacts {
        let guest = match self.guest(layout.id()) {
            Some(guest) => Some(guest),
            None => self.rejoin(layout).await,
        };
        let living = match &guest {
            Some(guest) => Some(guest.process.pid),
            None => process::living(layout).map(|process| process.pid),
        };
        let power_state = match (&guest, living) {
            (Some(guest), _) => guest.power().await,
            // It does not answer, or is being started right now.
            (None, Some(_)) => PowerState::NoState,
            (None, None) => match record.power {
                // Written while it ran.
                PowerState::Running | PowerState::Paused | PowerState::NoState => {
                    PowerState::Shutdown
                }
                other => other,
            },
        };
        GuestFacts {
            id: layout.id().to_owned(),
            name: record.spec.name.clone(),
            power_state,
            since: record.since,
            epoch: record.epoch,
            pid: living,
            has_disks: disks::present(layout, record),
            port_ids: record
                .spec
                .nics
                .iter()
                .map(|nic| nic.port_id.clone())
                .collect(),
            metadata: record.spec.metadata.clone(),
        }
    }

    /// A guest that lives although we lost its connection, connected again unless a command is about to do so. One that
    /// does not answer is left for the next time.
    async fn rejoin(self: &Arc<Self>, layout: &Layout) -> Option<Arc<Guest>> {
        process::find(layout)?;
        let _held = self.locks.try_lock(layout.id())?;
        match self.reach(layout).await {
            Ok(guest) => guest,
            Err(error) => {
                tracing::warn!(server = layout.id(), %error, "a guest lives and does not answer");
                None
            }
        }
    }

    /// What is known of a server whose record is damaged: its id, and whether it lives. Nobody may take it for stopped.
    fn unknown(&self, layout: &Layout, error: &DriverError) -> GuestFacts {
        tracing::error!(
            server = layout.id(),
            %error,
            "the record of a server cannot be read: it can be removed, and nothing else"
        );
        GuestFacts {
            id: layout.id().to_owned(),
            name: String::new(),
            power_state: PowerState::NoState,
            since: Utc::now(),
            epoch: 0,
            pid: process::living(layout).map(|process| process.pid),
            has_disks: layout.root_disk().exists(),
            port_ids: Vec::new(),
            metadata: Default::default(),
        }
    }

    /// The server as it is now; None when it is not on this host.
    async fn look(self: &Arc<Self>, layout: &Layout) -> Option<GuestFacts> {
        match record::kept(layout) {
            Kept::Nothing => None,
            Kept::Whole(record) if record.away => None,
            Kept::Whole(record) => Some(self.facts(layout, &record).await),
            // Its folder may be new, or going right now.
            Kept::Damaged(_) if self.locks.is_locked(layout.id()) => None,
            Kept::Damaged(error) => Some(self.unknown(layout, &error)),
        }
    }

    fn servers(&self) -> PathBuf {
        servers(&self.settings.state_path)
    }
}

fn busy(id: &str, what: impl Into<String>) -> DriverError {
    DriverError::Busy {
        id: id.to_owned(),
        what: what.into(),
    }
}

#[async_trait]
impl Driver for QemuDriver {
    fn name(&self) -> &'static str {
        "qemu"
    }

    async fn host_facts(&self) -> Result<HostFacts> {
        let layouts = recover::layouts(&self.host.settings.state_path)?;
        Ok(host::facts(
            &self.host.hostname,
            &self.host.servers(),
            &self.host.probe,
            room::saved_memory_mb(&layouts),
        ))
    }

    async fn ensure_running(&self, spec: &ServerSpec) -> Result<GuestFacts> {
        let host = &self.host;
        let id = parse_id(&spec.id)?;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let known = record::read(&layout)?;
        admit(
            id,
            spec.epoch,
            known
                .as_ref()
                .map(|record| record.epoch)
                .max(host.graves.epoch(id)),
        )?;
        args::check(spec, &host.settings)?;
        let Some(mut record) = known else {
            return host.create(&layout, spec).await;
        };
        record.describe(spec);
        record.away = false;
        record::write(&layout, &record)?;
        if let Some(guest) = host.reach(&layout).await? {
            match guest.power().await {
                // It cannot go on: start it anew.
                PowerState::Crashed => host.halt(&layout, &mut record, StopHow::Hard).await?,
                PowerState::Paused if record.power == PowerState::Suspended => {
                    return host.go_on(&layout, &guest, record).await;
                }
                _ => return Ok(host.facts(&layout, &record).await),
            }
        }
        if record.power == PowerState::Suspended && layout.memory().exists() {
            return host.wake(&layout, record).await;
        }
        host.start(&layout, record, EventKind::Started).await
    }

    async fn ensure_stopped(&self, id: &str, epoch: u64, how: StopHow) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        if let Kept::Damaged(error) = record::kept(&layout) {
            // Whoever takes a host down must get it down.
            host.end(&layout, how).await?;
            return Ok(host.unknown(&layout, &error));
        }
        let mut record = host.admitted(&layout, epoch)?;
        record::write(&layout, &record)?;
        host.halt(&layout, &mut record, how).await?;
        record::note(&layout, &record)?;
        Ok(host.facts(&layout, &record).await)
    }

    async fn ensure_gone(&self, id: &str, epoch: u64, keep: Keep) -> Result<()> {
        let host = &self.host;
        let Ok(layout) = host.layout(id) else {
            return Ok(());
        };
        let buried = || host.graves.epoch(id);
        let current = record::kept(&layout).epoch().max(buried());
        // A stale one must not hurry anybody.
        admit(id, epoch, current)?;
        let _held = match keep {
            Keep::Nothing => host.locks.lock_urgently(id).await,
            Keep::Disks => host.locks.lock(id).await,
        };
        let known = record::kept(&layout);
        admit(id, epoch, known.epoch().max(buried()))?;
        let mut record = match (known, keep) {
            (Kept::Whole(record), _) => *record,
            (Kept::Nothing, _) => {
                // Its build may still be fetching the image: that one must not start it any more.
                host.graves.bury(id, epoch);
                return Ok(());
            }
            // Disks without a description are of no use to anybody who comes for them.
            (Kept::Damaged(error), Keep::Disks) => return Err(error),
            (Kept::Damaged(error), Keep::Nothing) => {
                tracing::warn!(server = id, %error, "removing a server whose record is damaged");
                host.end(&layout, StopHow::Hard).await?;
                start::remove(&layout).await?;
                host.graves.bury(id, epoch);
                return Ok(());
            }
        };
        record.epoch = epoch;
        record::write(&layout, &record)?;
        host.halt(&layout, &mut record, StopHow::Hard).await?;
        match keep {
            Keep::Nothing => {
                start::remove(&layout).await?;
                host.warden.users.release(id);
                host.graves.bury(id, epoch);
            }
            Keep::Disks => {
                record.away = true;
                record::write(&layout, &record)?;
            }
        }
        Ok(())
    }

    async fn reboot(&self, spec: &ServerSpec, how: Reboot) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(&spec.id)?;
        let _held = host.locks.lock(&spec.id).await;
        let mut record = host.admitted(&layout, spec.epoch)?;
        args::check(spec, &host.settings)?;
        record.describe(spec);
        record::write(&layout, &record)?;
        let how = match how {
            Reboot::Soft { timeout } => StopHow::Graceful { timeout },
            Reboot::Hard => StopHow::Hard,
        };
        host.halt(&layout, &mut record, how).await?;
        host.start(&layout, record, EventKind::Started).await
    }

    async fn inspect(&self, id: &str) -> Result<Option<GuestFacts>> {
        let Ok(layout) = self.host.layout(id) else {
            return Ok(None);
        };
        Ok(self.host.look(&layout).await)
    }

    async fn spec(&self, id: &str) -> Result<Option<ServerSpec>> {
        let Ok(layout) = self.host.layout(id) else {
            return Ok(None);
        };
        let record = record::kept(&layout).present()?;
        Ok(record.map(|record| record.spec))
    }

    async fn list(&self) -> Result<Vec<GuestFacts>> {
        let mut asked = JoinSet::new();
        for layout in recover::layouts(&self.host.settings.state_path)? {
            let host = self.host.clone();
            asked.spawn(async move { host.look(&layout).await });
        }
        let mut all: Vec<_> = asked.join_all().await.into_iter().flatten().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    async fn files_in_use(&self) -> Result<BTreeSet<PathBuf>> {
        let mut files = BTreeSet::new();
        for layout in recover::layouts(&self.host.settings.state_path)? {
            files.extend(record::files(&layout)?);
        }
        Ok(files)
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

    fn guest_agent(&self) -> Option<&dyn GuestAgent> {
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
