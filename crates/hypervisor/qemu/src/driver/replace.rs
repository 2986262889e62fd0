//! Volumes of running guests that others take the place of: by QEMU's mirror job.
//!
//! What the guest writes while the job runs goes to both files (`write-blocking`): the job comes to an end however much
//! is written, and from the moment that it is ready both files hold the same. How it stands, QEMU and the kernel tell: the
//! device reads a node that has the new file open, or a job copies to that very file ([`super::copies`]), or neither.
//!
//! What another machine serves, the old one, the new one or both, QEMU has by a storage daemon. For the new one that is a
//! second daemon of the same volume, in a slot of its own ([`crate::slot`]); what it serves stands in its folder, and tells
//! in the place of a file which volume a node is. No two exports have the same source.
//!
//! The guest switches in three steps: the job waits with the guest's requests, the record names the new volume, durably,
//! and the job gives the guest the new node. Whatever dies in between, the record names a file that holds all. Who looks
//! next at a job that waits goes on if the record names the new volume.

use std::sync::Arc;

use async_trait::async_trait;
use hypervisor::{DeviceCommand, DriverError, ReplaceVolume, Replacing, Result, Volume};
use serde_json::json;

use super::copies::{self, COPY, Job, Stage, failure};
use super::nodes::{close, file_of, is_of, nodes, reads, served_as};
use super::volumes::open_slot;
use super::{Host, QemuDriver};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::qmp::During;
use crate::record::{self, Record};
use crate::slot::Slot;
use crate::volumes::{self, FileId};

/// A volume whose place another one is to take.
struct Seen {
    record: Record,
    /// Where it stands in the record's description.
    place: usize,
    /// The file of the new one.
    file: Option<FileId>,
    guest: Option<Reading>,
}

/// A running guest that has it.
struct Reading {
    host: Arc<Host>,
    layout: Layout,
    guest: Arc<Guest>,
    /// The node that its device reads.
    reads: String,
    /// Whether that is the new one.
    has_new: bool,
    /// Whether nothing but the record tells which one that is.
    is_untold: bool,
    /// The node of the new volume.
    twin: String,
    /// The job that copies to it.
    job: String,
}

impl Reading {
    async fn of(
        (host, layout, guest): (&Arc<Host>, &Layout, Arc<Guest>),
        new: &Volume,
        file: Option<FileId>,
    ) -> Result<Self> {
        let twin = volumes::twin(new, file)?;
        let mut on = Self {
            host: host.clone(),
            layout: layout.clone(),
            guest,
            reads: String::new(),
            has_new: false,
            is_untold: false,
            job: copies::name(&twin, file),
            twin,
        };
        on.look(new, file).await?;
        Ok(on)
    }

    /// Asks what the device reads now.
    async fn look(&mut self, new: &Volume, file: Option<FileId>) -> Result<()> {
        self.reads = still_reads(&self.guest, new).await?;
        let (guest, layout, reads) = (&self.guest, &self.layout, self.reads.as_str());
        self.has_new = is_of(guest, layout, reads, (new, file)).await?;
        let is_told = match new.source.file() {
            Some(_) => file.is_some(),
            None => file_of(guest, reads).await?.is_some(),
        };
        self.is_untold = !is_told && served_as(layout, new, reads)?.is_none();
        Ok(())
    }

    /// The job that copies to the new volume. What the daemon of its slot serves must be that one: the word in the names of
    /// both is short.
    async fn copy(&self, new: &Volume) -> Result<Option<Job>> {
        let job = copies::job(&self.guest, &self.job).await?;
        if new.source.file().is_some() {
            return Ok(job);
        }
        let served = served_as(&self.layout, new, &self.twin)?;
        let same = served.is_some_and(|served| served.source == new.source);
        Ok(job.filter(|_| same))
    }

    /// Ends all copies of the volume, of this attempt and of others, and closes what the guest does not read.
    async fn clear(&mut self, new: &Volume, file: Option<FileId>) -> Result<()> {
        let node = volumes::node(&new.id);
        for job in copies::jobs(&self.guest).await? {
            if job.is_of(&node) {
                copies::cancel(&self.guest, &job.id).await?;
            }
        }
        self.look(new, file).await?;
        self.close_others(new).await
    }

    /// Closes the nodes of the volume that the guest does not read, and ends their daemons.
    async fn close_others(&self, new: &Volume) -> Result<()> {
        for node in nodes(&self.guest, &volumes::node(&new.id)).await? {
            if node != self.reads {
                close(&self.guest, &node).await?;
            }
        }
        let host = &self.host;
        host.unserve_closed(&self.layout, &self.guest, &new.id)
            .await
    }

    /// The same where the failure that led here is what counts: what stays is closed by who looks next.
    async fn close_failed(&self, new: &Volume) {
        if let Err(error) = self.close_others(new).await {
            let (server, volume) = (self.layout.id(), &new.id);
            tracing::error!(server, volume, %error, "what was to take the place of a volume stays open");
        }
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
            Replacing::Idle => self.begin(&layout, &mut seen, new).await,
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
        match seen.stands(&layout, new).await? {
            Replacing::Ready => seen.switch(&layout, new).await,
            other => Ok(other),
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
            && !on.has_new
        {
            let job = on.copy(new).await?;
            let decided = is_named(&seen.record, seen.place, new)
                && job.is_some_and(|job| job.stage == Stage::Pending);
            if !decided {
                on.clear(new, seen.file).await?;
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
        let file = volumes::file_id(new)?;
        let guest = match self.host.reach(layout).await? {
            None => None,
            Some(guest) => Some(Reading::of((&self.host, layout, guest), new, file).await?),
        };
        Ok(Seen {
            record,
            place,
            file,
            guest,
        })
    }

    /// Opens the new volume and begins to copy. Nothing of an earlier copy stays.
    async fn begin(&self, layout: &Layout, seen: &mut Seen, new: &Volume) -> Result<Replacing> {
        let unsupported = |what: &str| {
            Err(DriverError::Unsupported {
                what: what.to_owned(),
            })
        };
        let old = &seen.record.spec.volumes[seen.place];
        let Some(on) = &mut seen.guest else {
            return unsupported("replacing a volume of a guest that does not run");
        };
        if old.read_only || new.read_only || new.cdrom {
            return unsupported("replacing a volume that the guest only reads");
        }
        on.clear(new, seen.file).await?;
        let slot = Slot::of_node(&new.id, &on.twin)?;
        // One in sixteen millions.
        let slot = slot.filter(|_| on.twin != on.reads).ok_or_else(|| {
            let why = "its name would be that of the volume whose place it is to take";
            failure(COPY, why.to_owned())
        })?;
        let bytes = bytes_of(&on.guest, &on.reads).await?;
        let of = (layout, &seen.record);
        let opened = open_slot(&self.host, &on.guest, of, (new, &slot, Some(bytes))).await;
        if let Err(error) = opened {
            on.close_failed(new).await;
            return Err(error);
        }
        if file_of(&on.guest, &on.twin).await? != seen.file {
            on.close_others(new).await?;
            let why = "its file was replaced while it was opened";
            return Err(busy(&seen.record, new, why));
        }
        let job = json!({
            "job-id": on.job, "device": on.reads, "target": on.twin, "sync": "full",
            "filter-node-name": volumes::mirror(&volumes::node(&new.id)),
            "copy-mode": "write-blocking", "auto-finalize": false, "auto-dismiss": false,
        });
        if let Err(error) = on.guest.qmp.execute("blockdev-mirror", job).await {
            on.close_failed(new).await;
            return Err(error.during(COPY));
        }
        Ok(Replacing::Copying {
            copied: 0,
            total: bytes,
        })
    }
}

impl Seen {
    /// How it stands, as QEMU says. What was decided is done, and what is over is put right: the record, and what a copy
    /// that failed left open.
    async fn stands(&mut self, layout: &Layout, new: &Volume) -> Result<Replacing> {
        let named = is_named(&self.record, self.place, new);
        let Some(on) = &mut self.guest else {
            return Ok(match named {
                true => Replacing::Switched,
                false => Replacing::Idle,
            });
        };
        if !on.has_new {
            let Some(job) = on.copy(new).await? else {
                let restored = restore(layout, &mut self.record, &new.id)?;
                // The guest was started with the new one.
                return Ok(match named && !restored && on.is_untold {
                    true => Replacing::Switched,
                    false => Replacing::Idle,
                });
            };
            let failed = match job.stage {
                Stage::Running => {
                    return Ok(Replacing::Copying {
                        copied: job.copied,
                        total: job.total,
                    });
                }
                Stage::Ready => return Ok(Replacing::Ready),
                // Whether the guest switches is not decided: it waits, and both hold the same.
                Stage::Pending if !named => return Ok(Replacing::Ready),
                Stage::Between => {
                    return Err(busy(&self.record, new, "its copy is about to end"));
                }
                Stage::Pending => copies::finalize(&on.guest, &on.job).await?,
                Stage::Concluded => {
                    // Before QEMU forgets that it failed.
                    restore(layout, &mut self.record, &new.id)?;
                    copies::ended(&on.guest, &on.job).await?
                }
            };
            on.look(new, self.file).await?;
            if !on.has_new {
                restore(layout, &mut self.record, &new.id)?;
                on.close_others(new).await?;
                let why = failed.unwrap_or_else(|| "it ended".to_owned());
                return Err(failure(COPY, why));
            }
        }
        // What it reads decides, not how the job says that it ended.
        if copies::job(&on.guest, &on.job).await?.is_some() {
            copies::ended(&on.guest, &on.job).await?;
        }
        self.record.spec.volumes[self.place].clone_from(new);
        self.record.switching = None;
        record::write(layout, &self.record)?;
        on.close_others(new).await?;
        Ok(Replacing::Switched)
    }

    /// Has a guest whose copy is ready switch. `Idle`: it did not, and has the old one.
    async fn switch(&mut self, layout: &Layout, new: &Volume) -> Result<Replacing> {
        let Some(on) = &mut self.guest else {
            return Ok(Replacing::Idle);
        };
        let mut failed = copies::settled(&on.guest, &on.job).await?;
        if failed.is_none() {
            let known = &mut self.record.spec.volumes[self.place];
            self.record.switching = Some(std::mem::replace(known, new.clone()));
            if let Err(error) = record::write(layout, &self.record) {
                // The guest's requests wait for as long as the job does.
                on.clear(new, self.file).await?;
                return Err(error);
            }
            failed = copies::finalize(&on.guest, &on.job).await?;
        }
        on.look(new, self.file).await?;
        if on.has_new {
            return self.stands(layout, new).await;
        }
        let why = failed.unwrap_or_else(|| "it ended".to_owned());
        tracing::error!(
            server = layout.id(),
            volume = new.id,
            why,
            "a guest did not switch to its new volume, and keeps the old one"
        );
        restore(layout, &mut self.record, &new.id)?;
        on.clear(new, self.file).await?;
        Ok(Replacing::Idle)
    }
}

/// Whether the record names the new volume.
fn is_named(record: &Record, place: usize, new: &Volume) -> bool {
    record.spec.volumes[place].source == new.source
}

/// The guest did not get the volume that the record names already: it names the old one again. Whether there was one.
fn restore(layout: &Layout, record: &mut Record, volume_id: &str) -> Result<bool> {
    let before = record.switching.take_if(|before| before.id == volume_id);
    let Some(before) = before else {
        return Ok(false);
    };
    let mut volumes = record.spec.volumes.iter_mut();
    if let Some(known) = volumes.find(|known| known.id == volume_id) {
        *known = before;
    }
    record::write(layout, record)?;
    Ok(true)
}

fn busy(record: &Record, new: &Volume, why: &str) -> DriverError {
    DriverError::Busy {
        id: record.spec.id.clone(),
        what: format!("volume {:.60}: {why}", new.id),
    }
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

/// Ends all copies of a guest's volumes: a guest whose memory is saved takes none along. One of which it is decided that
/// the guest switches does, if it still can.
///
/// # Errors
/// QEMU does not answer, or does not let go; the record cannot be written.
pub(super) async fn end_copies(guest: &Guest, layout: &Layout, record: &mut Record) -> Result<()> {
    for job in copies::jobs(guest).await? {
        let twin = job.twin();
        let node = twin.split('.').next().unwrap_or_default();
        let switching = record.switching.as_ref();
        let decided = switching.is_some_and(|before| volumes::node(&before.id) == node);
        match decided && job.stage == Stage::Pending {
            true => drop(copies::finalize(guest, &job.id).await?),
            false => copies::cancel(guest, &job.id).await?,
        }
        // One that was about to switch did.
        if reads(guest, node).await?.as_deref() != Some(twin) {
            close(guest, twin).await?;
        }
    }
    let Some(id) = record.switching.as_ref().map(|before| before.id.clone()) else {
        return Ok(());
    };
    let mut known = record.spec.volumes.iter();
    let known = known.find(|known| known.id == id);
    let has_named = match (reads(guest, &volumes::node(&id)).await?, known) {
        (Some(node), Some(known)) => {
            let file = volumes::file_id(known)?;
            is_of(guest, layout, &node, (known, file)).await?
        }
        (None, _) | (_, None) => false,
    };
    if !has_named {
        return restore(layout, record, &id).map(drop);
    }
    record.switching = None;
    record::write(layout, record)
}

#[cfg(test)]
mod tests {
    use hypervisor::VolumeSource;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_node_of_a_new_volume_tells_its_source_and_its_file() {
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
        let one = volumes::twin(&new, None).unwrap();
        assert_eq!(one, volumes::twin(&new, None).unwrap());
        let files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
        let [first, second] = files.each_ref().map(|file| {
            let file = FileId::of(&file.metadata().unwrap());
            volumes::twin(&new, Some(file)).unwrap()
        });
        assert_ne!(first, second, "another file at the same path");
        assert_ne!(first, one);
        new.source = VolumeSource::File {
            path: "/two".into(),
        };
        let two = volumes::twin(&new, None).unwrap();
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
    fn a_record_names_the_old_volume_again_whose_guest_did_not_switch() {
        let dir = tempfile::tempdir().unwrap();
        let id = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";
        let layout = Layout::new(dir.path(), id).unwrap();
        std::fs::create_dir_all(layout.dir()).unwrap();
        let volume = |path: &str| Volume {
            id: "0d7b1a2c-6a3e-4f0e-9f41-000000000002".to_owned(),
            source: VolumeSource::File { path: path.into() },
            read_only: false,
            shared: false,
            limits: Default::default(),
            bus: None,
            boot: false,
            boot_order: None,
            cdrom: false,
            tag: None,
        };
        let [old, new] = [volume("/old"), volume("/new")];
        let mut spec = hypervisor::ServerSpec::minimal(id, "one");
        spec.volumes = vec![new.clone()];
        let mut record = Record::new(&spec);
        assert!(!restore(&layout, &mut record, &new.id).unwrap());
        assert!(is_named(&record, 0, &new));
        record.switching = Some(old.clone());
        assert!(!restore(&layout, &mut record, id).unwrap(), "another one");
        assert!(restore(&layout, &mut record, &new.id).unwrap());
        assert_eq!(record.spec.volumes, [old]);
        assert_eq!(record::read(&layout).unwrap(), Some(record.clone()));
        // A start names what it starts with.
        record.switching = Some(new);
        record.describe(&spec);
        assert_eq!(record.switching, None);
    }

    #[test]
    fn a_node_in_another_slot_takes_its_limits_along_and_shows_as_much_as_is_said() {
        let id = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";
        let of = |source: Value, rate: u64| {
            let mut new: Volume =
                serde_json::from_value(json!({"id": id, "source": source})).unwrap();
            new.limits.rates.bytes.total = rate;
            let twin = volumes::twin(&new, None).unwrap();
            let slot = Slot::of_node(id, &twin).unwrap().unwrap();
            let (limits, mut block) = volumes::block_node(&new, 100, &slot);
            volumes::shortened(&mut block, 512);
            (twin, slot, limits, block)
        };
        let file = json!({"file": {"path": "/one"}});
        let nbd = json!({"nbd": {"host": "10.0.0.1", "port": 10_809, "export": "one"}});
        let (twin, _, none, block) = of(file.clone(), 0);
        assert_eq!(none, None);
        let driver = block["driver"].as_str();
        assert_eq!((driver, &block["size"]), (Some("raw"), &json!(512)));
        assert_eq!(block["node-name"], twin.as_str());
        let (twin, slot, none, block) = of(nbd.clone(), 0);
        assert_eq!(none, None);
        let path = Layout::served(&slot);
        assert_eq!(block["driver"], "raw");
        assert_eq!(block["node-name"], twin.as_str());
        assert_eq!(block["size"], 512);
        assert_eq!(block["file"]["server"]["path"], path.to_str().unwrap());
        assert_eq!(block["file"].get("node-name"), None);
        for source in [file, nbd] {
            let (twin, _, limits, block) = of(source, 1 << 20);
            let group = volumes::limits_of(&twin);
            assert_eq!(limits.unwrap()["id"], group.as_str());
            assert_eq!(block["throttle-group"], group.as_str());
            assert_eq!(block["node-name"], twin.as_str());
            assert_eq!(block["file"]["driver"], "raw");
            assert_eq!(block["file"]["size"], 512);
        }
    }
}
