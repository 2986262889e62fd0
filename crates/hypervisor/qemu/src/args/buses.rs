//! Which disks sit on which bus.

use hypervisor::{DriverError, Result, ServerSpec, Volume};

use super::device::Device;
use super::devices::{Bus, bus};
use super::option::Arguments;
use super::places::Places;

/// Names of the controllers.
pub(crate) const SCSI: &str = "scsi0";
const SATA: &str = "sata0";

/// The buses of a server's disks, of its config drive and of its volumes, in order.
#[derive(Clone, Debug)]
pub(super) struct Buses {
    pub disks: Bus,
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

/// q35 has no IDE; its disks of that kind sit on SATA.
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
        Ok(Self {
            disks: here(disks, q35),
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
        let disks = spec.ephemeral.len()
            + usize::from(spec.root_disk.is_some())
            + usize::from(spec.swap_mb > 0);
        for (bus, most, what) in [
            (Bus::Ide, 4, "more than four IDE disks"),
            (Bus::Sata, 6, "more than six SATA disks"),
        ] {
            let drives = [
                (self.disks, disks),
                (self.config, config_drives(spec)),
                (self.rescue, usize::from(spec.rescue.is_some())),
            ];
            let here = drives.into_iter().filter(|(other, _)| *other == bus);
            let volumes = self.volumes.iter().filter(|other| **other == bus).count();
            if here.map(|(_, count)| count).sum::<usize>() + volumes > most {
                return Err(DriverError::Unsupported {
                    what: what.to_owned(),
                });
            }
        }
        Ok(())
    }

    fn uses(&self, bus: Bus) -> bool {
        [self.disks, self.config, self.rescue].contains(&bus) || self.volumes.contains(&bus)
    }

    /// The controllers of those buses that a machine does not have by itself. That of SCSI is the only one that an image's
    /// `hw_scsi_model` may name. One that saved memory has is there, too, whether or not a disk is left on it.
    ///
    /// # Errors
    /// None for words of this program.
    pub fn controllers(
        &self,
        args: &mut Arguments,
        rings: bool,
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
                    device.flag("packed", rings && bus == Bus::Scsi).argument(),
                )?;
            }
        }
        Ok(())
    }
}

fn config_drives(spec: &ServerSpec) -> usize {
    usize::from(spec.config_drive.is_some())
}
