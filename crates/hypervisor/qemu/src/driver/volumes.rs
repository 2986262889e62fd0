//! Plugging volumes into servers, running or not.
//!
//! Of a running guest QEMU itself is asked what it has, not the record: a driver that died in between leaves a volume
//! plugged and not recorded, or a node whose device the guest let go of late. Both are put right by the next call. That a
//! guest is about to let go late, QEMU does not say: until it did, the volume is plugged.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hypervisor::{DeviceCommand, DriverError, HotplugVolume, Result, ServerSpec, Volume, parse_id};
use serde_json::{Value, json};

use super::hotplug::{add_device, remove_device, unknown_device};
use super::{Host, QemuDriver};
use crate::addresses::Address;
use crate::args::{self, Bus, disk_id};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::qmp::{During, QmpError};
use crate::record::Record;
use crate::served::failed;
use crate::volumes::{self, FileId, Opened};
use crate::{file_size, record};

const PLUG: &str = "plug the volume";
const UNPLUG: &str = "unplug the volume";
/// QEMU lets go of a node some moments after it said that its device is gone.
const RELEASE: Duration = Duration::from_secs(5);
/// QEMU tries again to connect after 1, 2, 4, 8, 16 s.
const RECONNECT: Duration = Duration::from_secs(30);
const RELEASE_ASK: Duration = Duration::from_millis(20);

#[async_trait]
impl HotplugVolume for QemuDriver {
    async fn attach_volume(&self, id: &str, command: DeviceCommand, volume: &Volume) -> Result<()> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut known = host.commanded(&layout, command)?;
        let mut spec = known.spec.clone();
        let has = spec.volumes.iter().any(|other| other.id == volume.id);
        if !has {
            spec.volumes.push(volume.clone());
            args::check(&spec, &host.settings)?;
        }
        match host.reach(&layout).await? {
            Some(guest) => {
                let node = volumes::node(&volume.id);
                if reads(&guest, &node).await?.is_some() {
                    tracing::debug!(server = id, volume = volume.id, "it is plugged");
                } else {
                    plug(host, &guest, (&layout, &known), &spec, volume).await?;
                }
            }
            None if has => {}
            None => {
                host.awake(&layout, &known)?;
                check(host, (&layout, &known), volume).await?;
            }
        }
        known.spec = spec;
        record::write(&layout, &known)
    }

    async fn detach_volume(&self, id: &str, command: DeviceCommand, volume_id: &str) -> Result<()> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let mut known = host.commanded(&layout, command)?;
        let has = |volume: &Volume| volume.id == volume_id;
        let node = volumes::node(volume_id);
        match host.reach(&layout).await? {
            Some(guest) => {
                let mut volumes = known.spec.volumes.iter();
                if let Some(volume) = volumes.find(|&volume| has(volume)) {
                    unpluggable(host, &known, volume)?;
                }
                if reads(&guest, &node).await?.is_some() {
                    let (device, limit) = (disk_id(&node), host.unplug_limit());
                    remove_device(&guest, &device, limit, UNPLUG).await?;
                }
                close_all(&guest, &node).await?;
            }
            None if known.spec.volumes.iter().any(has) => host.awake(&layout, &known)?,
            None => {}
        }
        if parse_id(volume_id).is_ok() {
            host.unserve(&layout, volume_id).await?;
        }
        known.spec.volumes.retain(|volume| !has(volume));
        known.switching = known.switching.filter(|volume| !has(volume));
        record::write(&layout, &known)
    }

    async fn resize_volume(&self, id: &str, volume_id: &str) -> Result<()> {
        let host = &self.host;
        let layout = host.layout(id)?;
        let _held = host.locks.lock(id).await;
        let known = host.known(&layout)?;
        let mut volumes = known.spec.volumes.iter();
        let Some(volume) = volumes.find(|volume| volume.id == volume_id) else {
            return Err(DriverError::BadSpec {
                why: format!("server {id} does not have volume {volume_id:.60}"),
            });
        };
        let Some(guest) = host.reach(&layout).await? else {
            return Ok(());
        };
        let bytes = match volume.source.file() {
            Some(_) => {
                let (_, bytes) = volumes::file(volume, &host.settings)?;
                file_size::allow(guest.process.pid, bytes)?;
                bytes
            }
            None => reopened(host, &guest, (&layout, &known), volume).await?,
        };
        let node = volumes::node(volume_id);
        let node = reads(&guest, &node).await?.unwrap_or(node);
        let size = json!({"node-name": node, "size": bytes});
        let resized = guest.qmp.execute("block_resize", size).await;
        resized
            .map(drop)
            .map_err(|error| error.during("resize the volume"))
    }
}

async fn open(host: &std::sync::Arc<Host>, server: &str, volume: &Volume) -> Result<Opened> {
    let (host, server, volume) = (host.clone(), server.to_owned(), volume.clone());
    let opened =
        tokio::task::spawn_blocking(move || volumes::open(&volume, &host.settings, &server));
    opened
        .await
        .map_err(|error| DriverError::io("open the volume")(std::io::Error::other(error)))?
}

/// Can this host open the volume?
async fn check(
    host: &std::sync::Arc<Host>,
    (layout, record): (&Layout, &Record),
    volume: &Volume,
) -> Result<()> {
    if volume.source.file().is_some() {
        return open(host, layout.id(), volume).await.map(drop);
    }
    let served = host.serve(layout, record, volume).await;
    host.unserve(layout, &volume.id).await?;
    served.map(drop)
}

/// Opens a served volume anew, with the length that it has by now, and lets QEMU connect to it again. QEMU's server of NBD
/// tells no client that a volume grew, and its client learns of it by a new connection alone.
async fn reopened(
    host: &std::sync::Arc<Host>,
    guest: &Guest,
    (layout, record): (&Layout, &Record),
    volume: &Volume,
) -> Result<u64> {
    let folder = layout.daemon(&volume.id)?;
    let ended = storage_daemon::end(&folder, storage_daemon::Limits::default());
    ended.await.map_err(|error| failed(&volume.id, error))?;
    let bytes = host.serve(layout, record, volume).await?;
    // A read makes it connect. What it read is shown to nobody.
    let command = format!("qemu-io {} \"read 0 512\"", volumes::node(&volume.id));
    let read = json!({"command-line": command});
    let read = guest
        .qmp
        .execute_within("human-monitor-command", read, RECONNECT);
    read.await
        .map_err(|error| error.during("connect to the volume again"))?;
    Ok(bytes)
}

/// The node that the device of a volume reads, if there is such a device: that of the volume, or of what took its place.
///
/// # Errors
/// `Hypervisor`, when it reads another one: that is nobody's to touch.
pub(super) async fn reads(guest: &Guest, node: &str) -> Result<Option<String>> {
    let path = format!("/machine/peripheral/{}", disk_id(node));
    let asked = json!({"path": path, "property": "drive"});
    match guest.qmp.execute("qom-get", asked).await {
        Ok(Value::String(drive)) if volumes::is_of(node, &drive) => Ok(Some(drive)),
        Ok(drive) => Err(DriverError::Hypervisor {
            what: "find the volume's device".to_owned(),
            why: format!("the device of its name reads {drive}"),
        }),
        Err(error) if unknown_device(&error) => Ok(None),
        Err(error) => Err(error.during("find the volume's device")),
    }
}

/// The file that QEMU has open as the node of this name; none: the node is no file of this machine, or there is no such
/// node.
///
/// # Errors
/// `Hypervisor`, `Io`: what QEMU has open cannot be looked at.
pub(super) async fn file_of(guest: &Guest, node: &str) -> Result<Option<FileId>> {
    let sets = guest.qmp.execute("query-fdsets", json!({})).await;
    let sets = sets.map_err(|error| error.during("find the volume's file"))?;
    let sets = sets.as_array().map(Vec::as_slice).unwrap_or_default();
    let fds = sets
        .iter()
        .filter_map(|set| set["fds"].as_array())
        .flatten();
    let mut marked = fds.filter(|fd| fd["opaque"] == node);
    let Some(fd) = marked.find_map(|fd| fd["fd"].as_u64()) else {
        return Ok(None);
    };
    let path = format!("/proc/{}/fd/{fd}", guest.process.pid);
    let metadata = std::fs::metadata(&path);
    let metadata = metadata.map_err(DriverError::io(format!("look at {path}")))?;
    Ok(Some(FileId::of(&metadata)))
}

async fn plug(
    host: &std::sync::Arc<Host>,
    guest: &Guest,
    (layout, record): (&Layout, &Record),
    spec: &ServerSpec,
    volume: &Volume,
) -> Result<()> {
    let q35 = host.q35(record);
    let bus = args::volume_bus(spec, volume, q35)?;
    let address = room(guest, bus).await?;
    let node = volumes::node(&volume.id);
    // What an earlier call left there.
    close_all(guest, &node).await?;
    let device = args::volume_device(spec, volume, bus, address);
    let of = (&*spec.id, volume);
    let result = async {
        match volume.source.file() {
            Some(_) => open_node(host, guest, of, &node, None).await?,
            None => {
                host.serve(layout, record, volume).await?;
                add_node(guest, volumes::block_node(volume, volumes::FIRST_SET)?).await?;
            }
        }
        let port = q35 && bus == Bus::Virtio;
        add_device(guest, device.command(), port, PLUG).await
    };
    let result = result.await;
    if result.is_err()
        && close_unused(guest, of, &node).await
        && let Err(error) = host.unserve(layout, &volume.id).await
    {
        tracing::error!(server = spec.id, volume = volume.id, %error, "a storage daemon stays");
    }
    result
}

/// Has QEMU open a volume of a server, a file of this machine, as a node of this name. It shows `bytes` of it, if they are
/// said, or all.
///
/// # Errors
/// As [`volumes::open`]; `BadSpec` when there are fewer bytes than said.
pub(super) async fn open_node(
    host: &std::sync::Arc<Host>,
    guest: &Guest,
    (server, volume): (&str, &Volume),
    node: &str,
    bytes: Option<u64>,
) -> Result<()> {
    let during = |error: QmpError| error.during(PLUG);
    let opened = open(host, server, volume).await?;
    if bytes.is_some_and(|bytes| opened.bytes < bytes) {
        return Err(DriverError::BadSpec {
            why: format!(
                "volume {:.60}: what is to take its place is smaller",
                volume.id
            ),
        });
    }
    file_size::allow(guest.process.pid, opened.bytes)?;
    let sets = descriptor_sets(guest).await.map_err(during)?;
    let taken = |set: &u32| sets.iter().any(|(number, _)| number == set);
    let set = (volumes::FIRST_SET..).find(|set| !taken(set));
    let set = set.unwrap_or(volumes::FIRST_SET);
    let result = async {
        let added = guest.qmp.add_marked_fd(set, opened.fd.as_fd(), node);
        added.await.map_err(during)?;
        let (limits, mut block) = volumes::named(volumes::block_node(volume, set)?, node);
        if let Some(bytes) = bytes.filter(|bytes| *bytes < opened.bytes) {
            volumes::shortened(&mut block, bytes);
        }
        add_node(guest, (limits, block)).await
    };
    let result = result.await;
    if result.is_err() {
        close_unused(guest, (server, volume), node).await;
    }
    result
}

/// Has QEMU open a node, with its limits.
async fn add_node(guest: &Guest, (limits, block): (Option<Value>, Value)) -> Result<()> {
    let during = |error: QmpError| error.during(PLUG);
    if let Some(limits) = limits {
        let added = guest.qmp.execute("object-add", limits).await;
        added.map_err(during)?;
    }
    let added = guest.qmp.execute("blockdev-add", block).await;
    added.map_err(during).map(drop)
}

/// Closes a node that came to no use; whether it is closed.
async fn close_unused(guest: &Guest, (server, volume): (&str, &Volume), node: &str) -> bool {
    let closed = close(guest, node).await;
    if let Err(error) = &closed {
        tracing::error!(server, volume = volume.id, %error, "a volume that could not be plugged stays open");
    }
    closed.is_ok()
}

/// Where a volume goes that is plugged in now.
///
/// # Errors
/// `Unsupported`: the bus takes none from a running guest, or the guest does not have it.
async fn room(guest: &Guest, bus: Bus) -> Result<Address> {
    let unsupported = |what: &str| {
        Err(DriverError::Unsupported {
            what: what.to_owned(),
        })
    };
    match bus {
        Bus::Virtio => Ok(Address::default()),
        Bus::Ide | Bus::Sata | Bus::Usb => {
            unsupported("plugging a volume into the bus IDE, SATA or USB of a running guest")
        }
        Bus::Scsi => {
            let path = format!("/machine/peripheral/{}", args::SCSI);
            match guest.qmp.execute("qom-list", json!({"path": path})).await {
                Ok(_) => Ok(Address {
                    bus: Some(format!("{}.0", args::SCSI)),
                    place: None,
                }),
                Err(QmpError::Refused { .. }) => {
                    unsupported("plugging a SCSI volume into a guest that has no SCSI bus")
                }
                Err(error) => Err(error.during(PLUG)),
            }
        }
    }
}

/// Refuses to take a volume from a bus of a running guest that keeps its devices. QEMU would say so for IDE and SATA; of
/// a USB disk it does not say any more what that reads.
///
/// # Errors
/// `Unsupported`.
fn unpluggable(host: &Host, known: &Record, volume: &Volume) -> Result<()> {
    match args::volume_bus(&known.spec, volume, host.q35(known))? {
        Bus::Virtio | Bus::Scsi => Ok(()),
        Bus::Ide | Bus::Sata | Bus::Usb => Err(DriverError::Unsupported {
            what: "taking a volume from the bus IDE, SATA or USB of a running guest".to_owned(),
        }),
    }
}

/// Closes the node of a volume, and those of what took its place or was to take it.
async fn close_all(guest: &Guest, node: &str) -> Result<()> {
    for node in nodes(guest, node).await? {
        close(guest, &node).await?;
    }
    Ok(())
}

/// The node of a volume, there or not, and those of what took its place or was to take it.
pub(super) async fn nodes(guest: &Guest, node: &str) -> Result<BTreeSet<String>> {
    let sets = descriptor_sets(guest).await;
    let sets = sets.map_err(|error| error.during("close the volume"))?;
    let marks = sets.into_iter().flat_map(|(_, marks)| marks);
    let of_it = marks.filter(|mark| volumes::is_of(node, mark));
    Ok(of_it.chain(std::iter::once(node.to_owned())).collect())
}

/// Closes a node, its limits and its descriptor; what is not there is fine. What the guest wrote is on its way to the disk when the
/// node is gone.
pub(super) async fn close(guest: &Guest, node: &str) -> Result<()> {
    let during = |error: QmpError| error.during("close the volume");
    let began = Instant::now();
    loop {
        let closed = guest
            .qmp
            .execute("blockdev-del", json!({"node-name": node}));
        match closed.await {
            Ok(_) => break,
            Err(QmpError::Refused { text, .. }) if text.starts_with("Failed to find node") => break,
            Err(QmpError::Refused { text, .. })
                if text.ends_with("is in use") && began.elapsed() < RELEASE =>
            {
                tokio::time::sleep(RELEASE_ASK).await;
            }
            Err(error) => return Err(during(error)),
        }
    }
    let limits = json!({"id": volumes::limits_of(node)});
    match guest.qmp.execute("object-del", limits).await {
        Err(QmpError::Refused { text, .. }) if text.ends_with("not found") => {}
        deleted => drop(deleted.map_err(during)?),
    }
    for (set, marks) in descriptor_sets(guest).await.map_err(during)? {
        if marks.iter().any(|mark| mark == node) {
            let removed = guest.qmp.execute("remove-fd", json!({"fdset-id": set}));
            removed.await.map_err(during)?;
        }
    }
    Ok(())
}

/// The numbers of QEMU's descriptor sets, with the marks on what is in them.
async fn descriptor_sets(guest: &Guest) -> std::result::Result<Vec<(u32, Vec<String>)>, QmpError> {
    let sets = guest.qmp.execute("query-fdsets", json!({})).await?;
    let sets = sets.as_array().map(Vec::as_slice).unwrap_or_default();
    let number = |set: &Value| u32::try_from(set.get("fdset-id")?.as_u64()?).ok();
    let marks = |set: &Value| {
        let fds = set.get("fds").and_then(Value::as_array);
        let fds = fds.map(Vec::as_slice).unwrap_or_default().iter();
        let marks = fds.filter_map(|fd| Some(fd.get("opaque")?.as_str()?.to_owned()));
        marks.collect::<Vec<String>>()
    };
    Ok(sets
        .iter()
        .filter_map(|set| Some((number(set)?, marks(set))))
        .collect())
}
