//! QEMU's arguments as values: an option of ours, keys of ours, and values that cannot leave their place.
//!
//! QEMU cuts an option's text at commas and at the first `=` of each piece. Here options and keys are words of this
//! program ([`Word`] takes nothing else), a comma of a value is doubled, as QEMU wants it, and a value with a control
//! character ends the building.

use std::path::Path;

use hypervisor::{DriverError, Result};
use serde_json::Value;

/// A word of this program.
pub(crate) type Word = &'static str;

/// Devices of ours that name no bus and sit on none of PCI.
const NOT_PCI: [&str; 2] = ["isa-serial", "pvpanic"];

/// The root buses of machines.
const ROOT_BUSES: [&str; 2] = ["pci.0", "pcie.0"];

/// The finished and the growing arguments.
#[derive(Default)]
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    /// An option without a value: `-nodefaults`.
    pub fn bare(&mut self, option: Word) {
        self.0.push(option.to_owned());
    }

    /// An option whose value is one word of ours: `-display none`.
    pub fn word(&mut self, option: Word, value: Word) {
        self.0.extend([option.to_owned(), value.to_owned()]);
    }

    /// An option whose whole text is the value, commas and all: `-append`, `-pidfile`. Only for options that QEMU does
    /// not cut.
    ///
    /// # Errors
    /// The text has a control character.
    pub fn whole(&mut self, option: Word, text: &str) -> Result<()> {
        self.0
            .extend([option.to_owned(), checked(text)?.to_owned()]);
        Ok(())
    }

    /// An option with keys.
    ///
    /// # Errors
    /// One of its values has a control character.
    pub fn keyed(&mut self, option: Word, keyed: Keyed) -> Result<()> {
        self.0.extend([option.to_owned(), keyed.0?]);
        Ok(())
    }

    /// A block node, as JSON.
    pub fn blockdev(&mut self, node: &Value) {
        self.0.extend(["-blockdev".to_owned(), node.to_string()]);
    }

    /// An object, as JSON.
    pub fn object(&mut self, object: &Value) {
        self.0.extend(["-object".to_owned(), object.to_string()]);
    }

    /// How many devices sit in slots of the root bus so far, or will: those of PCI that name no other bus.
    pub fn on_root_bus(&self) -> usize {
        let texts = self.0.windows(2).filter(|pair| pair[0] == "-device");
        let in_slot = texts.filter(|pair| {
            let mut pieces = pair[1].split(',');
            let driver = pieces.next().unwrap_or_default();
            let bus = pieces.find_map(|piece| piece.strip_prefix("bus="));
            !NOT_PCI.contains(&driver) && bus.is_none_or(|bus| ROOT_BUSES.contains(&bus))
        });
        in_slot.count()
    }

    pub fn finish(self) -> Vec<String> {
        self.0
    }
}

/// The text of an option with keys.
pub(crate) struct Keyed(Result<String>);

impl Keyed {
    /// Begins with a word that needs no key: the kind of a device, of a back end.
    pub fn head(word: Word) -> Self {
        Keyed(Ok(word.to_owned()))
    }

    /// Begins with a key.
    pub fn key(key: Word, value: impl Into<Text>) -> Self {
        Keyed(Ok(String::new())).set(key, value)
    }

    /// Adds a key and its value.
    pub fn set(self, key: Word, value: impl Into<Text>) -> Self {
        Keyed(self.0.and_then(|mut text| {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(&checked(&value.into().0)?.replace(',', ",,"));
            Ok(text)
        }))
    }
}

/// A value of whatever origin.
pub(crate) struct Text(String);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text)
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {
        $(impl From<$number> for Text {
            fn from(number: $number) -> Self {
                Text(number.to_string())
            }
        })+
    };
}

numbers!(i32, u32, u64, usize);

/// A path as text.
///
/// # Errors
/// It is no UTF-8: QEMU would be given another path. Or it has a control character.
pub(crate) fn path(path: &Path) -> Result<&str> {
    match path.to_str() {
        Some(text) => checked(text),
        None => Err(DriverError::BadSpec {
            why: format!("the path {} is no UTF-8", path.display()),
        }),
    }
}

fn checked(text: &str) -> Result<&str> {
    match text
        .chars()
        .any(|letter| letter.is_control() && letter != '\t')
    {
        false => Ok(text),
        true => Err(DriverError::BadSpec {
            why: format!("{text:.60?} has a control character"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_in_its_place() {
        let mut arguments = Arguments::default();
        let keyed = Keyed::head("socket")
            .set("id", "x,path=/etc/passwd")
            .set("fd", 7_i32);
        arguments.keyed("-chardev", keyed).unwrap();
        arguments.whole("-append", "a,b").unwrap();
        assert_eq!(
            arguments.finish(),
            [
                "-chardev",
                "socket,id=x,,path=/etc/passwd,fd=7",
                "-append",
                "a,b"
            ]
        );
    }

    #[test]
    fn devices_in_slots_of_the_root_bus_are_counted() {
        let mut arguments = Arguments::default();
        for device in [
            "isa-serial,chardev=serial0",
            "VGA",
            "pvpanic",
            "virtio-serial-pci,id=ports",
            "virtserialport,bus=ports.0,chardev=agent",
            "virtio-blk-pci,bus=pci.0,addr=5.0,drive=root",
            "scsi-hd,bus=scsi0.0,scsi-id=0",
        ] {
            arguments.word("-device", device);
        }
        arguments.word("-display", "none");
        assert_eq!(arguments.on_root_bus(), 3);
    }

    #[test]
    fn control_characters_end_the_building() {
        for odd in ["a\nb", "a\0b", "\u{1b}"] {
            let mut arguments = Arguments::default();
            let keyed = Keyed::key("id", odd).set("fd", 7_i32);
            assert!(arguments.keyed("-chardev", keyed).is_err());
            assert!(arguments.whole("-append", odd).is_err());
            assert!(path(Path::new(odd)).is_err());
            assert!(arguments.finish().is_empty());
        }
    }
}
