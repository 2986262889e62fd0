//! The disks of a server as arguments: the nodes that hold them, and the devices that show them to the guest.

use std::path::Path;

use hypervisor::disk_names::{ROOT, SWAP, ephemeral_name};
use hypervisor::{DiskDevice, DiskPlace, DriverError, Rescue, Result, ServerSpec, Volume};
use serde_json::{Value, json};

use super::buses::Buses;
use super::device::Device;
use super::devices::{Bus, CONFIG, Disk, disk, disk_id};
use super::option::{Arguments, Keyed, path};
use super::places::{self, Places};
use super::{Inputs, hardware, inside_image_folders};
use crate::addresses::Address;
use crate::layout::Layout;
use crate::record::Base;
use crate::slot::Slot;
use crate::volumes;

/// Node of the disk that a rescued server boots from.
const RESCUE: &str = "rescue";

/// What puts the disks in, one after the other.
struct Putter<'a> {
    args: &'a mut Arguments,
    inputs: &'a Inputs<'a>,
    places: Places<'a>,
    /// Where the disks with tags sit.
    found: Vec<DiskPlace>,
}

/// A disk of the server's own.
struct Own<'a> {
    node: &'a str,
    bus: Bus,
    cd: bool,
    /// Where the firmware tries it, from 0.
    order: Option<u32>,
    tagged: bool,
}

impl<'a> Own<'a> {
    fn of(node: &'a str, bus: Bus, device: &DiskDevice, order: Option<u32>) -> Self {
        Own {
            node,
            bus,
            cd: device.cdrom,
            order,
            tagged: device.tag.is_some(),
        }
    }
}

/// Puts all disks in; where those with tags sit.
///
/// # Errors
/// As of [`super::build`].
pub(super) fn put<'a>(args: &'a mut Arguments, inputs: &'a Inputs<'a>) -> Result<Vec<DiskPlace>> {
    let (spec, layout) = (inputs.spec(), inputs.layout);
    let buses = Buses::of(spec, inputs.q35())?;
    // The machine of a guest that ran before may be another one than its description now gets.
    buses.room(spec)?;
    let places = Places::new(inputs.saved(), inputs.q35());
    buses.controllers(args, &spec.hardware, &places)?;
    let mut putter = Putter {
        args,
        inputs,
        places,
        found: Vec::new(),
    };
    let rescue = spec.rescue.as_ref();
    // While it is rescued, nothing else is booted from.
    let tried = |order: Option<u32>| order.filter(|_| rescue.is_none());
    if let Some(rescue) = rescue.filter(|rescue| rescue.device.is_none()) {
        putter.rescue(rescue, buses.rescue)?;
    }
    if spec.root_disk.is_some() {
        if let Some(base) = &inputs.record.base {
            inside_image_folders(&base.path, inputs.settings)?;
        }
        let node = root_node(layout, inputs.record.base.as_ref(), false)?;
        putter.args.blockdev(&node);
        let boot = !spec.volumes.iter().any(|volume| volume.boot);
        let order = tried(boot.then_some(0));
        putter.own(&Own::of(ROOT, buses.root, &spec.root_device, order))?;
    }
    for (number, (ephemeral, bus)) in spec.ephemeral.iter().zip(&buses.ephemeral).enumerate() {
        let node = ephemeral_name(number);
        let file = file_node(&layout.ephemeral(number), false)?;
        putter.args.blockdev(&json!({"driver": "qcow2", "node-name": node, "discard": "unmap", "file": file, "backing": null}));
        let device = &ephemeral.device;
        putter.own(&Own::of(&node, *bus, device, tried(device.boot_order)))?;
    }
    if spec.swap_mb > 0 {
        let file = file_node(&layout.swap(), false)?;
        let node = json!({"driver": "raw", "node-name": SWAP, "file": file});
        putter.args.blockdev(&node);
        let device = &spec.swap_device;
        putter.own(&Own::of(SWAP, buses.swap, device, tried(device.boot_order)))?;
    }
    for (number, (volume, bus)) in spec.volumes.iter().zip(&buses.volumes).enumerate() {
        let order = tried(volume.boot.then_some(0).or(volume.boot_order));
        putter.volume(number, volume, (*bus, order))?;
    }
    if let Some(rescue) = rescue.filter(|rescue| rescue.device.is_some()) {
        putter.rescue(rescue, buses.rescue)?;
    }
    if spec.config_drive.is_some() {
        let file = file_node(&layout.config_drive(), true)?;
        let node = json!({"driver": "raw", "node-name": CONFIG, "read-only": true, "file": file});
        putter.args.blockdev(&node);
        putter.own(&Own {
            node: CONFIG,
            bus: buses.config,
            cd: true,
            order: None,
            tagged: false,
        })?;
    }
    Ok(putter.found)
}

impl Putter<'_> {
    /// Puts a node of the server's own on a bus, within the limits that its disks have.
    fn own(&mut self, own: &Own<'_>) -> Result<()> {
        let inputs = self.inputs;
        let hardware = &inputs.spec().hardware;
        let drive = match own.node {
            CONFIG => own.node.to_owned(),
            node => hardware::limited(self.args, hardware, node),
        };
        let address = self.places.disk(own.bus, &disk_id(own.node));
        let address = match own.tagged {
            true => self.told(own.node, own.bus, address),
            false => address,
        };
        let device = disk(&Disk {
            bus: own.bus,
            address,
            packed: hardware.packed_ring,
            cd: own.cd,
            node: own.node,
            drive: &drive,
        });
        self.args
            .keyed("-device", bootable(device, own.order).argument())
    }

    /// Puts in a volume. If it is a file, that is an open descriptor.
    fn volume(
        &mut self,
        number: usize,
        volume: &Volume,
        (bus, order): (Bus, Option<u32>),
    ) -> Result<()> {
        let set = volumes::FIRST_SET.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
        let node = volumes::node(&volume.id);
        if volume.source.file().is_some() {
            let before = self.inputs.spec().volumes.iter().take(number);
            let files = before.filter(|other| other.source.file().is_some());
            let Some(fd) = self.inputs.volumes.get(files.count()) else {
                return Err(DriverError::BadSpec {
                    why: format!("volume {} is not open", volume.id),
                });
            };
            let passed = Keyed::key("fd", *fd).set("set", set);
            self.args
                .keyed("-add-fd", passed.set("opaque", node.as_str()))?;
        }
        let (limits, block) = volumes::block_node(volume, set, &Slot::first(&volume.id)?);
        if let Some(limits) = limits {
            self.args.object(&limits);
        }
        self.args.blockdev(&block);
        let device = disk_id(&node);
        let address = match volume.boot {
            true => self.places.disk(bus, &device),
            false => self.places.removable(bus, &device),
        };
        let address = match volume.tag {
            Some(_) => self.told(&volume.id, bus, address),
            None => address,
        };
        let device = volume_device(self.inputs.spec(), volume, bus, address);
        self.args
            .keyed("-device", bootable(device, order).argument())
    }

    /// Puts in the disk that a rescued server boots from.
    fn rescue(&mut self, rescue: &Rescue, bus: Bus) -> Result<()> {
        let inputs = self.inputs;
        let base = inputs.record.rescue_base.as_ref();
        if let Some(base) = base {
            inside_image_folders(&base.path, inputs.settings)?;
        }
        let cd = rescue.device.is_some_and(|device| device.cdrom);
        let file = inputs.layout.rescue_disk(rescue.number);
        self.args.blockdev(&overlay_node(RESCUE, &file, base, cd)?);
        let hardware = &inputs.spec().hardware;
        let drive = hardware::limited(self.args, hardware, RESCUE);
        let device = disk(&Disk {
            bus,
            address: self.places.disk(bus, &disk_id(RESCUE)),
            packed: hardware.packed_ring,
            cd,
            node: RESCUE,
            drive: &drive,
        });
        self.args
            .keyed("-device", bootable(device, Some(0)).argument())
    }

    /// Notes where a disk with a tag sits. On PCI its place is said, as the one that QEMU would choose: what is told to
    /// the guest is then so, or the guest does not start.
    fn told(&mut self, disk: &str, bus: Bus, address: Address) -> Address {
        let chosen = bus == Bus::Virtio && address.bus.is_none();
        let address = match chosen {
            true => places::next_slot(self.inputs.chipset(), self.args.on_root_bus()),
            false => address,
        };
        self.found.push(places::shown(disk, bus, &address));
        address
    }
}

/// A device that the firmware tries, in this order from 0.
fn bootable(device: Device, order: Option<u32>) -> Device {
    match order {
        Some(order) => device.set("bootindex", order.saturating_add(1)),
        None => device,
    }
}

/// The device that shows a volume to its guest.
pub(crate) fn volume_device(
    spec: &ServerSpec,
    volume: &Volume,
    bus: Bus,
    address: Address,
) -> Device {
    let node = volumes::node(&volume.id);
    let device = disk(&Disk {
        bus,
        address,
        packed: spec.hardware.packed_ring,
        cd: volume.cdrom,
        node: &node,
        drive: &node,
    });
    device
        .set("serial", volume.id.as_str())
        .flag("share-rw", volume.shared)
}

/// The root disk: our overlay, with every file below it and every format named.
pub(crate) fn root_node(layout: &Layout, base: Option<&Base>, read_only: bool) -> Result<Value> {
    overlay_node(ROOT, &layout.root_disk(), base, read_only)
}

fn overlay_node(name: &str, file: &Path, base: Option<&Base>, read_only: bool) -> Result<Value> {
    let backing = match base {
        None => Value::Null,
        Some(base) => {
            let mut node = json!({
                "driver": base.format.as_str(),
                "read-only": true,
                "file": file_node(&base.path, true)?,
            });
            if base.format == hypervisor::ImageFormat::Qcow2 {
                node["backing"] = Value::Null; // an image with a base of its own was refused long before
            }
            node
        }
    };
    let file = file_node(file, read_only)?;
    let mut node = json!({"driver": "qcow2", "node-name": name, "discard": "unmap", "file": file, "backing": backing});
    if read_only {
        node["read-only"] = Value::Bool(true);
    }
    Ok(node)
}

/// A plain file.
pub(crate) fn file_node(file: &Path, read_only: bool) -> Result<Value> {
    let mut node = json!({"driver": "file", "filename": path(file)?});
    if read_only {
        node["read-only"] = Value::Bool(true);
    } else {
        node["discard"] = Value::from("unmap");
    }
    Ok(node)
}
