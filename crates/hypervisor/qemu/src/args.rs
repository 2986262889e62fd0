//! QEMU's command line, as a pure function of the description. No name, path or property of a description can add an
//! option, a key, a file or a device: what users choose are words of closed types, options and keys are words of this
//! program, and everything else is a value that QEMU does not cut ([`option`]). `proof` reads finished arguments as
//! QEMU does and checks just that.

mod buses;
mod device;
mod devices;
mod hardware;
mod option;
mod places;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod proof;
#[cfg(test)]
mod tests;

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use hypervisor::{DriverError, Firmware, MachineType, Rescue, Result, ServerSpec, Volume};
use serde_json::{Value, json};

use self::buses::Buses;
pub(crate) use self::buses::{SCSI, volume_bus};
use self::device::Device;
pub(crate) use self::device::place_property;
use self::devices::CONFIG;
pub(crate) use self::devices::{Bus, Disk, disk, disk_id, netdev_id, network, nic_id};
pub(crate) use self::hardware::limited_node;
use self::option::{Arguments, Keyed, path};
use self::places::Places;
pub(crate) use self::places::port;
use crate::addresses::{Address, Addresses};
use crate::layout::Layout;
use crate::machines::{Chipset, chipset};
use crate::probe::Accel;
use crate::record::{Base, Record};
use crate::settings::QemuSettings;
use crate::volumes;

/// Everything the command line depends on.
pub(crate) struct Inputs<'a> {
    pub layout: &'a Layout,
    /// With the whole name of its machine.
    pub record: &'a Record,
    pub settings: &'a QemuSettings,
    pub accel: Accel,
    /// A listening socket for QMP.
    pub qmp: RawFd,
    /// A listening socket for the agent in the guest, where its hardware has a port for one.
    pub agent: Option<RawFd>,
    /// An open tap for each card, in order; None for a card plugged into nothing.
    pub taps: &'a [Option<RawFd>],
    /// The open file of each volume, in order.
    pub volumes: &'a [RawFd],
    /// Saved memory to start from.
    pub incoming: Option<RawFd>,
}

impl Inputs<'_> {
    fn spec(&self) -> &ServerSpec {
        &self.record.spec
    }

    fn q35(&self) -> bool {
        chipset(machine_type(self.record, self.settings)) == Some(Chipset::Q35)
    }

    /// Where the devices of saved memory were; nothing for a guest that starts afresh.
    fn saved(&self) -> &Addresses {
        static NONE: Addresses = Addresses::new();
        match self.incoming {
            Some(_) => &self.record.addresses,
            None => &NONE,
        }
    }
}

/// The arguments, without the program's name.
///
/// # Errors
/// `Unsupported` for a bus, card, screen or firmware that this driver does not know, `BadSpec` for a malformed MAC or
/// a file outside the folders of images.
pub(crate) fn build(inputs: &Inputs<'_>) -> Result<Vec<String>> {
    let mut args = Arguments::default();
    machine(&mut args, inputs)?;
    consoles(&mut args, inputs)?;
    let spec = &inputs.record.spec;
    if let Some(device) = hardware::screen(spec.video_model, &spec.hardware)? {
        args.keyed("-device", device)?;
    }
    hardware::devices(&mut args, &spec.hardware)?;
    if let Some(fd) = inputs.agent {
        hardware::agent(&mut args, fd)?;
    }
    args.word("-device", "pvpanic");
    disks(&mut args, inputs)?;
    cards(&mut args, inputs)?;
    direct_boot(&mut args, inputs)?;
    if let Some(fd) = inputs.incoming {
        args.whole("-incoming", &format!("fd:{fd}"))?;
    }
    Ok(args.finish())
}

fn machine(args: &mut Arguments, inputs: &Inputs<'_>) -> Result<()> {
    let (spec, settings) = (&inputs.record.spec, inputs.settings);
    let id = inputs.layout.id();
    args.keyed("-name", Keyed::key("guest", id).set("debug-threads", "on"))?;
    args.whole("-uuid", id)?;
    let machine = machine_type(inputs.record, settings);
    let mut keyed = Keyed::key("type", machine.as_str());
    if spec.firmware == Firmware::Uefi {
        keyed = keyed.set("pflash0", "firmware").set("pflash1", "nvram");
        firmware(args, inputs)?;
    }
    args.keyed(
        "-machine",
        hardware::machine(keyed, &spec.hardware, chipset(machine))?,
    )?;
    let (accel, cpu) = match inputs.accel {
        Accel::Kvm => (Keyed::head("kvm"), "host"),
        Accel::Tcg => (
            Keyed::head("tcg").set("tb-size", settings.tcg_cache_mb),
            "qemu64",
        ),
    };
    args.keyed("-accel", accel)?;
    let model = settings.cpu_model.as_ref();
    let model = model.map_or(cpu, |model| model.as_str());
    args.whole(
        "-cpu",
        &hardware::processor(model, &spec.hardware, inputs.accel),
    )?;
    args.whole("-m", &format!("{}M", spec.memory_mb))?;
    args.keyed("-smp", hardware::processors(spec.vcpus, &spec.hardware))?;
    args.bare("-nodefaults");
    args.bare("-no-user-config");
    args.word("-display", "none");
    args.word(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    // cloud-init recognises an OpenStack guest by this product name.
    let smbios = Keyed::key("type", 1_u32)
        .set("manufacturer", "Kilonova")
        .set("product", "OpenStack Nova")
        .set("serial", id)
        .set("uuid", id)
        .set("family", "Virtual Machine");
    args.keyed("-smbios", smbios)?;
    args.word("-rtc", hardware::clock(&spec.hardware));
    args.word("-boot", hardware::boot(&spec.hardware));
    if chipset(machine) == Some(Chipset::Q35) {
        let buses = Buses::of(spec, true)?;
        for number in 0..places::ports(inputs.saved(), removable(&buses, spec).count()) {
            let slot = number + 1;
            let device = Keyed::head("pcie-root-port")
                .set("id", port(number))
                .set("chassis", slot)
                .set("slot", slot);
            args.keyed("-device", device)?;
        }
    }
    Ok(())
}

/// The volumes that a q35 guest has on a root port each, where it can lose them. The one that it boots from stays with
/// the disks, before them all.
fn removable<'a>(buses: &'a Buses, spec: &'a ServerSpec) -> impl Iterator<Item = &'a Volume> {
    let volumes = spec.volumes.iter().zip(&buses.volumes);
    let removable = volumes.filter(|(volume, bus)| **bus == Bus::Virtio && !volume.boot);
    removable.map(|(volume, _)| volume)
}

/// The machine type this server has, or gets at its first start.
pub(crate) fn machine_type<'a>(record: &'a Record, settings: &'a QemuSettings) -> &'a MachineType {
    record
        .machine
        .as_ref()
        .or(record.spec.machine_type.as_ref())
        .unwrap_or(&settings.machine_type)
}

fn firmware(args: &mut Arguments, inputs: &Inputs<'_>) -> Result<()> {
    if !inputs.settings.ovmf_code.exists() {
        let what = format!(
            "UEFI firmware ({} is missing, package ovmf)",
            inputs.settings.ovmf_code.display()
        );
        return Err(DriverError::Unsupported { what });
    }
    let code = file_node(&inputs.settings.ovmf_code, true)?;
    args.blockdev(
        &json!({"driver": "raw", "node-name": "firmware", "read-only": true, "file": code}),
    );
    let nvram = file_node(&inputs.layout.nvram(), false)?;
    args.blockdev(&json!({"driver": "raw", "node-name": "nvram", "file": nvram}));
    Ok(())
}

fn consoles(args: &mut Arguments, inputs: &Inputs<'_>) -> Result<()> {
    let layout = inputs.layout;
    let qmp = Keyed::head("socket").set("id", "qmp").set("fd", inputs.qmp);
    args.keyed("-chardev", qmp.set("server", "on").set("wait", "off"))?;
    args.word("-mon", "chardev=qmp,mode=control");
    args.whole("-pidfile", path(&layout.inner_pid())?)?;
    let serial = Keyed::head("socket")
        .set("id", "serial0")
        .set("path", path(&layout.inner_serial())?)
        .set("server", "on")
        .set("wait", "off")
        .set("logfile", path(&layout.console_log())?)
        .set("logappend", "on");
    args.keyed("-chardev", serial)?;
    args.word("-device", "isa-serial,chardev=serial0");
    let screen = Keyed::key("vnc", format!("unix:{}", path(&layout.inner_vnc())?));
    args.keyed("-vnc", screen)
}

fn disks(args: &mut Arguments, inputs: &Inputs<'_>) -> Result<()> {
    let (spec, layout) = (inputs.spec(), inputs.layout);
    let buses = Buses::of(spec, inputs.q35())?;
    let mut places = Places::new(inputs.saved(), inputs.q35());
    buses.controllers(args, spec.hardware.packed_ring, &places)?;
    let rescue = spec.rescue.as_ref();
    if let Some(rescue) = rescue.filter(|rescue| rescue.device.is_none()) {
        rescue_disk(args, inputs, &mut places, (rescue, buses.rescue))?;
    }
    if spec.root_disk.is_some() {
        if let Some(base) = &inputs.record.base {
            inside_image_folders(&base.path, inputs.settings)?;
        }
        args.blockdev(&root_node(layout, inputs.record.base.as_ref(), false)?);
        let boot = rescue.is_none() && !spec.volumes.iter().any(|volume| volume.boot);
        own_disk(args, spec, &mut places, (buses.disks, "root", boot))?;
    }
    for number in 0..spec.ephemeral.len() {
        let node = format!("ephemeral{number}");
        let file = file_node(&layout.ephemeral(number), false)?;
        args.blockdev(&json!({"driver": "qcow2", "node-name": node, "discard": "unmap", "file": file, "backing": null}));
        own_disk(args, spec, &mut places, (buses.disks, &node, false))?;
    }
    if spec.swap_mb > 0 {
        let file = file_node(&layout.swap(), false)?;
        args.blockdev(&json!({"driver": "raw", "node-name": "swap", "file": file}));
        own_disk(args, spec, &mut places, (buses.disks, "swap", false))?;
    }
    for (number, (volume, bus)) in spec.volumes.iter().zip(&buses.volumes).enumerate() {
        let set = volumes::FIRST_SET.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
        let Some(fd) = inputs.volumes.get(number) else {
            return Err(DriverError::BadSpec {
                why: format!("volume {} is not open", volume.id),
            });
        };
        let passed = Keyed::key("fd", *fd).set("set", set);
        args.keyed("-add-fd", passed.set("opaque", volumes::node(&volume.id)))?;
        let (limits, node) = volumes::block_node(volume, set);
        if let Some(limits) = limits {
            args.object(&limits);
        }
        args.blockdev(&node);
        let device = disk_id(&volumes::node(&volume.id));
        let address = match volume.boot {
            true => places.disk(*bus, &device),
            false => places.removable(*bus, &device),
        };
        let device = volume_device(spec, volume, *bus, address);
        let order = volume.boot.then_some(0).or(volume.boot_order);
        let order = order.filter(|_| rescue.is_none());
        args.keyed("-device", bootable(device, order).argument())?;
    }
    if let Some(rescue) = rescue.filter(|rescue| rescue.device.is_some()) {
        rescue_disk(args, inputs, &mut places, (rescue, buses.rescue))?;
    }
    if spec.config_drive.is_some() {
        let file = file_node(&layout.config_drive(), true)?;
        args.blockdev(
            &json!({"driver": "raw", "node-name": CONFIG, "read-only": true, "file": file}),
        );
        own_disk(args, spec, &mut places, (buses.config, CONFIG, false))?;
    }
    Ok(())
}

/// The disk that a rescued server boots from.
fn rescue_disk(
    args: &mut Arguments,
    inputs: &Inputs<'_>,
    places: &mut Places<'_>,
    (rescue, bus): (&Rescue, Bus),
) -> Result<()> {
    const NODE: &str = "rescue";
    if let Some(base) = &inputs.record.rescue_base {
        inside_image_folders(&base.path, inputs.settings)?;
    }
    let cd = rescue.device.is_some_and(|device| device.cdrom);
    let file = inputs.layout.rescue_disk(rescue.number);
    let base = inputs.record.rescue_base.as_ref();
    args.blockdev(&overlay_node(NODE, &file, base, cd)?);
    let spec = inputs.spec();
    let drive = hardware::limited(args, &spec.hardware, NODE);
    let device = disk(&Disk {
        bus,
        address: places.disk(bus, &disk_id(NODE)),
        packed: spec.hardware.packed_ring,
        cd,
        node: NODE,
        drive: &drive,
    });
    args.keyed("-device", bootable(device, Some(0)).argument())
}

/// Puts a node of the server's own on a bus, within the limits that its disks have.
fn own_disk(
    args: &mut Arguments,
    spec: &ServerSpec,
    places: &mut Places<'_>,
    (bus, node, boot): (Bus, &str, bool),
) -> Result<()> {
    let drive = match node {
        CONFIG => node.to_owned(),
        _ => hardware::limited(args, &spec.hardware, node),
    };
    let device = disk(&Disk {
        bus,
        address: places.disk(bus, &disk_id(node)),
        packed: spec.hardware.packed_ring,
        cd: node == CONFIG,
        node,
        drive: &drive,
    });
    args.keyed("-device", bootable(device, boot.then_some(0)).argument())
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
        cd: false,
        node: &node,
        drive: &node,
    });
    device
        .set("serial", volume.id.as_str())
        .flag("share-rw", volume.shared)
}

/// The root disk: our overlay, with every file below it and every format named.
pub(crate) fn root_node(layout: &Layout, base: Option<&Base>, read_only: bool) -> Result<Value> {
    overlay_node("root", &layout.root_disk(), base, read_only)
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

fn cards(args: &mut Arguments, inputs: &Inputs<'_>) -> Result<()> {
    let places = Places::new(inputs.saved(), inputs.q35());
    for (number, nic) in inputs.record.spec.nics.iter().enumerate() {
        let fd = inputs.taps.get(number).copied().flatten();
        if let Some(fd) = fd {
            let tap = Keyed::head("tap").set("id", netdev_id(&nic.port_id));
            args.keyed("-netdev", tap.set("fd", fd))?;
        }
        let rings = inputs.spec().hardware.packed_ring;
        let device = network(nic, fd.is_some(), rings)?;
        let address = places.any(&nic_id(&nic.port_id));
        args.keyed("-device", device.at(&address).argument())?;
    }
    Ok(())
}

fn direct_boot(args: &mut Arguments, inputs: &Inputs<'_>) -> Result<()> {
    let Some(boot) = &inputs.record.spec.direct_boot else {
        return Ok(());
    };
    for (option, file) in [
        ("-kernel", Some(&boot.kernel)),
        ("-initrd", boot.ramdisk.as_ref()),
    ] {
        if let Some(file) = file {
            inside_image_folders(file, inputs.settings)?;
            args.whole(option, whole_path(file)?)?;
        }
    }
    match &boot.cmdline {
        Some(line) => args.whole("-append", line.as_str()),
        None => Ok(()),
    }
}

/// QEMU cuts the initrd of a multiboot kernel at commas, and what the kernel is, its owner decides.
fn whole_path(file: &Path) -> Result<&str> {
    let text = path(file)?;
    match text.contains(',') {
        false => Ok(text),
        true => Err(DriverError::BadSpec {
            why: format!("a kernel or ramdisk cannot lie in a folder with a comma: {text}"),
        }),
    }
}

/// Refuses a file that does not lie directly in one of the folders of images.
pub(crate) fn inside_image_folders(file: &Path, settings: &QemuSettings) -> Result<()> {
    let folder: Option<PathBuf> = file.parent().map(Path::to_owned);
    // A path that ends with `..` has a parent and no name.
    let inside = file.file_name().is_some()
        && folder.is_some_and(|folder| settings.image_folders.contains(&folder));
    match inside {
        true => Ok(()),
        false => Err(DriverError::BadSpec {
            why: format!("{} is no file of the image cache", file.display()),
        }),
    }
}

/// The description is one this driver can run at all; asked before anything is made.
pub(crate) fn check(spec: &ServerSpec, settings: &QemuSettings) -> Result<()> {
    if spec.vcpus == 0 || spec.memory_mb == 0 {
        return Err(DriverError::BadSpec {
            why: "a server needs a processor and memory".to_owned(),
        });
    }
    volumes::check(&spec.volumes)?;
    let buses = Buses::of(spec, false)?;
    buses.room(spec)?;
    for (volume, bus) in spec.volumes.iter().zip(&buses.volumes) {
        if volume.read_only && matches!(bus, Bus::Ide | Bus::Sata) {
            let what = format!("volume {} read-only on IDE or SATA", volume.id);
            return Err(DriverError::Unsupported { what });
        }
    }
    if buses.rescue == Bus::Virtio && rescued_by_cd(spec) {
        let what = "a rescue from a CD on the bus virtio".to_owned();
        return Err(DriverError::Unsupported { what });
    }
    hardware::screen(spec.video_model, &spec.hardware)?;
    for file in spec.files() {
        inside_image_folders(&absolute(file)?, settings)?;
    }
    spec.nics
        .iter()
        .try_for_each(|nic| network(nic, false, false).map(drop))
}

fn rescued_by_cd(spec: &ServerSpec) -> bool {
    let device = spec.rescue.as_ref().and_then(|rescue| rescue.device);
    device.is_some_and(|device| device.cdrom)
}

fn absolute(file: &Path) -> Result<PathBuf> {
    std::path::absolute(file).map_err(DriverError::io("resolve the path of an image"))
}
