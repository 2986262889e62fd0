//! Plugging volumes into servers, running or not.
//!
//! Of a running guest QEMU itself is asked what it has, not the record: a driver that died in between leaves a volume
//! plugged and not recorded, or a node whose device the guest let go of late. Both are put right by the next call. That a
//! guest is about to let go late, QEMU does not say: until it did, the volume is plugged.

use std::os::fd::AsFd;
use std::time::Duration;

use async_trait::async_trait;
use hypervisor::{DeviceCommand, DriverError, HotplugVolume, Result, ServerSpec, Volume};
use serde_json::{Value, json};

use super::hotplug::{add_device, remove_device};
use super::nodes::{close, close_all, descriptor_sets, reads};
use super::{Host, QemuDriver, busy};
use crate::addresses::Address;
use crate::args::{self, Bus, disk_id};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::qmp::{During, QmpError};
use crate::record::Record;
use crate::served::{self, failed};
use crate::slot::Slot;
use crate::volumes::{self, Opened};
use crate::{file_size, record};

const PLUG: &str = "plug the volume";
const UNPLUG: &str = "unplug the volume";
/// QEMU tries again to connect after 1, 2, 4, 8, 16 s.
const RECONNECT: Duration = Duration::from_secs(30);

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
        host.unserve_slots(&layout, volume_id).await?;
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
    let slot = Slot::first(&volume.id)?;
    let served = host.serve(layout, record, (volume, &slot)).await;
    host.unserve(layout, &slot).await?;
    served.map(drop)
}

/// Opens a served volume anew, with the length that it has by now, and lets QEMU connect to it again. QEMU's server of NBD
/// tells no client that a volume grew, and its client learns of it by a new connection alone.
///
/// # Errors
/// `Busy`: the guest reads another volume in its place, or it is being copied.
async fn reopened(
    host: &std::sync::Arc<Host>,
    guest: &Guest,
    (layout, record): (&Layout, &Record),
    volume: &Volume,
) -> Result<u64> {
    let node = volumes::node(&volume.id);
    let node = reads(guest, &node).await?.unwrap_or(node);
    let slot = Slot::of_node(&volume.id, &node)?;
    let same = |served: &Volume| served.source == volume.source;
    let slot = slot.filter(|slot| {
        served::noted(&layout.daemon(slot))
            .as_ref()
            .is_none_or(same)
    });
    let Some(slot) = slot else {
        let what = format!("another one takes the place of volume {:.60}", volume.id);
        return Err(busy(layout.id(), what));
    };
    let folder = layout.daemon(&slot);
    let ended = storage_daemon::end(&folder, storage_daemon::Limits::default());
    ended.await.map_err(|error| failed(&volume.id, error))?;
    let bytes = host.serve(layout, record, (volume, &slot)).await?;
    // A read makes it connect. What it read is shown to nobody.
    let command = format!("qemu-io {node} \"read 0 512\"");
    let read = json!({"command-line": command});
    let read = guest
        .qmp
        .execute_within("human-monitor-command", read, RECONNECT);
    read.await
        .map_err(|error| error.during("connect to the volume again"))?;
    Ok(bytes)
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
    let slot = Slot::first(&volume.id)?;
    let result = async {
        open_slot(host, guest, (layout, record), (volume, &slot, None)).await?;
        let port = q35 && bus == Bus::Virtio;
        add_device(guest, device.command(), port, PLUG).await
    };
    let result = result.await;
    if result.is_err()
        && close_unused(guest, (layout.id(), volume), &node).await
        && let Err(error) = host.unserve(layout, &slot).await
    {
        tracing::error!(server = spec.id, volume = volume.id, %error, "a storage daemon stays");
    }
    result
}

/// Has QEMU open a volume of a server in a slot. It shows `bytes` of it, if they are said, or all.
///
/// # Errors
/// As [`volumes::open`] and [`Host::serve`]; `BadSpec` when there are fewer bytes than said. A daemon that was started stays.
pub(super) async fn open_slot(
    host: &std::sync::Arc<Host>,
    guest: &Guest,
    (layout, record): (&Layout, &Record),
    (volume, slot, bytes): (&Volume, &Slot, Option<u64>),
) -> Result<()> {
    if volume.source.file().is_some() {
        return open_file(host, guest, layout.id(), (volume, slot, bytes)).await;
    }
    let length = host.serve(layout, record, (volume, slot)).await?;
    let node = node_of(volume, volumes::FIRST_SET, slot, (bytes, length))?;
    add_node(guest, node).await
}

/// The same of a file of this machine.
async fn open_file(
    host: &std::sync::Arc<Host>,
    guest: &Guest,
    server: &str,
    (volume, slot, bytes): (&Volume, &Slot, Option<u64>),
) -> Result<()> {
    let during = |error: QmpError| error.during(PLUG);
    let opened = open(host, server, volume).await?;
    file_size::allow(guest.process.pid, opened.bytes)?;
    let sets = descriptor_sets(guest).await.map_err(during)?;
    let taken = |set: &u32| sets.iter().any(|(number, _)| number == set);
    let set = (volumes::FIRST_SET..).find(|set| !taken(set));
    let set = set.unwrap_or(volumes::FIRST_SET);
    let (block, name) = (
        node_of(volume, set, slot, (bytes, opened.bytes))?,
        slot.node(),
    );
    let result = async {
        let added = guest.qmp.add_marked_fd(set, opened.fd.as_fd(), &name);
        added.await.map_err(during)?;
        add_node(guest, block).await
    };
    let result = result.await;
    if result.is_err() {
        close_unused(guest, (server, volume), &name).await;
    }
    result
}

/// The node of a volume that shows `bytes` of its `length`, if they are said, or all.
///
/// # Errors
/// `BadSpec`: it is shorter.
fn node_of(
    volume: &Volume,
    set: u32,
    slot: &Slot,
    (bytes, length): (Option<u64>, u64),
) -> Result<(Option<Value>, Value)> {
    let (limits, mut block) = volumes::block_node(volume, set, slot);
    match bytes {
        Some(bytes) if length < bytes => {
            return Err(DriverError::BadSpec {
                why: format!(
                    "volume {:.60}: what is to take its place is smaller",
                    volume.id
                ),
            });
        }
        Some(bytes) if length > bytes => volumes::shortened(&mut block, bytes),
        Some(_) | None => {}
    }
    Ok((limits, block))
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
