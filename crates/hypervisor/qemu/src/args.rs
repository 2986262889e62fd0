//! QEMU's command line, as a pure function of the description. Every value that comes from outside goes in as JSON or
//! with its commas doubled: no name or path can add an option.

use std::os::fd::RawFd;
use std::path::Path;

use hypervisor::{DriverError, Firmware, Nic, Result, ServerSpec};
use serde_json::{Value, json};

use crate::layout::Layout;
use crate::probe::Accel;
use crate::record::{Base, Record};
use crate::settings::QemuSettings;

/// Everything the command line depends on.
pub(crate) struct Inputs<'a> {
    pub layout: &'a Layout,
    pub record: &'a Record,
    pub settings: &'a QemuSettings,
    pub accel: Accel,
    /// A listening socket for QMP.
    pub qmp: RawFd,
    /// An open tap for each card, in order; None for a card plugged into nothing.
    pub taps: &'a [Option<RawFd>],
    /// Saved memory to start from.
    pub incoming: Option<RawFd>,
}

/// Node of the config drive.
const CONFIG: &str = "config";

/// Root ports a q35 server has for cards plugged in later. Each costs a little firmware time.
pub(crate) const SPARE_PORTS: usize = 8;

/// Buses a disk can sit on.
#[derive(Clone, Copy, PartialEq)]
enum Bus {
    Virtio,
    Scsi,
    Ide,
    Sata,
}

/// The arguments, without the program's name.
///
/// # Errors
/// `Unsupported` for a bus, card, screen or firmware that this driver does not know, `BadSpec` for a malformed MAC.
pub(crate) fn build(inputs: &Inputs<'_>) -> Result<Vec<String>> {
    let (spec, layout) = (&inputs.record.spec, inputs.layout);
    let mut args = Args::default();
    machine(&mut args, inputs)?;
    args.option(
        "-chardev",
        format!("socket,id=qmp,fd={},server=on,wait=off", inputs.qmp),
    );
    args.option("-mon", "chardev=qmp,mode=control");
    args.option("-pidfile", layout.pid().display().to_string());
    args.option(
        "-chardev",
        format!(
            "socket,id=serial0,path={},server=on,wait=off,logfile={},logappend=on",
            path(&layout.serial()),
            path(&layout.console_log())
        ),
    );
    args.option("-device", "isa-serial,chardev=serial0");
    args.option("-vnc", format!("unix:{}", path(&layout.vnc())));
    if let Some(device) = video(spec.video_model.as_deref())? {
        args.option("-device", device);
    }
    args.option("-object", "rng-random,id=rng0,filename=/dev/urandom");
    args.option("-device", "virtio-rng-pci,rng=rng0");
    args.option("-device", "pvpanic");
    disks(&mut args, inputs)?;
    for (number, nic) in spec.nics.iter().enumerate() {
        let fd = inputs.taps.get(number).copied().flatten();
        if let Some(fd) = fd {
            args.option(
                "-netdev",
                format!("tap,id={},fd={fd}", netdev_id(&nic.port_id)),
            );
        }
        args.option("-device", nic_device(nic, fd.is_some())?);
    }
    if let Some(boot) = &spec.direct_boot {
        args.option("-kernel", boot.kernel.display().to_string());
        if let Some(ramdisk) = &boot.ramdisk {
            args.option("-initrd", ramdisk.display().to_string());
        }
        if let Some(cmdline) = &boot.cmdline {
            args.option("-append", cmdline.clone());
        }
    }
    if let Some(fd) = inputs.incoming {
        args.option("-incoming", format!("fd:{fd}"));
    }
    Ok(args.0)
}

#[derive(Default)]
struct Args(Vec<String>);

impl Args {
    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.0.extend([name.to_owned(), value.into()]);
    }

    fn blockdev(&mut self, node: &Value) {
        self.option("-blockdev", node.to_string());
    }
}

fn machine(args: &mut Args, inputs: &Inputs<'_>) -> Result<()> {
    let (spec, settings) = (&inputs.record.spec, inputs.settings);
    let id = &spec.id;
    args.option("-name", format!("guest={id},debug-threads=on"));
    args.option("-uuid", id.clone());
    let mut machine = value(machine_type(inputs.record, settings));
    if spec.firmware == Firmware::Uefi {
        machine.push_str(",pflash0=firmware,pflash1=nvram");
        firmware(args, inputs)?;
    }
    args.option("-machine", machine);
    let (accel, cpu) = match inputs.accel {
        Accel::Kvm => ("kvm".to_owned(), "host"),
        Accel::Tcg => (format!("tcg,tb-size={}", settings.tcg_cache_mb), "qemu64"),
    };
    args.option("-accel", accel);
    args.option(
        "-cpu",
        if settings.cpu_model.is_empty() {
            cpu.to_owned()
        } else {
            settings.cpu_model.clone()
        },
    );
    args.option("-m", format!("{}M", spec.memory_mb));
    args.option(
        "-smp",
        format!("cpus={n},sockets={n},cores=1,threads=1", n = spec.vcpus),
    );
    for bare in ["-nodefaults", "-no-user-config"] {
        args.0.push(bare.to_owned());
    }
    args.option("-display", "none");
    args.option(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    // cloud-init recognises an OpenStack guest by this product name.
    args.option(
        "-smbios",
        format!("type=1,manufacturer=Kilonova,product=OpenStack Nova,serial={id},uuid={id},family=Virtual Machine"),
    );
    args.option("-rtc", "base=utc");
    args.option("-boot", "strict=on");
    if is_q35(machine_type(inputs.record, settings)) {
        for port in 0..SPARE_PORTS {
            let slot = port + 1;
            args.option(
                "-device",
                format!(
                    "pcie-root-port,id={},chassis={slot},slot={slot}",
                    spare_port(port)
                ),
            );
        }
    }
    Ok(())
}

/// Does this machine plug cards into root ports only? `pc` takes them on its one bus.
pub(crate) fn is_q35(machine: &str) -> bool {
    machine.contains("q35")
}

/// Name of a root port that waits for a card.
pub(crate) fn spare_port(number: usize) -> String {
    format!("spare{number}")
}

/// The machine type this server has, or gets at its first start.
pub(crate) fn machine_type<'a>(record: &'a Record, settings: &'a QemuSettings) -> &'a str {
    record
        .machine
        .as_deref()
        .or(record.spec.machine_type.as_deref())
        .unwrap_or(&settings.machine_type)
}

fn firmware(args: &mut Args, inputs: &Inputs<'_>) -> Result<()> {
    if !inputs.settings.ovmf_code.exists() {
        let what = format!(
            "UEFI firmware ({} is missing, package ovmf)",
            inputs.settings.ovmf_code.display()
        );
        return Err(DriverError::Unsupported { what });
    }
    let code = file_node(&inputs.settings.ovmf_code, true);
    args.blockdev(
        &json!({"driver": "raw", "node-name": "firmware", "read-only": true, "file": code}),
    );
    let nvram = file_node(&inputs.layout.nvram(), false);
    args.blockdev(&json!({"driver": "raw", "node-name": "nvram", "file": nvram}));
    Ok(())
}

fn disks(args: &mut Args, inputs: &Inputs<'_>) -> Result<()> {
    let (spec, layout) = (&inputs.record.spec, inputs.layout);
    let bus = match bus(spec.disk_bus.as_deref())? {
        // q35 has no IDE; its disks of that kind sit on SATA.
        Bus::Ide if is_q35(machine_type(inputs.record, inputs.settings)) => Bus::Sata,
        bus => bus,
    };
    match bus {
        Bus::Scsi => args.option("-device", "virtio-scsi-pci,id=scsi0"),
        Bus::Sata => args.option("-device", "ich9-ahci,id=sata0"),
        Bus::Virtio | Bus::Ide => {}
    }
    let mut slot = 0;
    let mut plug = |args: &mut Args, node: &str, boot: bool| {
        args.option("-device", disk_device(bus, slot, node, boot));
        slot += 1;
    };
    if spec.root_disk.is_some() {
        args.blockdev(&root_node(layout, inputs.record.base.as_ref(), false));
        plug(args, "root", true);
    }
    for number in 0..spec.ephemeral.len() {
        let node = format!("ephemeral{number}");
        let file = file_node(&layout.ephemeral(number), false);
        args.blockdev(&json!({"driver": "qcow2", "node-name": node, "discard": "unmap", "file": file, "backing": null}));
        plug(args, &node, false);
    }
    if spec.swap_mb > 0 {
        let file = file_node(&layout.swap(), false);
        args.blockdev(&json!({"driver": "raw", "node-name": "swap", "file": file}));
        plug(args, "swap", false);
    }
    if spec.config_drive.is_some() {
        let file = file_node(&layout.config_drive(), true);
        args.blockdev(
            &json!({"driver": "raw", "node-name": CONFIG, "read-only": true, "file": file}),
        );
        plug(args, CONFIG, false);
    }
    Ok(())
}

/// The root disk: our overlay, with every file below it and every format named.
pub(crate) fn root_node(layout: &Layout, base: Option<&Base>, read_only: bool) -> Value {
    let backing = base.map_or(Value::Null, |base| {
        let mut node = json!({
            "driver": base.format.as_str(),
            "read-only": true,
            "file": file_node(&base.path, true),
        });
        if base.format == hypervisor::ImageFormat::Qcow2 {
            node["backing"] = Value::Null; // an image with a base of its own was refused long before
        }
        node
    });
    let file = file_node(&layout.root_disk(), read_only);
    let mut node = json!({"driver": "qcow2", "node-name": "root", "discard": "unmap", "file": file, "backing": backing});
    if read_only {
        node["read-only"] = Value::Bool(true);
    }
    node
}

/// A plain file.
pub(crate) fn file_node(path: &Path, read_only: bool) -> Value {
    let mut node = json!({"driver": "file", "filename": path});
    if read_only {
        node["read-only"] = Value::Bool(true);
    } else {
        node["discard"] = Value::from("unmap");
    }
    node
}

fn bus(name: Option<&str>) -> Result<Bus> {
    match name {
        None | Some("virtio") => Ok(Bus::Virtio),
        Some("scsi") => Ok(Bus::Scsi),
        Some("ide") => Ok(Bus::Ide),
        Some("sata") => Ok(Bus::Sata),
        Some(other) => Err(DriverError::Unsupported {
            what: format!("disk bus {other}"),
        }),
    }
}

/// The device for a node. The config drive is a CD where the bus has such: IDE disks cannot be read-only.
fn disk_device(bus: Bus, slot: usize, node: &str, boot: bool) -> String {
    let kind = if node == CONFIG { "cd" } else { "hd" };
    let device = match bus {
        Bus::Virtio => "virtio-blk-pci".to_owned(),
        Bus::Scsi => format!("scsi-{kind},bus=scsi0.0,scsi-id={slot}"),
        Bus::Ide => format!("ide-{kind},bus=ide.{},unit={}", slot / 2, slot % 2),
        Bus::Sata => format!("ide-{kind},bus=sata0.{slot}"),
    };
    let boot = if boot { ",bootindex=1" } else { "" };
    format!("{device},drive={node},id=disk-{node}{boot}")
}

fn video(model: Option<&str>) -> Result<Option<&'static str>> {
    match model {
        None | Some("std" | "vga") => Ok(Some("VGA")),
        Some("cirrus") => Ok(Some("cirrus-vga")),
        Some("virtio") => Ok(Some("virtio-vga")),
        Some("bochs") => Ok(Some("bochs-display")),
        Some("none") => Ok(None),
        Some(other) => Err(DriverError::Unsupported {
            what: format!("video model {other}"),
        }),
    }
}

/// Name of a card's back end.
pub(crate) fn netdev_id(port_id: &str) -> String {
    format!("net-{}", identifier(port_id))
}

/// Name of a card in the guest.
pub(crate) fn nic_id(port_id: &str) -> String {
    format!("nic-{}", identifier(port_id))
}

fn identifier(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect()
}

/// A card as `-device` wants it.
fn nic_device(nic: &Nic, plugged: bool) -> Result<String> {
    let properties = nic_properties(nic, plugged)?;
    let mut text = String::new();
    for (key, value) in properties {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        match key {
            "driver" => text.insert_str(0, &value),
            _ => text.push_str(&format!(",{key}={value}")),
        }
    }
    Ok(text)
}

/// A card as `device_add` wants it; `driver` comes first.
pub(crate) fn nic_properties(nic: &Nic, plugged: bool) -> Result<Vec<(&'static str, Value)>> {
    let driver = match nic.model.as_deref() {
        None | Some("virtio") => "virtio-net-pci",
        Some("e1000") => "e1000",
        Some("e1000e") => "e1000e",
        Some("rtl8139") => "rtl8139",
        Some("vmxnet3") => "vmxnet3",
        Some("ne2k_pci") => "ne2k_pci",
        Some("pcnet") => "pcnet",
        Some(other) => {
            return Err(DriverError::Unsupported {
                what: format!("network card {other}"),
            });
        }
    };
    let mac = nic.mac.to_ascii_lowercase();
    let groups: Vec<&str> = mac.split(':').collect();
    if groups.len() != 6
        || groups
            .iter()
            .any(|group| group.len() != 2 || u8::from_str_radix(group, 16).is_err())
    {
        return Err(DriverError::BadSpec {
            why: format!("{:?} is no MAC address", nic.mac),
        });
    }
    let mut properties = vec![
        ("driver", Value::from(driver)),
        ("id", Value::from(nic_id(&nic.port_id))),
    ];
    if plugged {
        properties.push(("netdev", Value::from(netdev_id(&nic.port_id))));
    }
    properties.push(("mac", Value::from(mac)));
    if driver == "virtio-net-pci" {
        if nic.mtu > 0 {
            properties.push(("host_mtu", Value::from(nic.mtu)));
        }
        // No boot over the network: its ROM would only cost time.
        properties.push(("romfile", Value::from("")));
    }
    Ok(properties)
}

/// A value inside a comma-separated option.
fn value(text: &str) -> String {
    text.replace(',', ",,")
}

fn path(path: &Path) -> String {
    value(&path.display().to_string())
}

/// The description is one this driver can run at all; asked before anything is made.
pub(crate) fn check(spec: &ServerSpec) -> Result<()> {
    let unsupported = |what: &str| {
        Err(DriverError::Unsupported {
            what: what.to_owned(),
        })
    };
    if !spec.volumes.is_empty() {
        return unsupported("volumes");
    }
    if spec.vcpus == 0 || spec.memory_mb == 0 {
        return Err(DriverError::BadSpec {
            why: "a server needs a processor and memory".to_owned(),
        });
    }
    let disks = spec.ephemeral.len()
        + usize::from(spec.root_disk.is_some())
        + usize::from(spec.swap_mb > 0)
        + usize::from(spec.config_drive.is_some());
    match bus(spec.disk_bus.as_deref())? {
        Bus::Ide if disks > 4 => return unsupported("more than four IDE disks"),
        Bus::Sata if disks > 6 => return unsupported("more than six SATA disks"),
        _ => {}
    }
    video(spec.video_model.as_deref())?;
    spec.nics
        .iter()
        .try_for_each(|nic| nic_properties(nic, false).map(drop))
}

#[cfg(test)]
mod tests {
    use hypervisor::{ConfigDrive, CpuLimits, DirectBoot, Ephemeral, ImageFormat, RootDisk, Tap};

    use super::*;

    const ID: &str = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";

    fn lines(
        spec: ServerSpec,
        base: Option<Base>,
        accel: Accel,
        taps: &[Option<RawFd>],
        incoming: Option<RawFd>,
    ) -> String {
        let layout = Layout::new(Path::new("/state"), ID).unwrap();
        let record = Record {
            base,
            ..Record::new(&spec)
        };
        let settings = QemuSettings::default();
        let args = build(&Inputs {
            layout: &layout,
            record: &record,
            settings: &settings,
            accel,
            qmp: 9,
            taps,
            incoming,
        });
        args.unwrap().join("\n").replace("\n-", "\n\n-")
    }

    fn nic(port: &str, tap: Option<&str>) -> Nic {
        let tap = tap.map(|device| Tap {
            device: device.into(),
            netns: Some("kn-1".into()),
        });
        Nic {
            port_id: port.into(),
            mac: "FA:16:3E:00:00:01".into(),
            tap,
            mtu: 1442,
            model: None,
        }
    }

    #[test]
    fn a_plain_server_from_an_image() {
        let mut spec = ServerSpec::minimal(ID, "a name, with=options");
        spec.root_disk = Some(RootDisk {
            size_gb: 1,
            image: None,
        });
        spec.nics = vec![nic(
            "4c5ba8ad-6f5e-4f2d-9b2b-000000000001",
            Some("tap4c5ba8ad-6f"),
        )];
        spec.config_drive = Some(ConfigDrive::default());
        let base = Base {
            path: "/cache/base".into(),
            format: ImageFormat::Qcow2,
        };
        insta::assert_snapshot!(lines(spec, Some(base), Accel::Tcg, &[Some(12)], None));
    }

    #[test]
    fn a_server_with_everything_else() {
        let mut spec = ServerSpec::minimal(ID, "all");
        spec.vcpus = 4;
        spec.root_disk = Some(RootDisk {
            size_gb: 1,
            image: None,
        });
        spec.ephemeral = vec![Ephemeral {
            size_gb: 2,
            guest_format: None,
        }];
        spec.swap_mb = 64;
        spec.nics = vec![Nic {
            model: Some("e1000".into()),
            ..nic("p,1", None)
        }];
        spec.direct_boot = Some(DirectBoot {
            kernel: "/k".into(),
            ramdisk: Some("/r".into()),
            cmdline: Some("console=ttyS0 a,b".into()),
        });
        spec.machine_type = Some("q35".into());
        spec.disk_bus = Some("scsi".into());
        spec.video_model = Some("none".into());
        spec.cpu_limits = CpuLimits::default();
        let base = Base {
            path: "/cache/raw,odd".into(),
            format: ImageFormat::Raw,
        };
        insta::assert_snapshot!(lines(spec, Some(base), Accel::Kvm, &[None], Some(33)));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let mut spec = ServerSpec::minimal(ID, "odd");
        spec.disk_bus = Some("xen".into());
        assert!(
            matches!(check(&spec), Err(DriverError::Unsupported { what }) if what.contains("xen"))
        );
        let mut spec = ServerSpec::minimal(ID, "odd");
        spec.nics = vec![Nic {
            mac: "fa:16:3e,id=x".into(),
            ..nic("p", None)
        }];
        assert!(matches!(check(&spec), Err(DriverError::BadSpec { .. })));
    }
}
