//! Rescue: a server boots from the disk of an image, to be repaired.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hardware::{DiskBus, quoted};
use crate::image::ServerImage;
use crate::image_properties;

/// What a rescued server boots from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rescue {
    pub image: ServerImage,
    /// The epoch of the operation that began it: tells one rescue of a server from another.
    pub number: i64,
}

/// How the disk of a rescue is shown beside the server's own disks: Nova's stable rescue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    pub cdrom: bool,
    /// None is the bus of the server's disks.
    pub bus: Option<DiskBus>,
}

/// What an image says of that with `hw_rescue_device` and `hw_rescue_bus`; none when it says nothing, and the server boots
/// with the disk of the rescue before its root disk and without the others.
///
/// # Errors
/// In a sentence, what no guest has here. Source: `nova.virt.libvirt.blockinfo.get_rescue_bus` and `get_rescue_device`.
pub fn device(properties: &BTreeMap<String, String>) -> Result<Option<Device>, String> {
    let said = |name| image_properties::value(properties, name);
    let (kind, bus) = (said("hw_rescue_device"), said("hw_rescue_bus"));
    if kind.is_none() && bus.is_none() {
        return Ok(None);
    }
    let cdrom = match kind.unwrap_or("disk") {
        "disk" => false,
        "cdrom" => true,
        other => {
            let other = quoted(other);
            return Err(format!(
                "hw_rescue_device={other}: servers are rescued from a disk or a cdrom"
            ));
        }
    };
    let bus = match bus {
        None => cdrom.then_some(DiskBus::Ide),
        Some(word) => match word.parse() {
            Ok(bus @ (DiskBus::Scsi | DiskBus::Ide | DiskBus::Sata)) => Some(bus),
            Ok(DiskBus::Virtio) if !cdrom => Some(DiskBus::Virtio),
            _ => {
                let word = quoted(word);
                return Err(format!(
                    "hw_rescue_bus={word}: disks sit on virtio, scsi, ide or sata, CDs on scsi, ide or sata"
                ));
            }
        },
    };
    Ok(Some(Device { cdrom, bus }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_how_its_disk_is_shown_or_nothing_or_what_nobody_has() {
        let of = |said: &[(&str, &str)]| {
            let owned = said
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            device(&owned.collect())
        };
        let shown = |cdrom, bus| Ok(Some(Device { cdrom, bus }));
        assert_eq!(of(&[("hw_disk_bus", "scsi")]), Ok(None));
        assert_eq!(of(&[("hw_rescue_device", "disk")]), shown(false, None));
        assert_eq!(
            of(&[("hw_rescue_bus", "virtio")]),
            shown(false, Some(DiskBus::Virtio))
        );
        assert_eq!(
            of(&[("hw_rescue_device", "cdrom")]),
            shown(true, Some(DiskBus::Ide))
        );
        let cd_on = |bus| of(&[("hw_rescue_device", "cdrom"), ("hw_rescue_bus", bus)]);
        assert_eq!(cd_on("scsi"), shown(true, Some(DiskBus::Scsi)));
        for odd in [
            cd_on("virtio"),
            of(&[("hw_rescue_bus", "usb")]),
            of(&[("hw_rescue_device", "floppy")]),
            of(&[("hw_rescue_bus", "ide,file=/etc/shadow")]),
        ] {
            assert!(odd.is_err(), "{odd:?}");
        }
    }
}
