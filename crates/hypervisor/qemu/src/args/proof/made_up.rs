//! Descriptions made of any bytes, and whether their arguments hold what was not meant.

use hypervisor::{ImageRef, NicModel, ServerSpec};
use serde_json::{Value, json};

use crate::addresses::{Address, Addresses};

use super::super::{Inputs, build, check, machine_type};
use super::unmeant;
use crate::layout::Layout;
use crate::machines::Machines;
use crate::probe::Accel;
use crate::record::{Base, Record};
use crate::settings::QemuSettings;

/// Words and pieces of words that descriptions are made of here: good ones and bad ones.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "", "pc", "q35", "pc-q35-7.2", "microvm", "virtio", "scsi", "ide", "sata", "vga", "none", "e1000", "uefi", "bios",
    "fa:16:3e:00:00:01", "4c5ba8ad-6f5e-4f2d-9b2b-000000000001", "/cache/base", "/cache/k", "/cache/../etc/shadow",
    "/cache/a/b", "/cache/..", "/etc/hostname", "initrd=/etc/hostname", "pc,initrd=/etc/hostname", "kernel=/x",
    "dumpdtb=/tmp/x", "firmware=/x", ",help", "help", "?", ",,", ",", "=", "\n", "\0", "x,id=y", "unix:/x",
    "0d7b1a2c-6a3e-4f0e-9f41-0000000000aa", "disk-root", "disk-config", "spare0", "scsi0", "sata0", "usb", "usb.0", "pci.0",
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

    fn volume(&mut self) -> Value {
        let limit = json!({"total": self.byte(), "read": 0, "write": 0});
        let ids = [
            "0d7b1a2c-6a3e-4f0e-9f41-0000000000aa",
            "0d7b1a2c-6a3e-4f0e-9f41-0000000000ab",
        ];
        json!({
            "id": self.word(&ids),
            "source": self.source(),
            "read_only": self.rarely(2),
            "shared": self.rarely(3),
            "limits": if self.rarely(3) { json!({"rates": {"bytes": limit}, "bursts": {"bytes": limit}, "operation_bytes": 7}) } else { json!({}) },
            "bus": self.maybe(&["virtio", "scsi", "ide", "sata", "usb"]),
            "boot": self.rarely(3),
            "boot_order": self.rarely(3).then_some(1),
            "cdrom": self.rarely(16),
            "tag": self.tag(),
        })
    }

    fn source(&mut self) -> Value {
        match self.rarely(3) {
            true => json!({"nbd": {"host": "10.0.0.1", "port": 10_809, "export": "of,another"}}),
            false => json!({"file": {"path": self.text()}}),
        }
    }

    /// What users call disks is any text.
    fn tag(&mut self) -> Value {
        match self.rarely(3) {
            true => self.text().into(),
            false => Value::Null,
        }
    }

    fn device(&mut self) -> Value {
        // Good words alone, so that not too many descriptions are refused.
        let buses = [
            None,
            Some("virtio"),
            Some("scsi"),
            Some("ide"),
            Some("sata"),
            Some("usb"),
        ];
        json!({
            "bus": buses[usize::from(self.byte()) % buses.len()],
            "cdrom": self.rarely(16),
            "boot_order": self.rarely(4).then_some(2),
            "tag": self.tag(),
        })
    }

    fn ephemeral(&mut self, size: u8) -> Value {
        json!({"size_gb": size, "device": self.device()})
    }

    /// Where devices were, as a record might say.
    fn addresses(&mut self) -> Addresses {
        let names = [
            "spare0",
            "scsi0",
            "sata0",
            "usb",
            "disk-root",
            "disk-config",
        ];
        let mut address = || {
            let bus = self.maybe(&["pci.0", "pcie.0", "spare0", "scsi0.0", "ide.1", "usb.0"]);
            let bus = bus.as_str().map(str::to_owned);
            let place = self.rarely(2).then(|| u32::from(self.byte()));
            (self.word(&names), Address { bus, place })
        };
        (0..3).map(|_| address()).collect()
    }

    fn image(&mut self) -> Value {
        json!({
            "id": self.text(),
            "path": self.word(&["/cache/base", "/cache/b,c"]),
            "format": self.word(&["raw", "qcow2"]),
            "virtual_size": self.byte(),
        })
    }

    fn root_disk(&mut self) -> Value {
        json!({"size_gb": self.byte(), "image": self.image()})
    }

    fn rescue(&mut self) -> Value {
        let buses = ["virtio", "scsi", "ide", "sata"];
        let beside = self.rarely(2);
        let device = json!({"cdrom": self.rarely(2), "bus": self.maybe(&buses)});
        let boot = json!({"kernel": self.word(&["/cache/kernel"])});
        json!({
            "number": self.byte(),
            "image": self.image(),
            "direct_boot": if self.rarely(2) { boot } else { Value::Null },
            "device": if beside { device } else { Value::Null },
        })
    }

    fn hardware(&mut self) -> Value {
        let limit = |byte: u8| json!({"total": byte, "read": 0, "write": byte / 2});
        let input = self.maybe(&["usb", "virtio"]);
        json!({
            "boot_menu": self.rarely(2),
            "cdrom_bus": self.maybe(&["virtio", "scsi", "ide", "sata"]),
            "topology": if self.rarely(2) { json!({"sockets": 1, "cores": self.byte(), "threads": 1}) } else { Value::Null },
            "hide_hypervisor": self.rarely(2),
            "hpet": self.rarely(2).then_some(true),
            "packed_ring": self.rarely(2),
            "pmu": self.rarely(2).then_some(false),
            "usb": if input == "usb" { Value::Null } else { self.maybe(&["none", "nec-xhci", "qemu-xhci"]) },
            "input": input,
            "random": match self.byte() % 3 {
                0 => json!("free"),
                1 => json!("off"),
                _ => json!({"limited": {"bytes": self.byte(), "period_ms": 7}}),
            },
            "more_serial_ports": self.byte() % 4,
            "video_ram_mb": self.rarely(3).then_some(8),
            "watchdog": self.maybe(&["none", "pause", "poweroff", "reset"]),
            "windows": self.rarely(2),
            "guest_agent": self.rarely(2),
            "disk_limits": {"bytes": limit(self.byte()), "operations": limit(self.byte())},
        })
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
            "root_device": self.device(),
            "ephemeral": (0..self.byte() % 3).map(|size| self.ephemeral(size)).collect::<Vec<_>>(),
            "swap_mb": self.byte() % 2,
            "swap_device": self.device(),
            "nics": nics,
            "config_drive": if self.rarely(2) { json!({"files": []}) } else { Value::Null },
            "direct_boot": if self.rarely(2) { boot } else { Value::Null },
            "machine_type": self.maybe(&["pc", "q35", "pc-q35-7.2", "pc-i440fx-7.2"]),
            "firmware": self.word(&["bios", "uefi"]),
            "disk_bus": self.maybe(&["virtio", "scsi", "ide", "sata"]),
            "video_model": self.maybe(&["vga", "std", "virtio", "cirrus", "bochs", "none"]),
            "hardware": self.hardware(),
            "volumes": (0..self.byte() % 3).map(|_| self.volume()).collect::<Vec<_>>(),
            "metadata": {self.text(): self.text()},
            "rescue": if self.rarely(3) { self.rescue() } else { Value::Null },
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
    let spec = spec.started();
    let mut record = Record::new(&spec);
    let wanted = machine_type(&record, &settings).clone();
    let Ok(whole) = Machines::parse(MACHINES).whole(&wanted) else {
        return false;
    };
    record.machine = Some(whole);
    let base = |image: ImageRef| Base {
        path: image.path,
        format: image.format,
    };
    let image = spec.root_disk.as_ref().and_then(|root| root.image.clone());
    record.base = image.map(base);
    record.rescue_base = spec.rescue.clone().map(|rescue| base(rescue.image));
    let taps: Vec<_> = spec.nics.iter().map(|_| plugged.then_some(12)).collect();
    if incoming.is_some() && bytes.rarely(2) {
        record.addresses = bytes.addresses();
    }
    // Of what the guest is started with, and of files alone.
    let files = record.spec.volumes.iter();
    let files = files.filter(|volume| volume.source.file().is_some());
    let volumes: Vec<_> = (50..).take(files.count()).collect();
    let inputs = Inputs {
        layout: &layout,
        record: &record,
        settings: &settings,
        accel: if plugged { Accel::Kvm } else { Accel::Tcg },
        qmp: 9,
        agent: record.spec.hardware.guest_agent.then_some(8),
        taps: &taps,
        volumes: &volumes,
        incoming,
    };
    let Ok(args) = build(&inputs) else {
        return false;
    };
    let found = unmeant(&inputs, &args);
    assert!(found.is_empty(), "{found:#?}\n{spec:?}\n{args:#?}");
    true
}
