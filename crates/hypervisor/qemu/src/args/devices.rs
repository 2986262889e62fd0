//! Which devices a description's words stand for here: disks and their buses, graphics, network cards.

use crate::addresses::Address;
use hypervisor::{DiskBus, DriverError, Nic, NicModel, Result, VideoModel};

use super::device::Device;
use super::option::Word;

/// Node of the config drive.
pub(super) const CONFIG: &str = "config";

/// Buses a disk can sit on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bus {
    Virtio,
    Scsi,
    Ide,
    Sata,
    Usb,
}

/// The bus that a word stands for; none is the usual one.
///
/// # Errors
/// `Unsupported` for one that this driver does not offer.
pub(crate) fn bus(wanted: Option<DiskBus>) -> Result<Bus> {
    match wanted {
        None | Some(DiskBus::Virtio) => Ok(Bus::Virtio),
        Some(DiskBus::Scsi) => Ok(Bus::Scsi),
        Some(DiskBus::Ide) => Ok(Bus::Ide),
        Some(DiskBus::Sata) => Ok(Bus::Sata),
        Some(DiskBus::Usb) => Ok(Bus::Usb),
        Some(other @ (DiskBus::Fdc | DiskBus::Xen | DiskBus::Lxc | DiskBus::Uml)) => {
            unsupported(format!("disk bus {other}"))
        }
    }
}

/// A disk to make a device for.
pub(crate) struct Disk<'a> {
    pub bus: Bus,
    pub address: Address,
    /// Virtio's packed rings.
    pub packed: bool,
    /// A CD, where the bus has such: IDE disks cannot be read-only.
    pub cd: bool,
    /// Gives the device its name, as [`disk_id`].
    pub node: &'a str,
    /// The node that the device reads.
    pub drive: &'a str,
}

/// Name of the device that shows a node to the guest.
pub(crate) fn disk_id(node: &str) -> String {
    format!("disk-{node}")
}

/// The device for a node.
pub(crate) fn disk(disk: &Disk<'_>) -> Device {
    let cd = disk.cd;
    let device = match disk.bus {
        Bus::Virtio => Device::new("virtio-blk-pci").flag("packed", disk.packed),
        Bus::Scsi => Device::new(if cd { "scsi-cd" } else { "scsi-hd" }),
        Bus::Ide | Bus::Sata => Device::new(if cd { "ide-cd" } else { "ide-hd" }),
        Bus::Usb => Device::new("usb-storage"),
    };
    device
        .at(&disk.address)
        .set("drive", disk.drive)
        .set("id", disk_id(disk.node))
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

/// A card as QEMU wants it; `plugged` into a back end or into nothing.
///
/// # Errors
/// `Unsupported` for a card that this driver does not offer, `BadSpec` for a MAC that is none.
pub(crate) fn network(nic: &Nic, plugged: bool, rings: bool) -> Result<Device> {
    let driver = card(nic.model)?;
    let mut device = Device::new(driver).set("id", nic_id(&nic.port_id));
    if plugged {
        device = device.set("netdev", netdev_id(&nic.port_id));
    }
    device = device.set("mac", mac(&nic.mac)?);
    if driver == "virtio-net-pci" {
        if nic.mtu > 0 {
            device = device.set("host_mtu", nic.mtu);
        }
        // No boot over the network: its ROM would only cost time.
        device = device.set("romfile", "").flag("packed", rings);
    }
    Ok(device)
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
