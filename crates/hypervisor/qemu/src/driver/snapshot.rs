//! Exporting a root disk as one file: by QEMU's backup job while the guest runs, by qemu-img when it does not.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hypervisor::disk_names::ROOT;
use hypervisor::{
    DriverError, ImageFormat, PowerState, Quiesce, Result, RootDisk, Snapshot, SnapshotFacts, qcow2,
};
use serde_json::{Value, json};

use super::QemuDriver;
use super::guest_agent::Still;
use crate::guest::Guest;
use crate::layout::Layout;
use crate::qmp::{During, QmpError};
use crate::{disks, durable, record, room};

const ASK: Duration = Duration::from_millis(20);
const JOB: &str = "snapshot";
const NODE: &str = "export";
const EXPORT: &str = "export the disk";
const CLEAR: &str = "take away what an export left";
/// A job that is cancelled ends at once, unless the disk hangs.
const CLEAR_LIMIT: Duration = Duration::from_secs(10);
/// Number under which QEMU gets the file; one export runs at a time.
const FD_SET: u32 = 1;

#[async_trait]
impl Snapshot for QemuDriver {
    async fn export(
        &self,
        id: &str,
        epoch: u64,
        target: &Path,
        quiesce: Quiesce,
    ) -> Result<SnapshotFacts> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let known = host.admitted(&layout, epoch)?;
        record::write(&layout, &known)?;
        let Some(root) = &known.spec.root_disk else {
            return Err(DriverError::Unsupported {
                what: "a snapshot of a server without a local disk".to_owned(),
            });
        };
        let target =
            std::path::absolute(target).map_err(DriverError::io("resolve the snapshot's path"))?;
        let part = part_of(&target);
        let _ = std::fs::remove_file(&part);
        let folder = target.parent().unwrap_or(&target);
        let reserve = host.settings.disk_reserve;
        room::require(folder, "copy the disk", at_most(&layout, root)?, reserve)?;
        let fail = || DriverError::io(format!("write {}", target.display()));
        let result = match host.reach(&layout).await? {
            Some(guest) => live(&layout, &guest, &part, quiesce).await,
            None if quiesce == Quiesce::Require && known.power == PowerState::Suspended => {
                Err(DriverError::GuestAgent {
                    what: "hold the file systems still",
                    why: "the guest is suspended".to_owned(),
                })
            }
            None => {
                let (layout, host, part) = (layout.clone(), host.clone(), part.clone());
                let copy = tokio::task::spawn_blocking(move || {
                    let ground = disks::Ground {
                        layout: &layout,
                        settings: &host.settings,
                        warden: &host.warden,
                    };
                    disks::export(&ground, &known, &part)
                });
                copy.await
                    .unwrap_or_else(|error| Err(fail()(std::io::Error::other(error))))
            }
        };
        if let Err(error) = result {
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
        let size = std::fs::metadata(&part).map_err(fail())?.len();
        let virtual_size = qcow2::virtual_size(&part).map_err(fail())?;
        let (from, to) = (part.clone(), target.clone());
        let placed = tokio::task::spawn_blocking(move || durable::place(&from, &to)).await;
        placed
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(fail())?;
        Ok(SnapshotFacts {
            disk_format: "qcow2".to_owned(),
            size,
            virtual_size,
        })
    }
}

/// Bytes that a copy takes at most: what the disk holds itself and what its image may add, but no more than the guest
/// sees. The tables of a qcow2 are below a thousandth of its data, or a MiB.
fn at_most(layout: &Layout, root: &RootDisk) -> Result<u64> {
    let fail = || DriverError::io("read the root disk");
    let disk = layout.root_disk();
    let sees = qcow2::virtual_size(&disk).map_err(fail())?;
    let own = allocated(&std::fs::metadata(&disk).map_err(fail())?);
    let image = root.image.as_ref().map_or(0, |image| match image.format {
        ImageFormat::Raw => std::fs::metadata(&image.path)
            .map_or(image.virtual_size, |metadata| allocated(&metadata)),
        // It may be compressed.
        ImageFormat::Qcow2 => image.virtual_size,
    });
    let data = sees.min(own.saturating_add(image));
    Ok(data.saturating_add(data / 1000).saturating_add(1 << 20))
}

/// Bytes that a file takes of its disk.
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}

/// The name a snapshot has until it is whole.
fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Copies what the guest sees at this moment, while it runs on.
async fn live(layout: &Layout, guest: &Guest, part: &Path, quiesce: Quiesce) -> Result<()> {
    let size =
        qcow2::virtual_size(&layout.root_disk()).map_err(DriverError::io("read the root disk"))?;
    qcow2::create(part, size, None).map_err(DriverError::io(format!("make {}", part.display())))?;
    clear(guest).await?;
    let exported = open_and_copy(layout, guest, part, quiesce).await;
    exported.and(clear(guest).await)
}

async fn open_and_copy(
    layout: &Layout,
    guest: &Guest,
    part: &Path,
    quiesce: Quiesce,
) -> Result<()> {
    // By a descriptor: the path does not exist for QEMU.
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(part);
    let opened = opened.map_err(DriverError::io(format!("open {}", part.display())))?;
    let added = guest.qmp.add_fd(FD_SET, opened.as_fd()).await;
    added.map_err(|error| error.during(EXPORT))?;
    let file =
        json!({"driver": "file", "filename": format!("/dev/fdset/{FD_SET}"), "discard": "unmap"});
    let node = json!({"driver": "qcow2", "node-name": NODE, "discard": "unmap", "file": file, "backing": null});
    let added = guest.qmp.execute("blockdev-add", node).await;
    added.map_err(|error| error.during(EXPORT))?;
    backup(layout, guest, quiesce).await
}

/// Takes away the job, the node and the descriptor of an export, those that are there: one that was cut off leaves them, and
/// QEMU would go on writing into a file that has no name any more.
///
/// # Errors
/// QEMU does not answer, or does not let go.
pub(super) async fn clear(guest: &Guest) -> Result<()> {
    let began = Instant::now();
    while let Some(job) = job(guest).await? {
        let command = match job.concluded {
            true => "job-dismiss",
            false => "job-cancel",
        };
        // Refused for one that ends just now.
        match guest.qmp.execute(command, json!({"id": JOB})).await {
            Ok(_) | Err(QmpError::Refused { .. }) => {}
            Err(error) => return Err(error.during(CLEAR)),
        }
        if began.elapsed() > CLEAR_LIMIT {
            return Err(DriverError::Hypervisor {
                what: CLEAR.to_owned(),
                why: "the job that copies does not end".to_owned(),
            });
        }
        tokio::time::sleep(ASK).await;
    }
    match guest
        .qmp
        .execute("blockdev-del", json!({"node-name": NODE}))
        .await
    {
        Err(QmpError::Refused { text, .. }) if text.starts_with("Failed to find node") => {}
        closed => drop(closed.map_err(|error| error.during(CLEAR))?),
    }
    match guest
        .qmp
        .execute("remove-fd", json!({"fdset-id": FD_SET}))
        .await
    {
        // There is none.
        Ok(_) | Err(QmpError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.during(CLEAR)),
    }
}

async fn backup(layout: &Layout, guest: &Guest, quiesce: Quiesce) -> Result<()> {
    let job = json!({
        "job-id": JOB, "device": ROOT, "target": NODE, "sync": "full",
        "auto-finalize": true, "auto-dismiss": false,
    });
    // The copy shows the disk as it is when the job begins: only that long are its file systems held still.
    let still = Still::make(layout, quiesce).await?;
    let begun = guest.qmp.execute("blockdev-backup", job).await;
    let thawed = match still {
        Some(still) => still.end().await,
        None => Ok(()),
    };
    begun.map_err(|error| error.during(EXPORT))?;
    let copied = finish(guest).await;
    thawed.and(copied)
}

/// Waits for the end of the job, which [`clear`] takes away.
async fn finish(guest: &Guest) -> Result<()> {
    loop {
        match job(guest).await? {
            Some(Job {
                concluded: false, ..
            }) => tokio::time::sleep(ASK).await,
            Some(Job { error: None, .. }) => return Ok(()),
            Some(Job {
                error: Some(why), ..
            }) => {
                return Err(DriverError::Hypervisor {
                    what: EXPORT.to_owned(),
                    why,
                });
            }
            None => {
                return Err(DriverError::Hypervisor {
                    what: EXPORT.to_owned(),
                    why: "the job that copies is gone".to_owned(),
                });
            }
        }
    }
}

/// How far the job is.
struct Job {
    concluded: bool,
    error: Option<String>,
}

/// The job that copies, if there is one.
async fn job(guest: &Guest) -> Result<Option<Job>> {
    let jobs = guest.qmp.execute("query-jobs", json!({})).await;
    let jobs = jobs.map_err(|error| error.during(EXPORT))?;
    let jobs = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |job: &Value, key: &str| job.get(key).and_then(Value::as_str).map(str::to_owned);
    let found = jobs
        .iter()
        .find(|job| text(job, "id").as_deref() == Some(JOB));
    Ok(found.map(|job| Job {
        concluded: text(job, "status").as_deref() == Some("concluded"),
        error: text(job, "error"),
    }))
}
