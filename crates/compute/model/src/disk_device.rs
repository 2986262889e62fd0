//! How a disk is shown to its guest, and where the guest finds it.

use serde::{Deserialize, Serialize};

use crate::hardware::{DiskBus, quoted};

/// How a disk of a server is shown to its guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskDevice {
    /// None is the bus of the server's disks.
    pub bus: Option<DiskBus>,
    /// A CD, which nobody writes; else a disk.
    pub cdrom: bool,
    /// Where it is tried after the disk that the server boots from, counted from 1; none: not at all.
    pub boot_order: Option<u32>,
    /// What its owner calls it: the guest is told its place by that.
    pub tag: Option<String>,
}

/// The bus of a CD for which nobody names one, as with Nova's libvirt driver.
const CD_BUS: DiskBus = DiskBus::Ide;

/// The bus of a disk or CD, by the word of a request. `cds` is the bus of CDs that the server's image names.
///
/// # Errors
/// In a sentence: a bus on which no guest here has such a device. Source of the words: `nova.objects.fields.DiskBus`.
pub fn bus(
    wanted: Option<DiskBus>,
    cdrom: bool,
    cds: Option<DiskBus>,
) -> Result<Option<DiskBus>, String> {
    let bus = match (wanted, cdrom) {
        (None, false) => return Ok(None),
        (None, true) => cds.unwrap_or(CD_BUS),
        (Some(bus), _) => bus,
    };
    let fits = match bus {
        DiskBus::Scsi | DiskBus::Ide | DiskBus::Sata => true,
        DiskBus::Virtio | DiskBus::Usb => !cdrom,
        DiskBus::Fdc | DiskBus::Xen | DiskBus::Lxc | DiskBus::Uml => false,
    };
    match fits {
        true => Ok(Some(bus)),
        false => Err(format!(
            "disk_bus={} cannot be honoured: disks sit on virtio, scsi, ide, sata or usb, CDs on scsi, ide or sata.",
            quoted(bus.as_str())
        )),
    }
}

/// What the names of disks on a bus begin with. Source: `nova.virt.libvirt.blockinfo.get_dev_prefix_for_disk_bus`.
#[must_use]
pub fn name_prefix(bus: DiskBus) -> &'static str {
    match bus {
        DiskBus::Virtio => "vd",
        DiskBus::Scsi | DiskBus::Sata | DiskBus::Usb => "sd",
        DiskBus::Ide => "hd",
        DiskBus::Fdc => "fd",
        DiskBus::Xen => "xvd",
        DiskBus::Lxc | DiskBus::Uml => "ubd",
    }
}

/// The name of the first disk on a bus: `/dev/vda`.
#[must_use]
pub fn first_name(bus: DiskBus) -> String {
    format!("/dev/{}a", name_prefix(bus))
}

/// Where a guest finds one of its disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskPlace {
    /// `root`, `ephemeral0`, `ephemeral1`, …, `swap`, or the id of a volume.
    pub disk: String,
    /// None for a bus that metadata has no word for.
    #[serde(default)]
    pub bus: Option<PlaceBus>,
    /// As `0000:00:05.0` on PCI; elsewhere controller, bus, target and unit, as `0:0:1:0`. None where nobody says it.
    #[serde(default)]
    pub address: Option<String>,
}

/// The buses that metadata tells of. Source: `nova.api.metadata.base.InstanceMetadata._get_device_metadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceBus {
    Ide,
    Pci,
    Scsi,
    Usb,
}

impl PlaceBus {
    /// The word in metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PlaceBus::Ide => "ide",
            PlaceBus::Pci => "pci",
            PlaceBus::Scsi => "scsi",
            PlaceBus::Usb => "usb",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_sits_where_a_guest_can_have_it() {
        use DiskBus::{Fdc, Ide, Sata, Scsi, Usb, Virtio, Xen};
        assert_eq!(bus(None, false, Some(Scsi)), Ok(None), "the server's own");
        for one in [Virtio, Scsi, Ide, Sata, Usb] {
            assert_eq!(bus(Some(one), false, None), Ok(Some(one)));
        }
        for one in [Scsi, Ide, Sata] {
            assert_eq!(bus(Some(one), true, None), Ok(Some(one)));
            assert_eq!(bus(None, true, Some(one)), Ok(Some(one)), "the image's");
        }
        assert_eq!(bus(None, true, None), Ok(Some(Ide)));
        for (one, cdrom) in [(Fdc, false), (Xen, false), (Virtio, true), (Usb, true)] {
            let refused = bus(Some(one), cdrom, None).unwrap_err();
            assert!(
                refused.starts_with(&format!("disk_bus=\"{one}\"")),
                "{refused}"
            );
        }
        assert!(
            bus(None, true, Some(Virtio)).is_err(),
            "the image's bus of CDs"
        );
    }

    #[test]
    fn names_begin_with_the_prefix_of_their_bus() {
        let prefixes = [DiskBus::Virtio, DiskBus::Usb, DiskBus::Ide].map(name_prefix);
        assert_eq!(prefixes, ["vd", "sd", "hd"]);
    }
}
