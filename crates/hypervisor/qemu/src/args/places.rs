//! Where the devices of a server go: to the next place of their bus, and in a guest that continues from saved memory
//! to where they were.

use hypervisor::{DiskPlace, PlaceBus};

use super::devices::Bus;
use crate::addresses::{Address, Addresses};
use crate::machines::Chipset;

/// Root ports a q35 server has for devices plugged in later. Each costs a little firmware time.
pub(crate) const SPARE_PORTS: usize = 8;

/// What the name of a root port begins with; its number follows.
const PORT: &str = "spare";

/// Name of a root port, which takes one device.
pub(crate) fn port(number: usize) -> String {
    format!("{PORT}{number}")
}

/// The port of the first USB disk: the one before is the pointer's, whether there is one or not.
const FIRST_USB_PORT: usize = 2;

/// The last slot of the root bus that is free on every machine.
const LAST_SLOT: usize = 30;

/// Where QEMU puts the next device on the root bus that has so many beside those of its chipset: into the first free
/// slot. Says nothing where that is not known.
pub(super) fn next_slot(chipset: Option<Chipset>, devices: usize) -> Address {
    let (bus, first) = match chipset {
        Some(Chipset::I440fx) => ("pci.0", 2),
        Some(Chipset::Q35) => ("pcie.0", 1),
        None => return Address::default(),
    };
    let slot = first + devices;
    match u32::try_from(slot) {
        Ok(number) if slot <= LAST_SLOT => Address {
            bus: Some(bus.to_owned()),
            place: Some(number * 8),
        },
        _ => Address::default(),
    }
}

/// Where the guest finds a disk at an address, in the words of metadata.
pub(super) fn shown(disk: &str, bus: Bus, address: &Address) -> DiskPlace {
    let on = address.bus.as_deref().unwrap_or_default();
    let (kind, text) = match bus {
        Bus::Virtio => (Some(PlaceBus::Pci), pci(on, address.place)),
        Bus::Scsi => {
            let target = address.place.map(|target| format!("0:0:{target}:0"));
            (Some(PlaceBus::Scsi), target)
        }
        Bus::Ide => {
            let channel = on.strip_prefix("ide.").zip(address.place);
            let text = channel.map(|(channel, unit)| format!("0:{channel}:0:{unit}"));
            (Some(PlaceBus::Ide), text)
        }
        Bus::Usb => (Some(PlaceBus::Usb), None),
        // Metadata has no word for it.
        Bus::Sata => (None, None),
    };
    DiskPlace {
        disk: disk.to_owned(),
        bus: kind,
        address: text,
    }
}

/// An address on PCI. Root ports are the first bridges of the root bus, and firmware numbers the buses behind them in
/// their order.
fn pci(bus: &str, place: Option<u32>) -> Option<String> {
    let number = match bus {
        "pci.0" | "pcie.0" => 0,
        port => port.strip_prefix(PORT)?.parse::<u32>().ok()? + 1,
    };
    let place = place?;
    let (slot, function) = (place / 8, place % 8);
    Some(format!("0000:{number:02x}:{slot:02x}.{function:x}"))
}

/// The root ports of a q35 server: those of its saved memory, else the spare ones and one for each of `removable`
/// devices.
pub(super) fn ports(saved: &Addresses, removable: usize) -> usize {
    match saved.is_empty() {
        true => SPARE_PORTS + removable,
        false => saved.keys().filter(|name| name.starts_with(PORT)).count(),
    }
}

/// Hands out places, to each device once.
pub(super) struct Places<'a> {
    /// Addresses of saved memory; empty for a guest that starts afresh.
    saved: &'a Addresses,
    taken: Vec<Bus>,
    /// The next root port, on machines whose devices can be unplugged only there.
    port: Option<usize>,
}

impl<'a> Places<'a> {
    pub fn new(saved: &'a Addresses, q35: bool) -> Self {
        Self {
            saved,
            taken: Vec::new(),
            port: q35.then_some(SPARE_PORTS),
        }
    }

    /// Was there a device of this name when the memory was saved?
    pub fn knows(&self, device: &str) -> bool {
        self.saved.contains_key(device)
    }

    /// Of the device of this name: where it was, else where QEMU puts it.
    pub fn any(&self, device: &str) -> Address {
        self.saved.get(device).cloned().unwrap_or_default()
    }

    /// Of a disk.
    pub fn disk(&mut self, bus: Bus, device: &str) -> Address {
        let slot = self.taken.iter().filter(|other| **other == bus).count();
        self.taken.push(bus);
        if let Some(address) = self.saved.get(device) {
            return address.clone();
        }
        let at = |bus: String, place: Option<usize>| Address {
            bus: Some(bus),
            place: place.and_then(|place| u32::try_from(place).ok()),
        };
        match bus {
            Bus::Virtio => Address::default(),
            Bus::Scsi => at("scsi0.0".to_owned(), Some(slot)),
            Bus::Ide => at(format!("ide.{}", slot / 2), Some(slot % 2)),
            Bus::Sata => at(format!("sata0.{slot}"), None),
            Bus::Usb => at("usb.0".to_owned(), Some(slot + FIRST_USB_PORT)),
        }
    }

    /// Of a disk that the running guest may lose.
    pub fn removable(&mut self, bus: Bus, device: &str) -> Address {
        match (bus, &mut self.port) {
            (Bus::Virtio, Some(next)) if self.saved.is_empty() => {
                let bus = Some(port(*next));
                *next += 1;
                Address {
                    bus,
                    place: Some(0),
                }
            }
            _ => self.disk(bus, device),
        }
    }
}
