//! QEMU's command line, as a pure function of the description. No name, path or property of a description can add an
//! option, a key, a file or a device: what users choose are words of closed types, options and keys are words of this
//! program, and everything else is a value that QEMU does not cut ([`option`]). `proof` reads finished arguments as
//! QEMU does and checks just that.

mod buses;
mod device;
mod devices;
mod disks;
mod hardware;
mod option;
mod places;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod proof;
#[cfg(test)]
mod tests;

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use hypervisor::{DiskPlace, DriverError, Firmware, MachineType, Result, ServerSpec, Volume};
use serde_json::json;

use self::buses::Buses;
pub(crate) use self::buses::{SCSI, volume_bus};
pub(crate) use self::device::place_property;
pub(crate) use self::devices::{Bus, disk_id, netdev_id, network, nic_id};
pub(crate) use self::disks::{file_node, root_node, volume_device};
pub(crate) use self::hardware::limited_node;
use self::option::{Arguments, Keyed, path};
use self::places::Places;
pub(crate) use self::places::port;
use crate::addresses::Addresses;
use crate::layout::Layout;
use crate::machines::{Chipset, chipset};
use crate::probe::Accel;
use crate::record::Record;
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
    /// The open file of each volume that is one, in order.
    pub volumes: &'a [RawFd],
    /// Saved memory to start from.
    pub incoming: Option<RawFd>,
}

impl Inputs<'_> {
    fn spec(&self) -> &ServerSpec {
        &self.record.spec
    }

    fn chipset(&self) -> Option<Chipset> {
        chipset(machine_type(self.record, self.settings))
    }

    fn q35(&self) -> bool {
        self.chipset() == Some(Chipset::Q35)
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
/// `Unsupported` for a bus, card, screen or firmware that this driver does not know, and for more disks than a bus has
/// room for, `BadSpec` for a malformed MAC or a file outside the folders of images.
pub(crate) fn build(inputs: &Inputs<'_>) -> Result<Vec<String>> {
    Ok(filled(inputs)?.0.finish())
}

/// Where the disks with tags sit in a guest that is started by these arguments.
///
/// # Errors
/// As of [`build`].
pub(crate) fn disk_places(inputs: &Inputs<'_>) -> Result<Vec<DiskPlace>> {
    Ok(filled(inputs)?.1)
}

fn filled(inputs: &Inputs<'_>) -> Result<(Arguments, Vec<DiskPlace>)> {
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
    let places = disks::put(&mut args, inputs)?;
    cards(&mut args, inputs)?;
    direct_boot(&mut args, inputs)?;
    if let Some(fd) = inputs.incoming {
        args.whole("-incoming", &format!("fd:{fd}"))?;
    }
    Ok((args, places))
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
    boot_orders(spec)?;
    let machine = spec.machine_type.as_ref();
    let machine = machine.unwrap_or(&settings.machine_type);
    let buses = Buses::of(spec, chipset(machine) == Some(Chipset::Q35))?;
    buses.room(spec)?;
    buses.cds(spec)?;
    for (volume, bus) in spec.volumes.iter().zip(&buses.volumes) {
        if volume.read_only && !volume.cdrom && matches!(bus, Bus::Ide | Bus::Sata) {
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

/// Refuses two disks that are to be tried at the same place, or in the place of the one that is booted from.
fn boot_orders(spec: &ServerSpec) -> Result<()> {
    let volumes = spec.volumes.iter().filter_map(|volume| volume.boot_order);
    let mut taken: Vec<u32> = std::iter::once(0).chain(volumes).collect();
    for order in spec
        .devices_beside_root()
        .filter_map(|device| device.boot_order)
    {
        if taken.contains(&order) {
            return Err(DriverError::BadSpec {
                why: format!("a disk of the host has the order {order}, which is another disk's"),
            });
        }
        taken.push(order);
    }
    Ok(())
}

fn rescued_by_cd(spec: &ServerSpec) -> bool {
    let device = spec.rescue.as_ref().and_then(|rescue| rescue.device);
    device.is_some_and(|device| device.cdrom)
}

fn absolute(file: &Path) -> Result<PathBuf> {
    std::path::absolute(file).map_err(DriverError::io("resolve the path of an image"))
}
