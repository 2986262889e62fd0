//! Reads finished arguments as QEMU does, and finds what was not meant: the promise of [`super`] as a function, for
//! tests and for fuzzing. It shares no code with what makes the arguments.

mod made_up;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hypervisor::{Firmware, GuestHardware, InputBus, Random, ServerSpec, UsbModel, VideoModel};
use serde_json::Value;

use super::Inputs;
use crate::machines::{Chipset, chipset};

pub(crate) use made_up::arguments;

/// How QEMU reads an option's text.
enum Reads {
    /// It has none.
    Nothing,
    /// As it is.
    Whole,
    /// As the path of a file.
    File,
    /// Cut at commas; the first piece may be the value of the key named first here, others are flags when they have no
    /// `=`. Only these keys are meant.
    Keys(&'static [&'static str]),
    Json,
}

use Reads::{File, Json, Keys, Nothing, Whole};

#[rustfmt::skip]
const OPTIONS: &[(&str, Reads)] = &[
    ("-accel", Keys(&["accel", "tb-size"])),
    ("-add-fd", Keys(&["", "fd", "set", "opaque"])),
    ("-action", Keys(&["", "watchdog"])),
    ("-append", Whole),
    ("-blockdev", Json),
    ("-boot", Keys(&["order", "menu", "strict"])),
    ("-chardev", Keys(&["backend", "id", "fd", "path", "server", "wait", "logfile", "logappend"])),
    ("-cpu", Whole),
    ("-device", Keys(&[
        "driver", "id", "bus", "name", "drive", "bootindex", "scsi-id", "unit", "port", "chassis", "slot", "chardev", "rng", "netdev",
        "mac", "host_mtu", "romfile", "max-bytes", "period", "packed", "vgamem", "vgamem_mb", "addr", "serial",
        "share-rw",
    ])),
    ("-display", Keys(&["type"])),
    ("-incoming", Whole),
    ("-initrd", File),
    ("-kernel", File),
    ("-m", Keys(&["size"])),
    ("-machine", Keys(&["type", "pflash0", "pflash1", "hpet"])),
    ("-mon", Keys(&["chardev", "mode"])),
    ("-name", Keys(&["guest", "debug-threads"])),
    ("-netdev", Keys(&["type", "id", "fd"])),
    ("-no-user-config", Nothing),
    ("-nodefaults", Nothing),
    ("-object", Keys(&["qom-type", "id", "filename"])),
    ("-pidfile", File),
    ("-rtc", Keys(&["", "base"])),
    ("-sandbox", Keys(&["enable", "obsolete", "elevateprivileges", "spawn", "resourcecontrol"])),
    ("-smbios", Keys(&["", "type", "manufacturer", "product", "serial", "uuid", "family"])),
    ("-smp", Keys(&["cpus", "sockets", "cores", "threads"])),
    ("-uuid", Whole),
    ("-vnc", Keys(&["vnc"])),
];

/// Keys of block nodes.
const NODE_KEYS: &[&str] = &[
    "driver",
    "node-name",
    "read-only",
    "file",
    "backing",
    "discard",
    "filename",
    "throttle-group",
    "export",
    "reconnect-delay",
];

const BLOCK_DRIVERS: &[&str] = &["file", "raw", "qcow2", "throttle", "nbd"];

/// The text of an option as pairs, by the rules of QEMU's `get_opt_name_value`.
fn pairs<'a>(text: &'a str, implied: &'a str) -> Vec<(&'a str, String)> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let has_key = rest[end..].starts_with('=');
        let key = match (has_key, found.is_empty()) {
            (true, _) => &rest[..end],
            (false, true) => implied,
            (false, false) => &rest[..end],
        };
        let from = if has_key { &rest[end + 1..] } else { rest };
        let (value, after) = value(from);
        // A piece without `=` that is not the first is a flag of its own name.
        found.push((key, value));
        rest = after;
    }
    found
}

/// A value up to the first single comma, and what comes behind that.
fn value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(',').unwrap_or(rest.len());
        value.push_str(&rest[..end]);
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix(",,") {
            value.push(',');
            rest = after;
        } else {
            return (value, rest.strip_prefix(',').unwrap_or(rest));
        }
    }
}

/// What finished arguments hold that is not meant.
struct Findings<'a> {
    files: BTreeSet<PathBuf>,
    spec: &'a ServerSpec,
    found: Vec<String>,
    devices: Vec<String>,
    /// Descriptors that QEMU takes under a name of a file.
    passed: Vec<String>,
}

impl Findings<'_> {
    fn complain(&mut self, what: String) {
        self.found.push(what);
    }

    fn file(&mut self, path: &str, option: &str) {
        if !self.files.contains(Path::new(path)) {
            self.complain(format!("{option} opens {path:?}"));
        }
    }

    fn keyed(&mut self, option: &str, text: &str, keys: &[&str]) {
        let implied = keys.first().copied().unwrap_or_default();
        for (key, value) in pairs(text, implied) {
            if !keys.contains(&key) || key.is_empty() {
                self.complain(format!("{option} has the key {key:?}"));
            }
            match (option, key) {
                ("-chardev", "path" | "logfile") | ("-object", "filename") => {
                    self.file(&value, option);
                }
                ("-vnc", "vnc") => match value.strip_prefix("unix:") {
                    Some(path) => self.file(path, option),
                    None => self.complain(format!("-vnc listens on {value:?}")),
                },
                ("-device", "driver") => self.devices.push(value),
                ("-add-fd", "fd") => self.passed.push(value),
                ("-device", "romfile") if !value.is_empty() => self.file(&value, option),
                ("-machine", "type") if value.parse::<hypervisor::MachineType>().is_err() => {
                    self.complain(format!("-machine is {value:?}"));
                }
                ("-chardev", "backend") if !["socket", "null"].contains(&value.as_str()) => {
                    self.complain(format!("-chardev is {value:?}"));
                }
                ("-netdev", "type") if value != "tap" => {
                    self.complain(format!("-netdev is {value:?}"));
                }
                ("-object", "qom-type") if value != "rng-random" => {
                    self.complain(format!("-object is {value:?}"));
                }
                _ => {}
            }
        }
    }

    /// An object as JSON: limits of a disk, each a number.
    fn object(&mut self, object: &Value) {
        let limits = object["limits"].as_object();
        let numbers = limits.is_some_and(|limits| limits.values().all(Value::is_u64));
        let id = object["id"].as_str().unwrap_or_default();
        let members = object.as_object().map_or(0, serde_json::Map::len);
        if object["qom-type"] != "throttle-group"
            || members != 3
            || !numbers
            || !id.starts_with("limits-")
        {
            self.complain(format!("-object is {object}"));
        }
    }

    /// A server of NBD: the storage daemon of a volume that is no file, and no other machine.
    fn server(&mut self, server: &Value) {
        let members = server.as_object().map_or(0, serde_json::Map::len);
        let path = server["path"].as_str().unwrap_or_default();
        let mut served = self.spec.volumes.iter();
        let own = served.any(|volume| {
            volume.source.file().is_none() && path == format!("volumes/{}.nbd", volume.id)
        });
        if members != 2 || server["type"] != "unix" || !own {
            self.complain(format!("-blockdev reaches {server}"));
        }
    }

    fn node(&mut self, node: &Value) {
        let Some(members) = node.as_object() else {
            return self.complain(format!("-blockdev holds {node}"));
        };
        for (key, value) in members {
            match key.as_str() {
                // A filter names the node below it.
                "file" if node["driver"] == "throttle" && value.is_string() => {}
                "file" => self.node(value),
                "server" => self.server(value),
                "backing" if value.is_null() => {}
                "backing" => self.node(value),
                "filename" => self.file(value.as_str().unwrap_or_default(), "-blockdev"),
                "driver" if !BLOCK_DRIVERS.contains(&value.as_str().unwrap_or_default()) => {
                    self.complain(format!("-blockdev has the driver {value}"));
                }
                key if !NODE_KEYS.contains(&key) => {
                    self.complain(format!("-blockdev has the key {key:?}"));
                }
                _ => {}
            }
        }
        if node["driver"] == "qcow2" && !members.contains_key("backing") {
            self.complain("QEMU would look for a backing file by itself".to_owned());
        }
    }
}

/// Files that the server may be given.
fn allowed(inputs: &Inputs<'_>) -> BTreeSet<PathBuf> {
    let (layout, spec, settings) = (inputs.layout, &inputs.record.spec, inputs.settings);
    let mut files = BTreeSet::from([
        layout.inner_pid(),
        layout.inner_serial(),
        layout.console_log(),
        layout.inner_vnc(),
        layout.root_disk(),
        layout.swap(),
        layout.config_drive(),
        PathBuf::from("/dev/urandom"),
    ]);
    files.extend((0..spec.ephemeral.len()).map(|number| layout.ephemeral(number)));
    // Volumes have no name but that of their descriptor.
    files.extend((0..spec.volumes.len()).map(|set| format!("/dev/fdset/{}", 100 + set).into()));
    if spec.firmware == Firmware::Uefi {
        files.extend([settings.ovmf_code.clone(), layout.nvram()]);
    }
    if let Some(rescue) = &spec.rescue {
        files.insert(layout.dir().join(format!("rescue-{}.qcow2", rescue.number)));
    }
    let boot = spec.direct_boot.iter();
    let bases = inputs.record.base.iter().chain(&inputs.record.rescue_base);
    let images = boot
        .flat_map(|boot| std::iter::once(&boot.kernel).chain(&boot.ramdisk))
        .chain(bases.map(|base| &base.path));
    // Names of the cache are one level below its folder.
    files.extend(
        images
            .filter(|file| {
                let text = file.to_str().unwrap_or_default();
                settings.image_folders.iter().any(|folder| {
                    let rest = text.strip_prefix(folder.to_str().unwrap_or("?"));
                    let name = rest.and_then(|rest| rest.strip_prefix('/'));
                    name.is_some_and(|name| !name.contains('/') && !matches!(name, "" | "." | ".."))
                })
            })
            .cloned(),
    );
    files
}

/// How many devices the description asks for.
fn wanted(inputs: &Inputs<'_>) -> usize {
    let spec = &inputs.record.spec;
    let disks = usize::from(spec.root_disk.is_some())
        + spec.ephemeral.len()
        + usize::from(spec.swap_mb > 0)
        + spec.volumes.len()
        + usize::from(spec.rescue.is_some())
        + usize::from(spec.config_drive.is_some());
    let q35 = inputs.record.machine.as_ref().and_then(chipset) == Some(Chipset::Q35);
    let disks_on = spec.disk_bus.map_or("virtio", hypervisor::DiskBus::as_str);
    let config_on = spec
        .hardware
        .cdrom_bus
        .map_or(disks_on, hypervisor::DiskBus::as_str);
    let rescue_bus = spec.rescue.as_ref().and_then(|rescue| rescue.device?.bus);
    let rescue_on = rescue_bus.map_or(disks_on, hypervisor::DiskBus::as_str);
    let volume_on = |volume: &hypervisor::Volume| volume.bus.map_or(disks_on, |bus| bus.as_str());
    let volumes_on: Vec<&str> = spec.volumes.iter().map(volume_on).collect();
    let local_on =
        |device: &hypervisor::DiskDevice| device.bus.map_or(disks_on, |bus| bus.as_str());
    let root = spec.root_disk.iter().map(|_| &spec.root_device);
    let local: Vec<&str> = root
        .chain(spec.devices_beside_root())
        .map(local_on)
        .collect();
    let saved = |id: &str| inputs.incoming.is_some() && inputs.record.addresses.contains_key(id);
    let controller = |id: &str, bus: &[&str]| {
        let own = [disks_on, config_on, rescue_on];
        let mut uses = own
            .into_iter()
            .chain(volumes_on.clone())
            .chain(local.clone());
        usize::from(uses.any(|one| bus.contains(&one)) || saved(id))
    };
    let sata: &[&str] = if q35 { &["sata", "ide"] } else { &["sata"] };
    let usb = match has_usb(&spec.hardware) {
        true => 0,
        false => controller("usb", &["usb"]),
    };
    let controllers = controller("scsi0", &["scsi"]) + controller("sata0", sata) + usb;
    let removable = std::iter::zip(&spec.volumes, &volumes_on)
        .filter(|(volume, bus)| **bus == "virtio" && !volume.boot);
    let ports = match (
        q35,
        inputs.incoming.is_some() && !inputs.record.addresses.is_empty(),
    ) {
        (false, _) => 0,
        (true, false) => 8 + removable.count(),
        (true, true) => {
            let names = inputs.record.addresses.keys();
            names.filter(|name| name.starts_with("spare")).count()
        }
    };
    let screen = usize::from(spec.video_model != Some(VideoModel::None));
    // Serial line and panic notifier.
    2 + screen + controllers + disks + spec.nics.len() + ports + wished(&spec.hardware)
}

/// Whether flavor and image, or the pointer, ask for a USB controller.
fn has_usb(hardware: &GuestHardware) -> bool {
    !matches!(
        (hardware.usb, hardware.input),
        (Some(UsbModel::None), _) | (None, None | Some(InputBus::Virtio))
    )
}

/// Devices that flavor and image ask for.
fn wished(hardware: &GuestHardware) -> usize {
    let random = usize::from(hardware.random != Random::Off);
    let usb = usize::from(has_usb(hardware));
    let input = match hardware.input {
        None => 0,
        Some(InputBus::Usb) => 1,
        Some(InputBus::Virtio) => 2,
    };
    let ports = usize::try_from(hardware.more_serial_ports).unwrap_or(usize::MAX);
    let agent = 2 * usize::from(hardware.guest_agent);
    random + usb + input + ports + agent + usize::from(hardware.watchdog.is_some())
}

/// What these arguments hold that the description and the layout do not allow; empty for good ones.
pub(crate) fn unmeant(inputs: &Inputs<'_>, args: &[String]) -> Vec<String> {
    let mut findings = Findings {
        files: allowed(inputs),
        spec: &inputs.record.spec,
        found: Vec::new(),
        devices: Vec::new(),
        passed: Vec::new(),
    };
    let mut words = args.iter();
    while let Some(option) = words.next() {
        let Some((name, reads)) = OPTIONS.iter().find(|(name, _)| name == option) else {
            findings.complain(format!("the option {option:?}"));
            continue;
        };
        let text = match reads {
            Nothing => continue,
            _ => words.next().map(String::as_str).unwrap_or_default(),
        };
        if text.contains(['\0', '\n']) {
            findings.complain(format!("{name} has {text:?}"));
        }
        match reads {
            Keys(_) if *name == "-object" && text.starts_with('{') => {
                match serde_json::from_str(text) {
                    Ok(object) => findings.object(&object),
                    Err(error) => findings.complain(format!("{name} {text:?}: {error}")),
                }
            }
            Keys(keys) => findings.keyed(name, text, keys),
            File => findings.file(text, name),
            Json => match serde_json::from_str(text) {
                Ok(node) => findings.node(&node),
                Err(error) => findings.complain(format!("{name} {text:?}: {error}")),
            },
            Whole if *name == "-incoming" && !text.starts_with("fd:") => {
                findings.complain(format!("-incoming {text:?}"));
            }
            Whole if *name == "-append" => {
                let wanted = findings.spec.direct_boot.as_ref();
                let wanted = wanted.and_then(|boot| boot.cmdline.as_ref());
                if wanted.map(hypervisor::CommandLine::as_str) != Some(text) {
                    findings.complain(format!("-append {text:?}"));
                }
            }
            Whole | Nothing => {}
        }
    }
    let volumes = inputs.volumes.iter().map(ToString::to_string);
    if findings.passed != volumes.collect::<Vec<_>>() {
        findings.complain(format!("descriptors passed: {}", findings.passed.join(" ")));
    }
    if findings.devices.len() != wanted(inputs) {
        let (found, wanted) = (findings.devices.join(" "), wanted(inputs));
        findings.complain(format!("{wanted} devices were meant, not {found}"));
    }
    findings.found
}
