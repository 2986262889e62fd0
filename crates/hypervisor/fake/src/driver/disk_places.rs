//! Where simulated guests find their disks: the n-th disk, counted from 0, has the n-th place of its bus.

use async_trait::async_trait;
use hypervisor::disk_names::{ROOT, SWAP, ephemeral_name};
use hypervisor::{DiskBus, DiskPlace, DiskPlaces, PlaceBus, Result, ServerSpec, parse_id};

use super::FakeDriver;

/// The slot of the first disk on PCI.
const FIRST_SLOT: usize = 4;

#[async_trait]
impl DiskPlaces for FakeDriver {
    async fn disk_places(&self, spec: &ServerSpec) -> Result<Vec<DiskPlace>> {
        parse_id(&spec.id)?;
        let spec = spec.started();
        let root = spec.root_disk.iter().map(|_| &spec.root_device);
        let root = root.map(|device| (ROOT.to_owned(), device.bus, device.tag.is_some()));
        let ephemeral = spec.ephemeral.iter().enumerate().map(|(number, disk)| {
            let name = ephemeral_name(number);
            (name, disk.device.bus, disk.device.tag.is_some())
        });
        let device = &spec.swap_device;
        let swap = (SWAP.to_owned(), device.bus, device.tag.is_some());
        let swap = (spec.swap_mb > 0).then_some(swap);
        let volumes = spec.volumes.iter();
        let volumes = volumes.map(|volume| (volume.id.clone(), volume.bus, volume.tag.is_some()));
        let disks = root.chain(ephemeral).chain(swap).chain(volumes);
        let tagged = disks.enumerate().filter(|(_, (_, _, tagged))| *tagged);
        let places = tagged.map(|(number, (name, bus, _))| {
            let bus = bus.or(spec.disk_bus).unwrap_or(DiskBus::Virtio);
            place(number, name, bus)
        });
        Ok(places.collect())
    }
}

fn place(number: usize, disk: String, bus: DiskBus) -> DiskPlace {
    let (bus, address) = match bus {
        DiskBus::Virtio => {
            let slot = number + FIRST_SLOT;
            (Some(PlaceBus::Pci), Some(format!("0000:00:{slot:02x}.0")))
        }
        DiskBus::Scsi => (Some(PlaceBus::Scsi), Some(format!("0:0:{number}:0"))),
        DiskBus::Ide => {
            let (channel, unit) = (number / 2, number % 2);
            (Some(PlaceBus::Ide), Some(format!("0:{channel}:0:{unit}")))
        }
        DiskBus::Usb => (Some(PlaceBus::Usb), None),
        DiskBus::Fdc | DiskBus::Sata | DiskBus::Xen | DiskBus::Lxc | DiskBus::Uml => (None, None),
    };
    DiskPlace { disk, bus, address }
}
