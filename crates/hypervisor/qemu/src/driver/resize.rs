//! Another size for a server, for good or not.
//!
//! Before a resize each qcow2 disk gets an internal snapshot: made and gone back to in milliseconds, in the disk's own
//! file. Swap holds nothing that is worth keeping.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hypervisor::disk_names::{ROOT, ephemeral_name};
use hypervisor::{DriverError, EventKind, GuestFacts, Resize, Result, ServerSpec, StopHow};
use serde_json::json;

use super::{Host, QemuDriver};
use crate::disks::{self, Still};
use crate::layout::Layout;
use crate::qmp::During;
use crate::record::{self, Before, Record, Stage};
use crate::{args, durable};

/// A disk that has a snapshot: its file, and the node that a running guest reads it by.
type Disk = (PathBuf, String);

fn kept_disks(layout: &Layout, record: &Record, before: &Before) -> Vec<Disk> {
    let node = |name: String| match record.spec.hardware.disk_limits.is_none() {
        true => name,
        false => args::limited_node(&name),
    };
    let root = before
        .root
        .then(|| (layout.root_disk(), node(ROOT.to_owned())));
    let more = (0..before.ephemeral)
        .map(|number| (layout.ephemeral(number), node(ephemeral_name(number))));
    root.into_iter().chain(more).collect()
}

fn snapshot(before: &Before) -> String {
    format!("resize-{}", before.epoch)
}

impl Host {
    /// Works on the snapshots of a server whose guest does not run.
    async fn stills(
        self: &Arc<Self>,
        layout: &Layout,
        record: &Record,
        before: &Before,
        what: Still,
    ) -> Result<()> {
        let (host, layout, record, before) =
            (self.clone(), layout.clone(), record.clone(), before.clone());
        let done = tokio::task::spawn_blocking(move || {
            let ground = disks::Ground {
                layout: &layout,
                settings: &host.settings,
                warden: &host.warden,
            };
            let name = snapshot(&before);
            let mut ended = Ok(());
            for (path, _) in kept_disks(&layout, &record, &before) {
                let done = disks::still(&ground, &record, (&path, &name), what);
                match what {
                    // One that an earlier run removed keeps no other.
                    Still::Remove => ended = ended.and(done),
                    Still::Make | Still::GoBackTo => done?,
                }
            }
            ended
        });
        done.await.unwrap_or_else(|error| {
            Err(DriverError::io("work on the disks")(std::io::Error::other(
                error,
            )))
        })
    }

    /// Removes the snapshots, those that are there. The guest does not run.
    async fn forget_before(self: &Arc<Self>, layout: &Layout, record: &Record, before: &Before) {
        if let Err(error) = self.stills(layout, record, before, Still::Remove).await {
            tracing::debug!(server = layout.id(), %error, "a disk had no snapshot, or keeps it");
        }
        let _ = std::fs::remove_file(layout.nvram_before()); // mostly not there
    }

    /// Keeps what the disks hold, unless that is done.
    async fn keep(
        self: &Arc<Self>,
        layout: &Layout,
        record: &mut Record,
        epoch: u64,
    ) -> Result<()> {
        if let Some(old) = record.before.take() {
            self.forget_before(layout, record, &old).await;
        }
        let mut before = Before {
            epoch,
            stage: Stage::Keeping,
            root: record.spec.root_disk.is_some() && layout.root_disk().exists(),
            ephemeral: record.spec.ephemeral.len(),
        };
        record.before = Some(before.clone());
        record::write(layout, record)?;
        self.stills(layout, record, &before, Still::Make).await?;
        copy(&layout.nvram(), &layout.nvram_before())?;
        before.stage = Stage::Kept;
        record.before = Some(before);
        Ok(())
    }

    /// Starts a server with its new size, or leaves it stopped.
    async fn resized(
        self: &Arc<Self>,
        layout: &Layout,
        record: Record,
        run: bool,
    ) -> Result<GuestFacts> {
        match (self.reach(layout).await?, run) {
            (None, true) => self.start(layout, record, EventKind::Started).await,
            _ => Ok(self.facts(layout, &record).await),
        }
    }
}

/// Takes a description, and away what does not fit it.
fn describe(layout: &Layout, record: &mut Record, spec: &ServerSpec) -> Result<()> {
    if record.spec.swap_mb != spec.swap_mb {
        remove(&layout.swap())?;
    }
    for number in spec.ephemeral.len()..record.spec.ephemeral.len() {
        remove(&layout.ephemeral(number))?;
    }
    record.describe(spec);
    Ok(())
}

fn remove(path: &std::path::Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DriverError::io(format!("remove {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Copies a file that may not be there.
fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    let fail = || DriverError::io(format!("copy {}", from.display()));
    match std::fs::read(from) {
        Ok(bytes) => durable::replace(to, &bytes).map_err(fail()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(fail()(error)),
    }
}

#[async_trait]
impl Resize for QemuDriver {
    async fn resize(&self, spec: &ServerSpec, how: StopHow, run: bool) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(&spec.id)?;
        let _held = host.locks.lock(&spec.id).await;
        let mut record = host.admitted(&layout, spec.epoch)?;
        args::check(spec, &host.settings)?;
        let before = record.before.as_ref();
        if before.is_some_and(|one| one.epoch == spec.epoch && one.stage == Stage::Kept) {
            return host.resized(&layout, record, run).await;
        }
        record::write(&layout, &record)?;
        host.halt(&layout, &mut record, how).await?;
        host.keep(&layout, &mut record, spec.epoch).await?;
        describe(&layout, &mut record, spec)?;
        record::write(&layout, &record)?;
        host.resized(&layout, record, run).await
    }

    async fn confirm_resize(&self, id: &str, epoch: u64) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut record = host.admitted(&layout, epoch)?;
        record::write(&layout, &record)?;
        let Some(before) = record.before.clone() else {
            return Ok(host.facts(&layout, &record).await);
        };
        match host.reach(&layout).await? {
            None => host.forget_before(&layout, &record, &before).await,
            Some(guest) => {
                for (_, node) in kept_disks(&layout, &record, &before) {
                    let command = "blockdev-snapshot-delete-internal-sync";
                    let wanted = json!({"device": node, "name": snapshot(&before)});
                    match guest.qmp.execute(command, wanted).await {
                        // An earlier run removed it.
                        Err(error) if error.to_string().contains("does not exist") => {}
                        other => drop(other.map_err(|error| error.during(command))?),
                    }
                }
                remove(&layout.nvram_before())?;
            }
        }
        record.before = None;
        record::write(&layout, &record)?;
        Ok(host.facts(&layout, &record).await)
    }

    async fn revert_resize(
        &self,
        spec: &ServerSpec,
        how: StopHow,
        run: bool,
    ) -> Result<GuestFacts> {
        let host = &self.host;
        let layout = host.layout(&spec.id)?;
        let _held = host.locks.lock(&spec.id).await;
        let mut record = host.admitted(&layout, spec.epoch)?;
        args::check(spec, &host.settings)?;
        let Some(mut before) = record.before.clone() else {
            if !record.spec.is_as_large_as(spec) {
                return Err(DriverError::nothing_kept());
            }
            record.describe(spec);
            record::write(&layout, &record)?;
            return host.resized(&layout, record, run).await;
        };
        record::write(&layout, &record)?;
        host.halt(&layout, &mut record, how).await?;
        if before.stage == Stage::Kept {
            host.stills(&layout, &record, &before, Still::GoBackTo)
                .await?;
            copy(&layout.nvram_before(), &layout.nvram())?;
            before.stage = Stage::Restored;
            record.before = Some(before.clone());
            describe(&layout, &mut record, spec)?;
            record::write(&layout, &record)?;
        }
        host.forget_before(&layout, &record, &before).await;
        record.before = None;
        describe(&layout, &mut record, spec)?;
        record::write(&layout, &record)?;
        host.resized(&layout, record, run).await
    }
}
