//! Which devices a description's words stand for here: disks and their buses, graphics, network cards.

use hypervisor::{DiskBus, DriverError, Nic, NicModel, Result, VideoModel};
use serde_json::Value;

use super::option::{Keyed, Word};

/// Node of the config drive.
pub(super) const CONFIG: &str = "config";

/// Buses a disk can sit on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bus {
    Virtio,
    Scsi,
    Ide,
    Sata,
}

/// The bus of a server's disks.
///
/// # Errors
/// `Unsupported` for one that this driver does not offer.
pub(super) fn bus(wanted: Option<DiskBus>) -> Result<Bus> {
    match wanted {
        None | Some(DiskBus::Virtio) => Ok(Bus::Virtio),
        Some(DiskBus::Scsi) => Ok(Bus::Scsi),
        Some(DiskBus::Ide) => Ok(Bus::Ide),
        Some(DiskBus::Sata) => Ok(Bus::Sata),
        Some(
            other @ (DiskBus::Fdc | DiskBus::Usb | DiskBus::Xen | DiskBus::Lxc | DiskBus::Uml),
        ) => unsupported(format!("disk bus {other}")),
    }
}

/// A disk and where it sits.
pub(super) struct Place {
    pub bus: Bus,
    /// Among those on its bus.
    pub slot: usize,
    /// Virtio's packed rings.
    pub packed: bool,
}

/// The device for a node; `drive` is the node that it reads. The config drive is a CD where the bus has such: IDE disks
/// cannot be read-only.
pub(super) fn disk(place: &Place, node: &str, drive: &str, boot: bool) -> Keyed {
    let cd = node == CONFIG;
    let slot = place.slot;
    let device = match place.bus {
        Bus::Virtio => packed(Keyed::head("virtio-blk-pci"), place.packed),
        Bus::Scsi => Keyed::head(if cd { "scsi-cd" } else { "scsi-hd" })
            .set("bus", "scsi0.0")
            .set("scsi-id", slot),
        Bus::Ide => Keyed::head(if cd { "ide-cd" } else { "ide-hd" })
            .set("bus", format!("ide.{}", slot / 2))
            .set("unit", slot % 2),
        Bus::Sata => {
            Keyed::head(if cd { "ide-cd" } else { "ide-hd" }).set("bus", format!("sata0.{slot}"))
        }
    };
    let device = device.set("drive", drive).set("id", format!("disk-{node}"));
    if boot {
        device.set("bootindex", 1_u32)
    } else {
        device
    }
}

/// A virtio device, with packed rings where they are wanted.
pub(super) fn packed(device: Keyed, packed: bool) -> Keyed {
    match packed {
        true => device.set("packed", "on"),
        false => device,
    }
}

/// The graphics device; `None` for a server without.
///
/// # Errors
/// `Unsupported` for one that this driver does not offer.
pub(super) fn video(model: Option<VideoModel>) -> Result<Option<Word>> {
    match model {
        None | Some(VideoModel::Vga) => Ok(Some("VGA")),
        Some(VideoModel::Cirrus) => Ok(Some("cirrus-vga")),
        Some(VideoModel::Virtio) => Ok(Some("virtio-vga")),
        Some(VideoModel::Bochs) => Ok(Some("bochs-display")),
        Some(VideoModel::None) => Ok(None),
        Some(other @ (VideoModel::Qxl | VideoModel::Vmvga | VideoModel::Xen | VideoModel::Gop)) => {
            unsupported(format!("video model {other}"))
        }
    }
}

fn card(model: Option<NicModel>) -> Result<Word> {
    match model {
        None | Some(NicModel::Virtio) => Ok("virtio-net-pci"),
        Some(NicModel::E1000) => Ok("e1000"),
        Some(NicModel::E1000e) => Ok("e1000e"),
        Some(NicModel::Rtl8139) => Ok("rtl8139"),
        Some(NicModel::Vmxnet3) => Ok("vmxnet3"),
        Some(NicModel::Ne2kPci) => Ok("ne2k_pci"),
        Some(NicModel::Pcnet) => Ok("pcnet"),
        Some(
            other @ (NicModel::Netfront
            | NicModel::SpaprVlan
            | NicModel::Lan9118
            | NicModel::Sriov
            | NicModel::Vmxnet
            | NicModel::Igb),
        ) => unsupported(format!("network card {other}")),
    }
}

fn unsupported<T>(what: String) -> Result<T> {
    Err(DriverError::Unsupported { what })
}

/// Name of a card's back end.
pub(crate) fn netdev_id(port_id: &str) -> String {
    format!("net-{}", identifier(port_id))
}

/// Name of a card in the guest.
pub(crate) fn nic_id(port_id: &str) -> String {
    format!("nic-{}", identifier(port_id))
}

/// What QEMU takes as a name; ports are named by UUIDs, which pass whole.
fn identifier(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect()
}

/// A card as QEMU wants it: its driver, and the properties.
pub(crate) struct Card {
    pub driver: Word,
    properties: Vec<(Word, Property)>,
}

/// `-device` takes text and `device_add` takes JSON, where numbers are numbers.
enum Property {
    Text(String),
    Number(u32),
    /// True.
    Flag,
}

impl Card {
    /// # Errors
    /// `Unsupported` for a card that this driver does not offer, `BadSpec` for a MAC that is none.
    pub fn new(nic: &Nic, plugged: bool, packed: bool) -> Result<Self> {
        let driver = card(nic.model)?;
        let mut properties = vec![("id", Property::Text(nic_id(&nic.port_id)))];
        if plugged {
            properties.push(("netdev", Property::Text(netdev_id(&nic.port_id))));
        }
        properties.push(("mac", Property::Text(mac(&nic.mac)?)));
        if driver == "virtio-net-pci" {
            if nic.mtu > 0 {
                properties.push(("host_mtu", Property::Number(nic.mtu)));
            }
            // No boot over the network: its ROM would only cost time.
            properties.push(("romfile", Property::Text(String::new())));
            if packed {
                properties.push(("packed", Property::Flag));
            }
        }
        Ok(Card { driver, properties })
    }

    /// As `-device` takes it.
    pub fn argument(self) -> Keyed {
        let begin = Keyed::head(self.driver);
        self.properties
            .into_iter()
            .fold(begin, |keyed, (key, value)| match value {
                Property::Text(text) => keyed.set(key, text),
                Property::Number(number) => keyed.set(key, number),
                Property::Flag => keyed.set(key, "on"),
            })
    }

    /// As `device_add` takes it.
    pub fn command(self) -> serde_json::Map<String, Value> {
        let driver = ("driver".to_owned(), Value::from(self.driver));
        let properties = self.properties.into_iter().map(|(key, value)| {
            let value = match value {
                Property::Text(text) => Value::from(text),
                Property::Number(number) => Value::from(number),
                Property::Flag => Value::from(true),
            };
            (key.to_owned(), value)
        });
        std::iter::once(driver).chain(properties).collect()
    }
}

/// Six pairs of hexadecimal digits with colons between, in lower case.
fn mac(text: &str) -> Result<String> {
    let mut groups = text.split(':');
    let six = groups.clone().count() == 6;
    let pairs =
        groups.all(|group| group.len() == 2 && group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match six && pairs {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(DriverError::BadSpec {
            why: format!("{text:.60?} is no MAC address"),
        }),
    }
}
