//! Exporting a root disk as one file: by QEMU's backup job while the guest runs, by qemu-img when it does not.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use hypervisor::{DriverError, PowerState, Quiesce, Result, Snapshot, SnapshotFacts, qcow2};
use serde_json::{Value, json};

use super::QemuDriver;
use super::guest_agent::Still;
use crate::guest::Guest;
use crate::layout::Layout;
use crate::{disks, durable, record};

const ASK: Duration = Duration::from_millis(20);
const JOB: &str = "snapshot";
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
        if known.spec.root_disk.is_none() {
            return Err(DriverError::Unsupported {
                what: "a snapshot of a server without a local disk".to_owned(),
            });
        }
        let target =
            std::path::absolute(target).map_err(DriverError::io("resolve the snapshot's path"))?;
        let part = part_of(&target);
        let _ = std::fs::remove_file(&part);
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
    let during = |error: crate::qmp::QmpError| error.during("export the disk");
    // By a descriptor: the path does not exist for QEMU.
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(part);
    let opened = opened.map_err(DriverError::io(format!("open {}", part.display())))?;
    guest
        .qmp
        .add_fd(FD_SET, opened.as_fd())
        .await
        .map_err(during)?;
    let file =
        json!({"driver": "file", "filename": format!("/dev/fdset/{FD_SET}"), "discard": "unmap"});
    let node = json!({"driver": "qcow2", "node-name": "export", "discard": "unmap", "file": file, "backing": null});
    let result = match guest.qmp.execute("blockdev-add", node).await {
        Ok(_) => {
            let result = backup(layout, guest, quiesce).await;
            let name = json!({"node-name": "export"});
            let closed = guest.qmp.execute("blockdev-del", name).await;
            result.and(closed.map(drop).map_err(during))
        }
        Err(error) => Err(during(error)),
    };
    let removed = guest
        .qmp
        .execute("remove-fd", json!({"fdset-id": FD_SET}))
        .await;
    result.and(removed.map(drop).map_err(during))
}

async fn backup(layout: &Layout, guest: &Guest, quiesce: Quiesce) -> Result<()> {
    let during = |error: crate::qmp::QmpError| error.during("export the disk");
    let job = json!({
        "job-id": JOB, "device": "root", "target": "export", "sync": "full",
        "auto-finalize": true, "auto-dismiss": false,
    });
    // The copy shows the disk as it is when the job begins: only that long are its file systems held still.
    let still = Still::make(layout, quiesce).await?;
    let begun = guest.qmp.execute("blockdev-backup", job).await;
    let thawed = match still {
        Some(still) => still.end().await,
        None => Ok(()),
    };
    begun.map_err(during)?;
    let copied = finish(guest).await;
    thawed.and(copied)
}

async fn finish(guest: &Guest) -> Result<()> {
    let during = |error: crate::qmp::QmpError| error.during("export the disk");
    loop {
        let jobs = guest
            .qmp
            .execute("query-jobs", json!({}))
            .await
            .map_err(during)?;
        let jobs = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
        let job = jobs
            .iter()
            .find(|job| job.get("id").and_then(Value::as_str) == Some(JOB));
        let text = |key: &str| job.and_then(|job| job.get(key)).and_then(Value::as_str);
        if text("status") == Some("concluded") || job.is_none() {
            let error = text("error").map(str::to_owned);
            guest
                .qmp
                .execute("job-dismiss", json!({"id": JOB}))
                .await
                .map_err(during)?;
            return match error {
                Some(why) => Err(DriverError::Hypervisor {
                    what: "export the disk".to_owned(),
                    why,
                }),
                None => Ok(()),
            };
        }
        tokio::time::sleep(ASK).await;
    }
}
