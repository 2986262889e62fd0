//! Reads finished arguments as QEMU does, and finds what was not meant: the promise of [`super`] as a function, for
//! tests and for fuzzing. It shares no code with what makes the arguments.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hypervisor::{Firmware, NicModel, ServerSpec, VideoModel};
use serde_json::{Value, json};

use super::{Inputs, build, check};
use crate::layout::Layout;
use crate::machines::{Chipset, Machines, chipset};
use crate::probe::Accel;
use crate::record::{Base, Record};
use crate::settings::QemuSettings;

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
    ("-append", Whole),
    ("-blockdev", Json),
    ("-boot", Keys(&["order", "strict"])),
    ("-chardev", Keys(&["backend", "id", "fd", "path", "server", "wait", "logfile", "logappend"])),
    ("-cpu", Whole),
    ("-device", Keys(&[
        "driver", "id", "bus", "drive", "bootindex", "scsi-id", "unit", "chassis", "slot", "chardev", "rng", "netdev",
        "mac", "host_mtu", "romfile",
    ])),
    ("-display", Keys(&["type"])),
    ("-incoming", Whole),
    ("-initrd", File),
    ("-kernel", File),
    ("-m", Keys(&["size"])),
    ("-machine", Keys(&["type", "pflash0", "pflash1"])),
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
];

const BLOCK_DRIVERS: &[&str] = &["file", "raw", "qcow2"];

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
                ("-device", "romfile") if !value.is_empty() => self.file(&value, option),
                ("-machine", "type") if value.parse::<hypervisor::MachineType>().is_err() => {
                    self.complain(format!("-machine is {value:?}"));
                }
                ("-chardev", "backend") if value != "socket" => {
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

    fn node(&mut self, node: &Value) {
        let Some(members) = node.as_object() else {
            return self.complain(format!("-blockdev holds {node}"));
        };
        for (key, value) in members {
            match key.as_str() {
                "file" => self.node(value),
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
    if spec.firmware == Firmware::Uefi {
        files.extend([settings.ovmf_code.clone(), layout.nvram()]);
    }
    let boot = spec.direct_boot.iter();
    let images = boot
        .flat_map(|boot| std::iter::once(&boot.kernel).chain(&boot.ramdisk))
        .chain(inputs.record.base.iter().map(|base| &base.path));
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
        + usize::from(spec.config_drive.is_some());
    let q35 = inputs.record.machine.as_ref().and_then(chipset) == Some(Chipset::Q35);
    let controller = match spec.disk_bus.map(hypervisor::DiskBus::as_str) {
        Some("scsi" | "sata") => 1,
        Some("ide") => usize::from(q35),
        _ => 0,
    };
    let ports = if q35 { super::SPARE_PORTS } else { 0 };
    let screen = usize::from(spec.video_model != Some(VideoModel::None));
    // Serial line, random numbers, panic notifier.
    3 + screen + controller + disks + spec.nics.len() + ports
}

/// What these arguments hold that the description and the layout do not allow; empty for good ones.
pub(crate) fn unmeant(inputs: &Inputs<'_>, args: &[String]) -> Vec<String> {
    let mut findings = Findings {
        files: allowed(inputs),
        spec: &inputs.record.spec,
        found: Vec::new(),
        devices: Vec::new(),
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
    if findings.devices.len() != wanted(inputs) {
        let (found, wanted) = (findings.devices.join(" "), wanted(inputs));
        findings.complain(format!("{wanted} devices were meant, not {found}"));
    }
    findings.found
}

/// Words and pieces of words that descriptions are made of here: good ones and bad ones.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "", "pc", "q35", "pc-q35-7.2", "microvm", "virtio", "scsi", "ide", "sata", "vga", "none", "e1000", "uefi", "bios",
    "fa:16:3e:00:00:01", "4c5ba8ad-6f5e-4f2d-9b2b-000000000001", "/cache/base", "/cache/k", "/cache/../etc/shadow",
    "/cache/a/b", "/cache/..", "/etc/hostname", "initrd=/etc/hostname", "pc,initrd=/etc/hostname", "kernel=/x",
    "dumpdtb=/tmp/x", "firmware=/x", ",help", "help", "?", ",,", ",", "=", "\n", "\0", "x,id=y", "unix:/x",
    "json:{\"driver\":\"file\",\"filename\":\"/etc/shadow\"}", "-device", "qcow2", "raw", "quiet a=b,c", "%s", "\u{e9}",
];

/// Takes a description from bytes, whatever they are.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// True once in so many bytes.
    fn rarely(&mut self, one_of: u8) -> bool {
        self.byte() % one_of == one_of - 1
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.byte() % 3 {
            let choice = usize::from(self.byte());
            match PIECES.get(choice) {
                Some(piece) => text.push_str(piece),
                None => {
                    let length = (choice % 24).min(self.0.len());
                    let (piece, rest) = self.0.split_at(length);
                    self.0 = rest;
                    text.push_str(&String::from_utf8_lossy(piece));
                }
            }
        }
        text
    }

    /// Mostly one of the good words, else any text.
    fn word(&mut self, good: &[&str]) -> String {
        match self.rarely(12) {
            true => self.text(),
            false => {
                let choice = usize::from(self.byte());
                good.get(choice % good.len().max(1))
                    .copied()
                    .unwrap_or_default()
                    .to_owned()
            }
        }
    }

    /// Sometimes a word, sometimes nothing.
    fn maybe(&mut self, good: &[&str]) -> Value {
        match self.byte() % 2 {
            0 => Value::Null,
            _ => Value::from(self.word(good)),
        }
    }

    fn nic(&mut self) -> Value {
        let models: Vec<&str> = NicModel::ALL[..5]
            .iter()
            .map(|model| model.as_str())
            .collect();
        json!({
            "port_id": self.text(),
            "mac": self.word(&["fa:16:3e:00:00:01", "FA:16:3E:00:00:02"]),
            "tap": {"device": self.text(), "netns": self.text()},
            "mtu": self.byte(),
            "model": self.maybe(&models),
        })
    }

    fn root_disk(&mut self) -> Value {
        let image = json!({
            "id": self.text(),
            "path": self.word(&["/cache/base", "/cache/b,c"]),
            "format": self.word(&["raw", "qcow2"]),
            "virtual_size": self.byte(),
        });
        json!({"size_gb": self.byte(), "image": image})
    }

    fn spec(&mut self) -> Value {
        let boot = json!({
            "kernel": self.word(&["/cache/kernel"]),
            "ramdisk": self.maybe(&["/cache/ramdisk"]),
            "cmdline": self.maybe(&["quiet", "root=/dev/vda a=b,c"]),
        });
        let nics: Vec<Value> = (0..self.byte() % 3).map(|_| self.nic()).collect();
        json!({
            "id": self.word(&["0d7b1a2c-6a3e-4f0e-9f41-000000000001"]),
            "epoch": self.byte(),
            "name": self.text(),
            "hostname": self.text(),
            "vcpus": self.byte(),
            "memory_mb": self.byte(),
            "root_disk": if self.rarely(2) { self.root_disk() } else { Value::Null },
            "ephemeral": (0..self.byte() % 3).map(|size| json!({"size_gb": size})).collect::<Vec<_>>(),
            "swap_mb": self.byte() % 2,
            "nics": nics,
            "config_drive": if self.rarely(2) { json!({"files": []}) } else { Value::Null },
            "direct_boot": if self.rarely(2) { boot } else { Value::Null },
            "machine_type": self.maybe(&["pc", "q35", "pc-q35-7.2", "pc-i440fx-7.2"]),
            "firmware": self.word(&["bios", "uefi"]),
            "disk_bus": self.maybe(&["virtio", "scsi", "ide", "sata"]),
            "video_model": self.maybe(&["vga", "std", "virtio", "cirrus", "bochs", "none"]),
            "metadata": {self.text(): self.text()},
        })
    }
}

/// The list of a QEMU.
const MACHINES: &str = "Supported machines are:\n\
    pc             Standard PC (alias of pc-i440fx-7.2)\n\
    pc-i440fx-7.2  Standard PC (default)\n\
    q35            Standard PC (alias of pc-q35-7.2)\n\
    pc-q35-7.2     Standard PC\n\
    microvm        microvm (i386)\n";

/// Makes a description of the input and the arguments of that, and panics when they hold what was not meant. True when
/// there were arguments: most odd descriptions are refused before.
pub(crate) fn arguments(input: &[u8]) -> bool {
    let mut bytes = Bytes(input);
    let state = ["/state", "/odd,state=x"][usize::from(bytes.byte() % 2)];
    let settings = QemuSettings {
        state_path: state.into(),
        image_folders: vec!["/cache".into()],
        // Any file that exists on every machine.
        ovmf_code: "/dev/null".into(),
        ..QemuSettings::default()
    };
    let plugged = bytes.byte() % 2 == 0;
    let incoming = (bytes.byte() % 2 == 0).then_some(33);
    let Ok(spec) = serde_json::from_value::<ServerSpec>(bytes.spec()) else {
        return false;
    };
    let Ok(layout) = Layout::new(&settings.state_path, &spec.id) else {
        return false;
    };
    if check(&spec, &settings).is_err() {
        return false;
    }
    let mut record = Record::new(&spec);
    let wanted = super::machine_type(&record, &settings).clone();
    let Ok(whole) = Machines::parse(MACHINES).whole(&wanted) else {
        return false;
    };
    record.machine = Some(whole);
    let image = spec.root_disk.as_ref().and_then(|root| root.image.clone());
    record.base = image.map(|image| Base {
        path: image.path,
        format: image.format,
    });
    let taps: Vec<_> = spec.nics.iter().map(|_| plugged.then_some(12)).collect();
    let inputs = Inputs {
        layout: &layout,
        record: &record,
        settings: &settings,
        accel: if plugged { Accel::Kvm } else { Accel::Tcg },
        qmp: 9,
        taps: &taps,
        incoming,
    };
    let Ok(args) = build(&inputs) else {
        return false;
    };
    let found = unmeant(&inputs, &args);
    assert!(found.is_empty(), "{found:#?}\n{spec:?}\n{args:#?}");
    true
}
