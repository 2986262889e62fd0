//! Saving a guest's memory to a file, and going on from it.
//!
//! The file `memory` exists exactly while it is valid: it takes its name when it is complete, and loses it before a
//! guest loaded from it runs, since from then on disk and memory are of different times.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hypervisor::{Cause, DriverError, EventKind, GuestFacts, PowerState, Result, Suspend};
use serde_json::{Value, json};

use super::{Host, QemuDriver, addresses, busy, replace};
use crate::durable;
use crate::guest::Guest;
use crate::layout::Layout;
use crate::qmp::During;
use crate::record::{self, Record};
use crate::room;

/// A gigabyte a second is slow today; a guest of 64 GiB on a bad disk needs minutes.
const SAVE_LIMIT: Duration = Duration::from_secs(1800);
/// What a saved guest has besides its memory: the state of its devices, the video memory.
const DEVICES_MB: u64 = 32;
/// How often progress is asked: below what a person notices, above what costs.
const ASK: Duration = Duration::from_millis(15);

#[async_trait]
impl Suspend for QemuDriver {
    async fn suspend(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut record = host.admitted(&layout, epoch)?;
        record::write(&layout, &record)?;
        let Some(guest) = host.reach(&layout).await? else {
            if record.power == PowerState::Suspended && layout.memory().exists() {
                return Ok(host.facts(&layout, &record).await);
            }
            return Err(busy(id, "it does not run"));
        };
        let memory = record.spec.memory_mb.saturating_add(DEVICES_MB) << 20;
        let reserve = host.settings.disk_reserve;
        room::require(layout.dir(), "save the memory", memory, reserve)?;
        let addresses = addresses::of(&guest).await?;
        replace::end_copies(&guest, &layout, &mut record).await?;
        host.save(&layout, &guest).await?;
        record.take(PowerState::Suspended);
        record.addresses = addresses;
        record::write(&layout, &record)?;
        guest.end().await?;
        host.forget(id);
        host.clear_sockets(&layout);
        host.unserve_all(&layout).await?;
        host.emit(id, EventKind::Suspended, Cause::Command, None);
        Ok(host.facts(&layout, &record).await)
    }

    async fn resume(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let record = host.admitted(&layout, epoch)?;
        record::write(&layout, &record)?;
        if let Some(guest) = host.reach(&layout).await? {
            if guest.status().await.ok().as_deref() == Some("paused")
                && record.power == PowerState::Suspended
            {
                // Loaded, and the driver died before it let the guest run.
                return host.go_on(&layout, &guest, record).await;
            }
            return Ok(host.facts(&layout, &record).await);
        }
        if record.power != PowerState::Suspended || !layout.memory().exists() {
            return Err(busy(
                id,
                format!("it is {}, not suspended", record.power.as_str()),
            ));
        }
        host.wake(&layout, record).await
    }
}

impl Host {
    /// Writes the memory of a guest to its file; the guest stands still afterwards, or runs as before on failure.
    async fn save(&self, layout: &Layout, guest: &Guest) -> Result<()> {
        let _commanding = guest.qmp.commanding();
        let ran = guest.power().await == PowerState::Running;
        let part = layout.unfinished_memory();
        let result = write_memory(layout, guest, &part, self.settings.disk_reserve).await;
        if result.is_err() {
            let _ = std::fs::remove_file(&part);
            if ran && let Err(error) = guest.qmp.execute("cont", json!({})).await {
                tracing::error!(server = layout.id(), %error, "a guest that could not be suspended does not go on");
            }
        }
        result
    }

    /// Starts a suspended server from its saved memory.
    pub(super) async fn wake(
        self: &Arc<Self>,
        layout: &Layout,
        record: Record,
    ) -> Result<GuestFacts> {
        let path = layout.memory();
        let file = std::fs::File::open(&path)
            .map_err(DriverError::io(format!("open {}", path.display())))?;
        let (guest, record) = self.launch(layout, record, Some(file.into())).await?;
        if let Err(error) = loaded(&guest).await {
            self.end_failed(layout).await;
            return Err(error);
        }
        self.go_on(layout, &guest, record).await
    }

    /// Lets a loaded guest run.
    pub(super) async fn go_on(
        self: &Arc<Self>,
        layout: &Layout,
        guest: &Guest,
        mut record: Record,
    ) -> Result<GuestFacts> {
        let _commanding = guest.qmp.commanding();
        let path = layout.memory();
        // For good before the guest goes on: were it there after a power failure, old memory would meet a newer disk.
        durable::remove(&path).map_err(DriverError::io(format!("remove {}", path.display())))?;
        guest
            .qmp
            .execute("cont", json!({}))
            .await
            .map_err(|error| error.during("resume the guest"))?;
        record.take(PowerState::Running);
        record::write(layout, &record)?;
        self.emit(layout.id(), EventKind::Resumed, Cause::Command, None);
        Ok(self.facts(layout, &record).await)
    }
}

/// `reserve`: bytes of disk that others may count on. They are looked after while the memory is written: others
/// write too.
async fn write_memory(
    layout: &Layout,
    guest: &Guest,
    part: &std::path::Path,
    reserve: u64,
) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let fail = || DriverError::io(format!("write {}", part.display()));
    let qmp = &guest.qmp;
    let during = |error: crate::qmp::QmpError| error.during("suspend the guest");
    qmp.execute("stop", json!({})).await.map_err(during)?;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(part);
    let file = file.map_err(fail())?;
    qmp.pass_fd("memory", file.as_fd()).await.map_err(during)?;
    drop(file);
    // Unlimited: the default is made for networks.
    qmp.execute("migrate-set-parameters", json!({"max-bandwidth": i64::MAX}))
        .await
        .map_err(during)?;
    qmp.execute("migrate", json!({"uri": "fd:memory"}))
        .await
        .map_err(during)?;
    let began = Instant::now();
    while !finished(guest, "suspend the guest").await? {
        if began.elapsed() > SAVE_LIMIT {
            let _ = qmp.execute("migrate_cancel", json!({})).await;
            let why = "saving the memory took too long".to_owned();
            return Err(DriverError::Hypervisor {
                what: "suspend the guest".to_owned(),
                why,
            });
        }
        if let Err(full) = room::require(layout.dir(), "save the memory", 0, reserve / 2) {
            let _ = qmp.execute("migrate_cancel", json!({})).await;
            return Err(full);
        }
        tokio::time::sleep(ASK).await;
    }
    let (part, memory) = (part.to_owned(), layout.memory());
    let fail = DriverError::io(format!("write {}", memory.display()));
    let placed = tokio::task::spawn_blocking(move || durable::place(&part, &memory)).await;
    placed
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(fail)
}

/// Waits until saved memory is loaded.
async fn loaded(guest: &Guest) -> Result<()> {
    let began = Instant::now();
    loop {
        match guest.status().await {
            Ok(word) if word == "inmigrate" && began.elapsed() < SAVE_LIMIT => {
                tokio::time::sleep(ASK).await
            }
            Ok(word) if word == "inmigrate" => {
                let why = "loading the memory took too long".to_owned();
                return Err(DriverError::Hypervisor {
                    what: "resume the guest".to_owned(),
                    why,
                });
            }
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.during("resume the guest")),
        }
    }
}

/// Is the migration complete? Its failure is an error.
async fn finished(guest: &Guest, what: &str) -> Result<bool> {
    let state = guest
        .qmp
        .execute("query-migrate", json!({}))
        .await
        .map_err(|error| error.during(what))?;
    match state.get("status").and_then(Value::as_str) {
        Some("completed") => Ok(true),
        Some("failed" | "cancelled") => {
            let why = state
                .get("error-desc")
                .and_then(Value::as_str)
                .unwrap_or("QEMU gave no reason")
                .to_owned();
            Err(DriverError::Hypervisor {
                what: what.to_owned(),
                why,
            })
        }
        _ => Ok(false),
    }
}
