//! Which disks sit on which bus.

use hypervisor::{DiskDevice, DriverError, GuestHardware, Result, ServerSpec, UsbModel, Volume};

use super::device::Device;
use super::devices::{Bus, bus};
use super::hardware;
use super::option::Arguments;
use super::places::Places;

/// Names of the controllers.
pub(crate) const SCSI: &str = "scsi0";
const SATA: &str = "sata0";

/// Of the four ports of the USB controller, the first is the pointer's.
const USB_DISKS: usize = 3;

/// The bus of each disk of a server.
#[derive(Clone, Debug)]
pub(super) struct Buses {
    /// Of disks for which nobody names one.
    disks: Bus,
    pub root: Bus,
    pub ephemeral: Vec<Bus>,
    /// That of the disks for a server without swap.
    pub swap: Bus,
    pub config: Bus,
    pub volumes: Vec<Bus>,
    /// Of the disk that a rescued server boots from; that of the disks for others.
    pub rescue: Bus,
}

/// The bus of a volume.
///
/// # Errors
/// `Unsupported` for one that this driver does not offer.
pub(crate) fn volume_bus(spec: &ServerSpec, volume: &Volume, q35: bool) -> Result<Bus> {
    let bus = bus(volume.bus.or(spec.disk_bus))?;
    Ok(here(bus, q35))
}

/// The bus of a disk of the host.
fn local_bus(spec: &ServerSpec, device: &DiskDevice, q35: bool) -> Result<Bus> {
    let bus = bus(device.bus.or(spec.disk_bus))?;
    Ok(here(bus, q35))
}

/// q35 has no IDE; its disks of that kind sit on SATA, and share its six ports with those of SATA.
fn here(bus: Bus, q35: bool) -> Bus {
    match bus {
        Bus::Ide if q35 => Bus::Sata,
        bus => bus,
    }
}

impl Buses {
    /// # Errors
    /// `Unsupported` for a bus that this driver does not offer.
    pub fn of(spec: &ServerSpec, q35: bool) -> Result<Self> {
        let disks = bus(spec.disk_bus)?;
        let config = match spec.hardware.cdrom_bus {
            Some(wanted) => bus(Some(wanted))?,
            None => disks,
        };
        let device = spec.rescue.as_ref().and_then(|rescue| rescue.device);
        let rescue = match device.and_then(|device| device.bus) {
            Some(wanted) => bus(Some(wanted))?,
            None => disks,
        };
        let volumes = spec.volumes.iter();
        let volumes = volumes.map(|volume| volume_bus(spec, volume, q35));
        let ephemeral = spec.ephemeral.iter();
        let ephemeral = ephemeral.map(|disk| local_bus(spec, &disk.device, q35));
        let usual = DiskDevice::default();
        let swap = match spec.swap_mb > 0 {
            true => &spec.swap_device,
            false => &usual,
        };
        let root = match spec.root_disk.is_some() {
            true => &spec.root_device,
            false => &usual,
        };
        Ok(Self {
            disks: here(disks, q35),
            root: local_bus(spec, root, q35)?,
            ephemeral: ephemeral.collect::<Result<_>>()?,
            swap: local_bus(spec, swap, q35)?,
            config: here(config, q35),
            volumes: volumes.collect::<Result<_>>()?,
            rescue: here(rescue, q35),
        })
    }

    /// Whether the disks find room on their buses.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn room(&self, spec: &ServerSpec) -> Result<()> {
        let there = [
            (self.root, spec.root_disk.is_some()),
            (self.swap, spec.swap_mb > 0),
            (self.config, spec.config_drive.is_some()),
            (self.rescue, spec.rescue.is_some()),
        ];
        let there = there.into_iter().filter(|(_, there)| *there);
        let mut taken: Vec<Bus> = there.map(|(bus, _)| bus).collect();
        taken.extend(&self.ephemeral);
        taken.extend(&self.volumes);
        for (bus, most, what) in [
            (Bus::Ide, 4, "more than four IDE disks"),
            (Bus::Sata, 6, "more than six SATA disks"),
            (Bus::Usb, USB_DISKS, "more than three USB disks"),
        ] {
            if taken.iter().filter(|other| **other == bus).count() > most {
                return Err(DriverError::Unsupported {
                    what: what.to_owned(),
                });
            }
        }
        match self.uses(Bus::Usb) && spec.hardware.usb == Some(UsbModel::None) {
            true => Err(DriverError::Unsupported {
                what: "a USB disk without a USB controller".to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// Whether CDs sit on buses that have such. The config drive, which is no CD on the others, is not asked.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn cds(&self, spec: &ServerSpec) -> Result<()> {
        let ephemeral = spec.ephemeral.iter().map(|disk| disk.device.cdrom);
        let volumes = spec.volumes.iter().map(|volume| volume.cdrom);
        let root = spec.root_disk.is_some() && spec.root_device.cdrom;
        let swap = spec.swap_mb > 0 && spec.swap_device.cdrom;
        let mut disks = [(self.root, root), (self.swap, swap)]
            .into_iter()
            .chain(self.ephemeral.iter().copied().zip(ephemeral))
            .chain(self.volumes.iter().copied().zip(volumes));
        match disks.any(|(bus, cd)| cd && matches!(bus, Bus::Virtio | Bus::Usb)) {
            true => Err(DriverError::Unsupported {
                what: "a CD on the bus virtio or USB".to_owned(),
            }),
            false => Ok(()),
        }
    }

    fn uses(&self, bus: Bus) -> bool {
        let single = [self.disks, self.root, self.swap, self.config, self.rescue];
        single.contains(&bus) || self.ephemeral.contains(&bus) || self.volumes.contains(&bus)
    }

    /// The controllers of those buses that a machine does not have by itself. That of SCSI is the only one that an image's
    /// `hw_scsi_model` may name. One that saved memory has is there, too, whether or not a disk is left on it.
    ///
    /// # Errors
    /// None for words of this program.
    pub fn controllers(
        &self,
        args: &mut Arguments,
        wanted: &GuestHardware,
        places: &Places<'_>,
    ) -> Result<()> {
        for (bus, id, driver) in [
            (Bus::Scsi, SCSI, "virtio-scsi-pci"),
            (Bus::Sata, SATA, "ich9-ahci"),
        ] {
            if self.uses(bus) || places.knows(id) {
                let device = Device::new(driver).set("id", id).at(&places.any(id));
                args.keyed(
                    "-device",
                    device
                        .flag("packed", wanted.packed_ring && bus == Bus::Scsi)
                        .argument(),
                )?;
            }
        }
        let usb = hardware::USB;
        let missing = hardware::usb_controller(wanted).is_none();
        if missing && (self.uses(Bus::Usb) || places.knows(usb)) {
            let device = Device::new("qemu-xhci").set("id", usb);
            args.keyed("-device", device.at(&places.any(usb)).argument())?;
        }
        Ok(())
    }
}
