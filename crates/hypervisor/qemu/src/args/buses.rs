//! Which disks sit on which bus.

use hypervisor::{DriverError, Result, ServerSpec};

use super::devices::{Bus, bus, packed};
use super::option::{Arguments, Keyed};

/// The buses of a server's disks and of its config drive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buses {
    pub disks: Bus,
    pub config: Bus,
}

impl Buses {
    /// # Errors
    /// `Unsupported` for a bus that this driver does not offer.
    pub fn of(spec: &ServerSpec, q35: bool) -> Result<Self> {
        let here = |bus| match bus {
            // q35 has no IDE; its disks of that kind sit on SATA.
            Bus::Ide if q35 => Bus::Sata,
            bus => bus,
        };
        let disks = bus(spec.disk_bus)?;
        let config = match spec.hardware.cdrom_bus {
            Some(wanted) => bus(Some(wanted))?,
            None => disks,
        };
        Ok(Self {
            disks: here(disks),
            config: here(config),
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
            let drives = [(self.disks, disks), (self.config, config_drives(spec))];
            let here = drives.into_iter().filter(|(other, _)| *other == bus);
            if here.map(|(_, count)| count).sum::<usize>() > most {
                return Err(DriverError::Unsupported {
                    what: what.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The controllers of those buses that a machine does not have by itself. That of SCSI is the only one that an image's
    /// `hw_scsi_model` may name.
    ///
    /// # Errors
    /// None for words of this program.
    pub fn controllers(&self, args: &mut Arguments, rings: bool) -> Result<()> {
        if [self.disks, self.config].contains(&Bus::Scsi) {
            let device = Keyed::head("virtio-scsi-pci").set("id", "scsi0");
            args.keyed("-device", packed(device, rings))?;
        }
        if [self.disks, self.config].contains(&Bus::Sata) {
            args.word("-device", "ich9-ahci,id=sata0");
        }
        Ok(())
    }
}

fn config_drives(spec: &ServerSpec) -> usize {
    usize::from(spec.config_drive.is_some())
}

/// The next free slot of each bus.
#[derive(Default)]
pub(super) struct Slots(Vec<Bus>);

impl Slots {
    pub fn next(&mut self, bus: Bus) -> usize {
        let taken = self.0.iter().filter(|other| **other == bus).count();
        self.0.push(bus);
        taken
    }
}
