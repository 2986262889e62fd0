//! Volumes of running guests that others take the place of: by QEMU's mirror job.
//!
//! What the guest writes while the job runs goes to both files (`write-blocking`): the job comes to an end however much
//! is written, and from the moment that it is ready both files hold the same. The node of the new volume is named after
//! its source, so that QEMU alone tells how it stands: the device reads that node, or a job copies to it, or neither.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hypervisor::{DeviceCommand, DriverError, ReplaceVolume, Replacing, Result, Volume};
use serde_json::json;

use super::QemuDriver;
use super::volumes::{close, open_node, reads};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::qmp::{During, QmpError};
use crate::record::{self, Record};
use crate::volumes;

const COPY: &str = "copy the volume";
const SWITCH: &str = "switch to the new volume";
const END: &str = "end the copy of the volume";
/// Mirror jobs have names that begin so.
const JOBS: &str = "replace-";
const ASK: Duration = Duration::from_millis(20);
/// A job that is ready has at most the writes of a moment left, and one that is cancelled ends at once, unless a disk
/// hangs. Below what a host may take to answer.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A volume whose place another one is to take.
struct Seen {
    record: Record,
    /// Where it stands in the record's description.
    place: usize,
    guest: Option<Reading>,
}

/// A running guest that has it.
struct Reading {
    guest: Arc<Guest>,
    /// The node that its device reads.
    reads: String,
    /// The node of the new volume.
    twin: String,
}

impl Reading {
    fn job(&self) -> String {
        format!("{JOBS}{}", self.twin)
    }
}

#[async_trait]
impl ReplaceVolume for QemuDriver {
    async fn look_at_copy(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let layout = self.host.layout(id)?;
        let _held = self.host.locks.lock(id).await;
        let mut seen = self.seen(&layout, command, new).await?;
        seen.stands(&layout, new).await
    }

    async fn copy_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let layout = self.host.layout(id)?;
        let _held = self.host.locks.lock(id).await;
        let mut seen = self.seen(&layout, command, new).await?;
        match seen.stands(&layout, new).await? {
            Replacing::Idle => self.begin(&seen, new).await,
            other => Ok(other),
        }
    }

    async fn switch_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let layout = self.host.layout(id)?;
        let _held = self.host.locks.lock(id).await;
        let mut seen = self.seen(&layout, command, new).await?;
        let stands = seen.stands(&layout, new).await?;
        let Some(on) = seen.guest.as_mut().filter(|_| stands == Replacing::Ready) else {
            return Ok(stands);
        };
        let job = on.job();
        let asked = on.guest.qmp.execute("job-complete", json!({"id": job}));
        asked.await.map_err(|error| error.during(SWITCH))?;
        let failed = ended(&on.guest, &job).await?;
        on.reads = still_reads(&on.guest, new).await?;
        match failed {
            // What it reads decides, not how the job says that it ended.
            Some(why) if on.reads != on.twin => {
                close(&on.guest, &on.twin).await?;
                Err(failure(SWITCH, why))
            }
            _ => seen.stands(&layout, new).await,
        }
    }

    async fn keep_volume(
        &self,
        id: &str,
        command: DeviceCommand,
        new: &Volume,
    ) -> Result<Replacing> {
        let layout = self.host.layout(id)?;
        let _held = self.host.locks.lock(id).await;
        let mut seen = self.seen(&layout, command, new).await?;
        if let Some(on) = &mut seen.guest
            && on.reads != on.twin
        {
            let job = on.job();
            cancel(&on.guest, &job).await?;
            on.reads = still_reads(&on.guest, new).await?;
            if on.reads != on.twin {
                close(&on.guest, &on.twin).await?;
            }
        }
        seen.stands(&layout, new).await
    }
}

impl QemuDriver {
    /// Finds the volume that `new` is to take the place of; the command's number is kept.
    async fn seen(&self, layout: &Layout, command: DeviceCommand, new: &Volume) -> Result<Seen> {
        let record = self.host.commanded(layout, command)?;
        record::write(layout, &record)?;
        let mut known = record.spec.volumes.iter();
        let Some(place) = known.position(|known| known.id == new.id) else {
            return Err(DriverError::BadSpec {
                why: format!("server {} does not have volume {:.60}", layout.id(), new.id),
            });
        };
        let guest = match self.host.reach(layout).await? {
            None => None,
            Some(guest) => Some(Reading {
                reads: still_reads(&guest, new).await?,
                twin: volumes::twin(new)?,
                guest,
            }),
        };
        Ok(Seen {
            record,
            place,
            guest,
        })
    }

    /// Opens the new volume and begins to copy.
    async fn begin(&self, seen: &Seen, new: &Volume) -> Result<Replacing> {
        let unsupported = |what: &str| {
            Err(DriverError::Unsupported {
                what: what.to_owned(),
            })
        };
        let Some(on) = &seen.guest else {
            return unsupported("replacing a volume of a guest that does not run");
        };
        if seen.record.spec.volumes[seen.place].read_only || new.read_only || new.cdrom {
            return unsupported("replacing a volume that the guest only reads");
        }
        if [&seen.record.spec.volumes[seen.place], new]
            .iter()
            .any(|one| one.source.file().is_none())
        {
            return unsupported("replacing a volume that another machine serves, or by one");
        }
        let bytes = bytes_of(&on.guest, &on.reads).await?;
        close(&on.guest, &on.twin).await?;
        let of = (seen.record.spec.id.as_str(), new);
        open_node(&self.host, &on.guest, of, &on.twin, Some(bytes)).await?;
        let job = json!({
            "job-id": on.job(), "device": on.reads, "target": on.twin, "sync": "full",
            "filter-node-name": volumes::mirror(&new.id),
            "copy-mode": "write-blocking", "auto-finalize": true, "auto-dismiss": false,
        });
        if let Err(error) = on.guest.qmp.execute("blockdev-mirror", job).await {
            close(&on.guest, &on.twin).await?;
            return Err(error.during(COPY));
        }
        Ok(Replacing::Copying {
            copied: 0,
            total: bytes,
        })
    }
}

impl Seen {
    /// How it stands, as QEMU says. What is over is put right: the record of a guest that has the new volume, and what
    /// a copy that failed left open.
    async fn stands(&mut self, layout: &Layout, new: &Volume) -> Result<Replacing> {
        let known = &mut self.record.spec.volumes[self.place];
        let Some(on) = &self.guest else {
            return Ok(match known.source == new.source {
                true => Replacing::Switched,
                false => Replacing::Idle,
            });
        };
        let job = job(&on.guest, &on.job()).await?;
        if on.reads == on.twin {
            if job.is_some() {
                ended(&on.guest, &on.job()).await?;
            }
            known.clone_from(new);
            record::write(layout, &self.record)?;
            close_others(&on.guest, on, new).await?;
            return Ok(Replacing::Switched);
        }
        // It was started with the new one.
        if known.source == new.source {
            return Ok(Replacing::Switched);
        }
        let Some(job) = job else {
            return Ok(Replacing::Idle);
        };
        if job.concluded {
            let why = ended(&on.guest, &on.job()).await?;
            close(&on.guest, &on.twin).await?;
            return Err(failure(COPY, why.unwrap_or_else(|| "it ended".to_owned())));
        }
        Ok(match job.ready {
            true => Replacing::Ready,
            false => Replacing::Copying {
                copied: job.copied,
                total: job.total,
            },
        })
    }
}

/// Closes what the guest read before.
async fn close_others(guest: &Guest, on: &Reading, new: &Volume) -> Result<()> {
    for node in super::volumes::nodes(guest, &volumes::node(&new.id)).await? {
        if node != on.twin {
            close(guest, &node).await?;
        }
    }
    Ok(())
}

/// The node that the device of the volume reads now.
///
/// # Errors
/// `BadSpec`: the guest does not have the device.
async fn still_reads(guest: &Guest, new: &Volume) -> Result<String> {
    let found = reads(guest, &volumes::node(&new.id)).await?;
    found.ok_or_else(|| DriverError::BadSpec {
        why: format!("the guest does not have volume {:.60}", new.id),
    })
}

/// Bytes that a node shows.
async fn bytes_of(guest: &Guest, node: &str) -> Result<u64> {
    let asked = guest
        .qmp
        .execute("query-named-block-nodes", json!({"flat": true}));
    let nodes = asked.await.map_err(|error| error.during(COPY))?;
    let nodes = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let own = nodes.iter().find(|one| one["node-name"] == node);
    let bytes = own.and_then(|one| one["image"]["virtual-size"].as_u64());
    bytes.ok_or_else(|| failure(COPY, format!("{node} has no size")))
}

/// How far a job is.
struct Job {
    ready: bool,
    concluded: bool,
    copied: u64,
    total: u64,
    error: Option<String>,
}

async fn job(guest: &Guest, id: &str) -> Result<Option<Job>> {
    let jobs = guest.qmp.execute("query-jobs", json!({})).await;
    let jobs = jobs.map_err(|error| error.during(COPY))?;
    let jobs = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
    let found = jobs.iter().find(|job| job["id"] == id);
    Ok(found.map(|job| Job {
        // While it is completed or cancelled it is neither ready nor at its end.
        ready: job["status"] == "ready",
        concluded: job["status"] == "concluded",
        copied: job["current-progress"].as_u64().unwrap_or_default(),
        total: job["total-progress"].as_u64().unwrap_or_default(),
        error: job["error"].as_str().map(str::to_owned),
    }))
}

/// Waits until a job ended, and takes it away; why it failed, if it did.
async fn ended(guest: &Guest, id: &str) -> Result<Option<String>> {
    let began = Instant::now();
    while began.elapsed() < END_LIMIT {
        match job(guest, id).await? {
            None => return Ok(None),
            Some(job) if job.concluded => {
                let dismissed = guest.qmp.execute("job-dismiss", json!({"id": id}));
                dismissed.await.map_err(|error| error.during(END))?;
                return Ok(job.error);
            }
            Some(_) => tokio::time::sleep(ASK).await,
        }
    }
    Err(failure(END, "the job that copies does not end".to_owned()))
}

async fn cancel(guest: &Guest, id: &str) -> Result<()> {
    if job(guest, id).await?.is_none() {
        return Ok(());
    }
    // Without `force` a job that is ready would end as a copy.
    let asked = json!({"device": id, "force": true});
    match guest.qmp.execute("block-job-cancel", asked).await {
        // Refused for one that ends just now, or ended.
        Ok(_) | Err(QmpError::Refused { .. }) => {}
        Err(error) => return Err(error.during(END)),
    }
    ended(guest, id).await.map(drop)
}

/// Ends all copies of a guest's volumes: a guest whose memory is saved takes none along.
///
/// # Errors
/// QEMU does not answer, or does not let go.
pub(super) async fn end_copies(guest: &Guest) -> Result<()> {
    let jobs = guest.qmp.execute("query-jobs", json!({})).await;
    let jobs = jobs.map_err(|error| error.during(END))?;
    let jobs = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = jobs.iter().filter_map(|job| job["id"].as_str());
    let ids: Vec<&str> = ids.filter(|id| id.starts_with(JOBS)).collect();
    for id in ids {
        cancel(guest, id).await?;
        let twin = id.strip_prefix(JOBS).unwrap_or_default();
        // One that was about to switch did.
        let node = twin.split('.').next().unwrap_or_default();
        if reads(guest, node).await?.as_deref() != Some(twin) {
            close(guest, twin).await?;
        }
    }
    Ok(())
}

fn failure(what: &str, why: String) -> DriverError {
    DriverError::Hypervisor {
        what: what.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use hypervisor::VolumeSource;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_node_of_a_new_volume_tells_its_source() {
        let mut new = Volume {
            id: "0d7b1a2c-6a3e-4f0e-9f41-000000000001".to_owned(),
            source: VolumeSource::File {
                path: "/one".into(),
            },
            read_only: false,
            shared: false,
            limits: Default::default(),
            bus: None,
            boot: false,
            boot_order: None,
            cdrom: false,
            tag: None,
        };
        let one = volumes::twin(&new).unwrap();
        assert_eq!(one, volumes::twin(&new).unwrap());
        new.source = VolumeSource::File {
            path: "/two".into(),
        };
        let two = volumes::twin(&new).unwrap();
        assert_ne!(one, two);
        // As long as QEMU allows.
        assert_eq!(two.len(), 31);
        let node = volumes::node(&new.id);
        assert!(volumes::is_of(&node, &one) && volumes::is_of(&node, &node));
        assert!(!volumes::is_of(&node, "root") && !volumes::is_of(&one, &two));
        let longer = format!("{node}x");
        assert!(!volumes::is_of(&node, &longer));
    }

    #[test]
    fn a_renamed_node_takes_its_limits_along() {
        let node = |limits: Option<Value>, block: Value| volumes::named((limits, block), "twin");
        let (none, mut block) = node(None, json!({"driver": "raw", "node-name": "old"}));
        volumes::shortened(&mut block, 512);
        assert_eq!(none, None);
        assert_eq!(
            block,
            json!({"driver": "raw", "node-name": "twin", "size": 512})
        );
        let above = json!({"driver": "throttle", "node-name": "old", "throttle-group": "limits-old", "file": {}});
        let (limits, mut block) = node(Some(json!({"id": "limits-old"})), above);
        volumes::shortened(&mut block, 512);
        assert_eq!(limits, Some(json!({"id": "limits-twin"})));
        assert_eq!(
            (&block["throttle-group"], &block["file"]["size"]),
            (&json!("limits-twin"), &json!(512))
        );
    }
}
