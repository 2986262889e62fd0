//! One device as QEMU takes it, and where it sits: the same for the command line and for `device_add`.

use serde_json::Value;

use super::option::{Keyed, Word};
use crate::addresses::Address;

/// By the beginning of a bus's name, the property of its devices that says their place.
const PLACES: [(&str, Word); 7] = [
    ("ide.", "unit"),
    ("pci.", PCI),
    ("pcie.", PCI),
    ("sata0.", "unit"),
    ("scsi0.", "scsi-id"),
    ("spare", PCI),
    ("usb.", "port"),
];
const PCI: Word = "addr";

/// The property in which devices of a bus keep their place; None for buses whose order never changes.
pub(crate) fn place_property(bus: &str) -> Option<Word> {
    let mut known = PLACES.iter();
    let found = known.find(|(begin, _)| bus.starts_with(begin));
    found.map(|(_, property)| *property)
}

/// A device: its driver, and the properties.
pub(crate) struct Device {
    driver: Word,
    properties: Vec<(Word, Property)>,
}

/// `-device` takes text and `device_add` takes JSON, where numbers are numbers.
pub(crate) enum Property {
    Text(String),
    Number(u32),
    /// True.
    Flag,
}

impl From<&str> for Property {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Property {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Property {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl Device {
    pub fn new(driver: Word) -> Self {
        Self {
            driver,
            properties: Vec::new(),
        }
    }

    pub fn set(mut self, key: Word, value: impl Into<Property>) -> Self {
        self.properties.push((key, value.into()));
        self
    }

    /// Turns a property on when it is wanted.
    pub fn flag(mut self, key: Word, wanted: bool) -> Self {
        if wanted {
            self.properties.push((key, Property::Flag));
        }
        self
    }

    pub fn at(mut self, address: &Address) -> Self {
        let Some(bus) = &address.bus else {
            return self;
        };
        self = self.set("bus", bus.as_str());
        match (place_property(bus), address.place) {
            (Some(PCI), Some(place)) => self.set(PCI, format!("{:x}.{:x}", place / 8, place % 8)),
            (Some(property), Some(place)) => self.set(property, place),
            _ => self,
        }
    }

    /// As `-device` takes it.
    pub fn argument(self) -> Keyed {
        let begin = Keyed::head(self.driver);
        self.properties
            .into_iter()
            .fold(begin, |keyed, (key, value)| match value {
                Property::Text(text) => keyed.set(key, text),
                Property::Number(number) => keyed.set(key, number),
                Property::Flag => keyed.set(key, "on"),
            })
    }

    /// As `device_add` takes it.
    pub fn command(self) -> serde_json::Map<String, Value> {
        let driver = ("driver".to_owned(), Value::from(self.driver));
        let properties = self.properties.into_iter().map(|(key, value)| {
            let value = match value {
                Property::Text(text) => Value::from(text),
                Property::Number(number) => Value::from(number),
                Property::Flag => Value::from(true),
            };
            (key.to_owned(), value)
        });
        std::iter::once(driver).chain(properties).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_said_as_its_bus_takes_it() {
        let at = |bus: &str, place| {
            let address = Address {
                bus: Some(bus.to_owned()),
                place,
            };
            Value::Object(Device::new("x").at(&address).command()).to_string()
        };
        assert_eq!(
            at("pci.0", Some(0x5a)),
            r#"{"addr":"b.2","bus":"pci.0","driver":"x"}"#
        );
        assert_eq!(
            at("scsi0.0", Some(7)),
            r#"{"bus":"scsi0.0","driver":"x","scsi-id":7}"#
        );
        assert_eq!(
            at("ide.1", Some(1)),
            r#"{"bus":"ide.1","driver":"x","unit":1}"#
        );
        assert_eq!(at("spare3", None), r#"{"bus":"spare3","driver":"x"}"#);
        assert_eq!(
            at("usb.0", Some(2)),
            r#"{"bus":"usb.0","driver":"x","port":2}"#
        );
        assert_eq!(place_property("isa.0"), None);
    }
}
