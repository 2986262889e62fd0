//! How the disks of a request are shown to their guest: bus, disk or CD, order of booting, tag.
//!
//! Source: `nova.virt.libvirt.blockinfo.get_info_from_bdm`; unlike Nova's libvirt driver, which gives a root on the host
//! the bus of its image whatever the request says, that is honoured too.

use std::collections::BTreeMap;

use compute_model::Flavor;
use compute_model::disk_device::{self, DiskDevice};
use compute_model::guest_hardware::GuestHardware;
use compute_model::hardware::{DiskBus, UsbModel};
use compute_model::image_properties;
use compute_model::local_disks::LocalDisks;
use compute_model::volume::VolumeRequest;

use super::{Device, malformed};
use crate::Result;
use crate::servers::create::invalid;

/// How a disk is to be shown, in a server whose image has these properties.
///
/// # Errors
/// 400 for a CD on a bus without such.
pub(in crate::servers) fn device(
    device: &Device,
    properties: &BTreeMap<String, String>,
) -> Result<DiskDevice> {
    let kind = device.said.get("device_type");
    let cdrom = kind.is_some_and(|kind| kind == "cdrom");
    // Another word was refused before.
    let wanted = device.bus.as_ref().and_then(|word| word.parse().ok());
    let bus = disk_device::bus(wanted, cdrom, of_image(properties, "hw_cdrom_bus"));
    Ok(DiskDevice {
        bus: bus.map_err(|why| malformed(&why))?,
        cdrom,
        boot_order: device.order(),
        tag: device.tag.clone(),
    })
}

/// The bus that an image names.
fn of_image(properties: &BTreeMap<String, String>, name: &str) -> Option<DiskBus> {
    image_properties::typed(properties, name).ok().flatten()
}

/// The name of the disk that a server boots from: the first one of its bus.
pub(in crate::servers) fn root_name(
    volumes: &[VolumeRequest],
    local: &LocalDisks,
    properties: &BTreeMap<String, String>,
) -> String {
    let root = volumes.iter().find(|volume| volume.boot);
    let own = root.map_or(local.root.bus, |root| root.bus);
    let bus = own.or_else(|| of_image(properties, "hw_disk_bus"));
    disk_device::first_name(bus.unwrap_or(DiskBus::Virtio))
}

/// Whether the hardware of a server has the buses of its disks.
///
/// # Errors
/// 400 for a disk on USB in a server without a controller of that.
pub(in crate::servers) fn fits(
    devices: &[Device],
    properties: &BTreeMap<String, String>,
    flavor: &Flavor,
) -> Result<()> {
    let usb = DiskBus::Usb.as_str();
    if !devices
        .iter()
        .any(|device| device.bus.as_deref() == Some(usb))
    {
        return Ok(());
    }
    let hardware = GuestHardware::of(flavor, properties).map_err(invalid)?;
    match hardware.usb {
        Some(UsbModel::None) => Err(malformed(
            "disk_bus=\"usb\" cannot be honoured: the server has no USB controller (hw_usb_model is none).",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::boot::Source;

    fn blank(bus: Option<&str>, kind: Option<&str>) -> Device {
        let said = kind.map(|kind| ("device_type", kind.to_owned()));
        Device {
            source: Source::Blank,
            local: true,
            uuid: None,
            boot_index: Some(2),
            size: None,
            bus: bus.map(str::to_owned),
            volume_type: None,
            tag: Some("mine".to_owned()),
            delete_on_termination: None,
            said: said.into_iter().collect(),
            old: false,
        }
    }

    fn named(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_disk_is_shown_as_asked_and_a_cd_sits_where_the_image_has_cds() {
        let none = BTreeMap::new();
        let shown = device(&blank(Some("usb"), Some("disk")), &none).expect("a disk");
        let wanted = DiskDevice {
            bus: Some(DiskBus::Usb),
            cdrom: false,
            boot_order: Some(2),
            tag: Some("mine".to_owned()),
        };
        assert_eq!(shown, wanted);
        let bus = |kind: Option<&str>, properties: &BTreeMap<String, String>| {
            device(&blank(None, kind), properties).expect("a disk").bus
        };
        assert_eq!(bus(None, &none), None, "the server's own");
        assert_eq!(bus(Some("cdrom"), &none), Some(DiskBus::Ide));
        let scsi = named("hw_cdrom_bus", "scsi");
        assert_eq!(bus(Some("cdrom"), &scsi), Some(DiskBus::Scsi));
        let refused = device(&blank(Some("virtio"), Some("cdrom")), &none);
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("CDs on scsi, ide or sata"), "{said}");
    }

    #[test]
    fn a_root_is_called_after_its_bus() {
        let mut local = LocalDisks::default();
        let of = |local: &LocalDisks, properties: &BTreeMap<String, String>| {
            root_name(&[], local, properties)
        };
        let none = BTreeMap::new();
        assert_eq!(of(&local, &none), "/dev/vda");
        assert_eq!(of(&local, &named("hw_disk_bus", "scsi")), "/dev/sda");
        local.root.bus = Some(DiskBus::Ide);
        assert_eq!(of(&local, &named("hw_disk_bus", "scsi")), "/dev/hda");
    }
}
