//! Where the devices of a server go: to the next place of their bus, and in a guest that continues from saved memory
//! to where they were.

use super::devices::Bus;
use crate::addresses::{Address, Addresses};

/// Root ports a q35 server has for devices plugged in later. Each costs a little firmware time.
pub(crate) const SPARE_PORTS: usize = 8;

/// What the name of a root port begins with; its number follows.
const PORT: &str = "spare";

/// Name of a root port, which takes one device.
pub(crate) fn port(number: usize) -> String {
    format!("{PORT}{number}")
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
