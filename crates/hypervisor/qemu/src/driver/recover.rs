//! Opening the driver on what an earlier one left: guests that run on, guests that ended meanwhile, work cut short.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypervisor::guard::{Graves, ServerLocks};
use hypervisor::{DriverError, PowerState, Result};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use super::{EVENTS, Host, QemuDriver, snapshot, watch};
use crate::confine::Warden;
use crate::guest::{self, Guest};
use crate::layout::{self, Layout};
use crate::probe::{Probe, probe};
use crate::record;
use crate::settings::QemuSettings;
use crate::{console_log, durable, host, process, room};

/// A QEMU that is healthy answers a new connection at once.
const REACH: Duration = Duration::from_secs(5);
/// How often logs are looked at. A guest writes at most some megabytes in this time.
const TRIM: Duration = Duration::from_secs(5);
/// Bytes that must be free before guests that ran out of disk go on: with less they stop again at once.
const FED: u64 = 4 << 20;

impl QemuDriver {
    /// Opens the host: finds its guests again and connects to those that run. Missing programs do not fail it: they
    /// are in [`QemuDriver::probe`], and starting a server names them.
    ///
    /// # Errors
    /// The state folder cannot be used, or its path is too long for sockets.
    pub async fn open(settings: QemuSettings) -> Result<Self> {
        let mut settings = settings;
        settings.state_path = std::path::absolute(&settings.state_path)
            .map_err(DriverError::io("resolve the state path"))?;
        layout::check_path(&settings.state_path)?;
        for folder in &mut settings.image_folders {
            *folder = std::path::absolute(&*folder)
                .map_err(DriverError::io("resolve the folder of images"))?;
        }
        let folder = layout::servers(&settings.state_path);
        std::fs::create_dir_all(&folder)
            .map_err(DriverError::io(format!("create {}", folder.display())))?;
        sweep(&folder)?;
        let probe = probe(&settings).await;
        // Not the end: guests that run are looked after, and what is missing may be installed meanwhile.
        for problem in &probe.problems {
            tracing::error!("no server can be started on this host: {problem}");
        }
        let hostname = if settings.hostname.is_empty() {
            host::hostname()
        } else {
            settings.hostname.clone()
        };
        let warden = Warden::new(&settings);
        let gaps = warden.gaps();
        if !gaps.is_empty() {
            tracing::warn!(
                gaps = gaps.join("; "),
                "guests are not fully confined on this machine"
            );
        }
        let host = Arc::new(Host {
            probe,
            warden,
            hostname,
            locks: ServerLocks::default(),
            graves: Graves::default(),
            events: broadcast::channel(EVENTS).0,
            guests: Mutex::default(),
            claims: Mutex::default(),
            settings,
        });
        for layout in layouts(&host.settings.state_path)? {
            // Before any other server is given a number.
            if let Ok(Some(record)) = record::read(&layout)
                && let Some(uid) = record.uid
                && let Err(error) = host.warden.users.take(layout.id(), Some(uid))
            {
                tracing::warn!(server = layout.id(), %error, "the server's user number is lost");
            }
        }
        let mut found = JoinSet::new();
        for layout in layouts(&host.settings.state_path)? {
            let host = host.clone();
            found.spawn(async move {
                if let Err(error) = host.recover(&layout).await {
                    tracing::error!(server = layout.id(), %error, "a server could not be taken over");
                }
            });
        }
        while found.join_next().await.is_some() {}
        host.tend_all();
        let weak = Arc::downgrade(&host);
        let trimmer = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TRIM).await;
                let Some(host) = weak.upgrade() else { return };
                host.trim_logs();
                host.feed_starved().await;
                host.warden.groups.tidy();
                host.tend_all();
            }
        });
        Ok(Self {
            host,
            trimmer: trimmer.abort_handle(),
        })
    }

    /// What the machine can do, as found when the driver was opened.
    pub fn probe(&self) -> &Probe {
        &self.host.probe
    }
}

impl Host {
    /// The running guest, connecting to it when an earlier driver started it. None when it does not run. A process
    /// that does not answer is an error: its state is unknown.
    pub(super) async fn reach(self: &Arc<Self>, layout: &Layout) -> Result<Option<Arc<Guest>>> {
        if let Some(guest) = self.guest(layout.id()) {
            return Ok(Some(guest));
        }
        let Some(process) = process::find(layout) else {
            return Ok(None);
        };
        match guest::connect(Arc::new(process), layout, REACH).await {
            Ok((guest, events)) => {
                let guest = Arc::new(guest);
                watch::begin(self, layout, &guest, events);
                self.lock_guests()
                    .insert(layout.id().to_owned(), guest.clone());
                Ok(Some(guest))
            }
            Err(DriverError::GuestFailed { .. }) => Ok(None), // it ended just now
            Err(error) => Err(error),
        }
    }

    /// One server of an earlier driver.
    async fn recover(self: &Arc<Self>, layout: &Layout) -> Result<()> {
        // As large as a guest's memory; whoever wrote it is gone, and a suspend begins anew.
        let _ = std::fs::remove_file(layout.unfinished_memory()); // mostly not there
        let Some(mut known) = record::read(layout)? else {
            return Ok(());
        };
        if !layout.pid().exists() && layout.qmp().exists() {
            // Started, but its driver died before QEMU wrote its pid file; or it ended and left its socket.
            if let Some(process) = process::search(layout) {
                tracing::info!(
                    server = layout.id(),
                    pid = process.pid,
                    "found a guest without a pid file"
                );
                durable::replace_soon(&layout.pid(), process.pid.to_string().as_bytes())
                    .map_err(DriverError::io("write the pid file"))?;
            }
        }
        let guest = self.reach(layout).await?;
        let saved = layout.memory().exists();
        match guest {
            Some(guest) if known.power == PowerState::Suspended && saved => {
                // Either saving was complete and the process was to go, or loading was under way. The file decides:
                // it is removed before a loaded guest runs.
                guest.end().await?;
                self.forget(layout.id());
                self.clear_sockets(layout);
            }
            Some(guest) => {
                tracing::info!(server = layout.id(), "guest found running");
                self.thaw_forgotten(layout).await;
                if let Err(error) = snapshot::clear(&guest).await {
                    tracing::warn!(server = layout.id(), %error, "an export that was cut off is not taken away");
                }
                // It came to stand still while no driver listened.
                let stands = guest.status().await.is_ok_and(|word| word == "io-error");
                guest.note_starved(stands);
            }
            None => {
                self.clear_sockets(layout);
                if matches!(known.power, PowerState::Running | PowerState::Paused) {
                    known.take(PowerState::Shutdown);
                    record::note(layout, &known)?;
                }
            }
        }
        Ok(())
    }

    /// Lets guests go on that stood still for lack of disk, once there is room beside the reserve.
    async fn feed_starved(&self) {
        let starved: Vec<Arc<Guest>> = {
            let guests = self.lock_guests();
            guests
                .values()
                .filter(|guest| guest.is_starved())
                .cloned()
                .collect()
        };
        let folder = layout::servers(&self.settings.state_path);
        let room = || room::require(&folder, "go on", FED, self.settings.disk_reserve);
        if starved.is_empty() || room().is_err() {
            return;
        }
        for guest in starved {
            // Somebody else may have let it go on, or it may have ended.
            let stands = guest.status().await.is_ok_and(|word| word == "io-error");
            if stands && let Err(error) = guest.qmp.execute("cont", json!({})).await {
                tracing::warn!(pid = guest.process.pid, %error, "a guest that found no room does not go on");
                continue;
            }
            guest.note_starved(false);
        }
    }

    fn trim_logs(&self) {
        let running: Vec<String> = self.lock_guests().keys().cloned().collect();
        for id in running {
            let trimmed = self
                .layout(&id)
                .map(|layout| console_log::trim(&layout, self.settings.console_log_bytes));
            if let Ok(Err(error)) = trimmed {
                tracing::warn!(server = id, %error, "the console log cannot be kept small");
            }
        }
    }
}

/// The servers on disk, sorted by id.
pub(super) fn layouts(state_path: &Path) -> Result<Vec<Layout>> {
    let folder = layout::servers(state_path);
    let fail = || DriverError::io(format!("read {}", folder.display()));
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(fail())? {
        let name = entry.map_err(fail())?.file_name();
        if let Some(layout) = name
            .to_str()
            .and_then(|name| Layout::new(state_path, name).ok())
        {
            all.push(layout);
        }
    }
    all.sort_by(|a, b| a.id().cmp(b.id()));
    Ok(all)
}

/// Finishes removals that were cut short, and removes directories whose record was never written.
fn sweep(folder: &Path) -> Result<()> {
    let fail = || DriverError::io(format!("read {}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(fail())? {
        let path = entry.map_err(fail())?.path();
        let gone = path
            .extension()
            .is_some_and(|extension| extension == "gone");
        if gone || record::is_empty(&path) {
            std::fs::remove_dir_all(&path)
                .map_err(DriverError::io(format!("remove {}", path.display())))?;
        }
    }
    Ok(())
}
