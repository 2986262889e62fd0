//! What a guest's hardware may be, as closed types: what users write becomes one of these words or is refused, and only
//! these reach a hypervisor.
//!
//! The words are Nova's (`nova.objects.fields`). A driver knows fewer of them and answers that it does not support the
//! others.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is none of the allowed ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {} is invalid", quoted(text))]
pub struct BadWord {
    /// What the text should have been: `disk bus`, …
    pub what: &'static str,
    pub text: String,
}

/// A text of strangers inside a message: on one line, and not longer than a line.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 64;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Declares an enum of words, each with other spellings of it. Case does not matter where `lower` stands.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal, $case:ident {
        $($variant:ident = $word:literal $(| $other:literal)*,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub enum $name {
            $($variant,)+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// All texts that are read.
            pub const WORDS: &'static [&'static str] = &[$($word, $($other,)*)+];

            /// The usual word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = BadWord;

            fn from_str(text: &str) -> Result<Self, BadWord> {
                match words!(@$case text) {
                    $($word $(| $other)* => Ok(Self::$variant),)+
                    _ => Err(BadWord { what: $what, text: text.to_owned() }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadWord;

            fn try_from(text: String) -> Result<Self, BadWord> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> String {
                word.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
    (@exact $text:ident) => { $text };
    (@lower $text:ident) => { $text.to_ascii_lowercase().as_str() };
}

words! {
    /// How a disk is connected.
    DiskBus, "disk bus", exact {
        Fdc = "fdc",
        Ide = "ide",
        Sata = "sata",
        Scsi = "scsi",
        Usb = "usb",
        Virtio = "virtio",
        Xen = "xen",
        Lxc = "lxc",
        Uml = "uml",
    }
}

words! {
    /// What an empty disk is formatted with.
    FileSystem, "file system", exact {
        Ext2 = "ext2",
        Ext3 = "ext3",
        Ext4 = "ext4",
        Vfat = "vfat",
        Xfs = "xfs",
        Ntfs = "ntfs",
    }
}

impl FileSystem {
    /// What Nova makes for an operating system (`os_type` of the image) when nobody says anything else.
    pub fn of_os(os_type: Option<&str>) -> Self {
        match os_type {
            Some("linux") => FileSystem::Ext4,
            Some("windows") => FileSystem::Ntfs,
            _ => FileSystem::Vfat,
        }
    }
}

words! {
    /// The graphics card.
    VideoModel, "video model", exact {
        Cirrus = "cirrus",
        Qxl = "qxl",
        // `std` is QEMU's name, as descriptions kept on hosts have it.
        Vga = "vga" | "std",
        Vmvga = "vmvga",
        Xen = "xen",
        Virtio = "virtio",
        Gop = "gop",
        None = "none",
        Bochs = "bochs",
    }
}

words! {
    /// The kind of a network card. Nova takes VMware's names for some.
    NicModel, "network card", lower {
        Virtio = "virtio",
        Ne2kPci = "ne2k_pci",
        Pcnet = "pcnet" | "virtualpcnet32",
        Rtl8139 = "rtl8139",
        E1000 = "e1000" | "virtuale1000",
        E1000e = "e1000e" | "virtuale1000e",
        Netfront = "netfront",
        SpaprVlan = "spapr-vlan",
        Lan9118 = "lan9118",
        Sriov = "sriov" | "virtualsriovethernetcard",
        Vmxnet = "vmxnet" | "virtualvmxnet",
        Vmxnet3 = "vmxnet3" | "virtualvmxnet3",
        Igb = "igb",
    }
}

words! {
    /// What a card on the PCI bus does when the guest stops answering it. `Disabled` is none at all.
    WatchdogAction, "watchdog action", exact {
        Disabled = "disabled",
        None = "none",
        Pause = "pause",
        Poweroff = "poweroff",
        Reset = "reset",
    }
}

words! {
    /// The controller of USB devices.
    UsbModel, "USB controller", exact {
        None = "none",
        NecXhci = "nec-xhci",
        QemuXhci = "qemu-xhci",
    }
}

words! {
    /// How keyboard and pointer are connected.
    InputBus, "input bus", exact {
        Usb = "usb",
        Virtio = "virtio",
    }
}

words! {
    /// What starts the guest.
    FirmwareType, "firmware", exact {
        Bios = "bios",
        Uefi = "uefi",
    }
}

/// Name of a machine type, as `pc` or `pc-q35-7.2`. Only its form is known here: which ones exist is known to the
/// hypervisor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MachineType(String);

impl MachineType {
    /// Longer than any name that a hypervisor lists.
    const LONGEST: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for MachineType {
    /// Nova's own choice on x86.
    fn default() -> Self {
        MachineType("pc".to_owned())
    }
}

impl FromStr for MachineType {
    type Err = BadWord;

    /// Lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
    fn from_str(text: &str) -> Result<Self, BadWord> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = text.len() <= Self::LONGEST
            && text.bytes().next().is_some_and(plain)
            && text
                .bytes()
                .all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
            // QEMU would list its machines instead of starting one.
            && text != "help";
        if !fits {
            return Err(BadWord {
                what: "machine type",
                text: text.to_owned(),
            });
        }
        Ok(MachineType(text.to_owned()))
    }
}

impl TryFrom<String> for MachineType {
    type Error = BadWord;

    fn try_from(text: String) -> Result<Self, BadWord> {
        text.parse()
    }
}

impl From<MachineType> for String {
    fn from(machine: MachineType) -> String {
        machine.0
    }
}

impl fmt::Display for MachineType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a kernel is given on its start: one line of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CommandLine(String);

impl CommandLine {
    /// Linux reads 2048 bytes on x86, the end mark included (`COMMAND_LINE_SIZE`).
    pub const LONGEST: usize = 2047;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CommandLine {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let fits = text.len() <= Self::LONGEST
            && text
                .chars()
                .all(|letter| letter == '\t' || !letter.is_control());
        if !fits {
            return Err(BadWord {
                what: "kernel command line",
                text: text.to_owned(),
            });
        }
        Ok(CommandLine(text.to_owned()))
    }
}

impl TryFrom<String> for CommandLine {
    type Error = BadWord;

    fn try_from(text: String) -> Result<Self, BadWord> {
        text.parse()
    }
}

impl From<CommandLine> for String {
    fn from(line: CommandLine) -> String {
        line.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_back_and_anything_else_is_refused() {
        for bus in DiskBus::ALL {
            assert_eq!(bus.as_str().parse(), Ok(*bus));
        }
        for model in VideoModel::ALL {
            assert_eq!(model.as_str().parse(), Ok(*model));
        }
        for model in NicModel::ALL {
            assert_eq!(model.as_str().to_ascii_uppercase().parse(), Ok(*model));
        }
        assert_eq!("std".parse(), Ok(VideoModel::Vga));
        for odd in ["", "Virtio", "virtio,x=y", "virtio\n", "help", "?"] {
            assert!(odd.parse::<DiskBus>().is_err(), "{odd:?}");
            assert!(odd.parse::<VideoModel>().is_err(), "{odd:?}");
        }
        let json = serde_json::to_string(&NicModel::Ne2kPci).unwrap();
        assert_eq!(json, "\"ne2k_pci\"");
        assert!(serde_json::from_str::<NicModel>("\"virtio,mac=x\"").is_err());
    }

    #[test]
    fn a_machine_type_is_a_plain_name() {
        for good in [
            "pc",
            "q35",
            "pc-i440fx-7.2",
            "pc-q35-4.0.1",
            "s390-ccw-virtio",
            "x_1",
        ] {
            assert!(good.parse::<MachineType>().is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for odd in [
            "",
            "-pc",
            ".pc",
            "pc,initrd=/x",
            "initrd=/x",
            "pc help",
            "help",
            "?",
            "PC",
            "pc\0",
            "pc\n",
            "pç",
            "pc/..",
            &long,
        ] {
            assert!(odd.parse::<MachineType>().is_err(), "{odd:?}");
            let json = serde_json::to_string(odd).unwrap();
            assert!(
                serde_json::from_str::<MachineType>(&json).is_err(),
                "{odd:?}"
            );
        }
    }

    #[test]
    fn a_command_line_is_one_bounded_line() {
        assert!("".parse::<CommandLine>().is_ok());
        assert!("root=/dev/vda\ta=b,c".parse::<CommandLine>().is_ok());
        assert!("x".repeat(2047).parse::<CommandLine>().is_ok());
        for odd in ["a\0b", "a\nb", "a\x1b[0m", &"x".repeat(2048)] {
            assert!(odd.parse::<CommandLine>().is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_refusal_quotes_no_more_than_a_line() {
        let odd = format!("a\n{}", "b".repeat(100_000));
        let said = odd.parse::<DiskBus>().unwrap_err().to_string();
        assert!(said.len() < 200 && !said.contains('\n'), "{said}");
        assert!(said.starts_with("disk bus \"a\\nb"), "{said}");
    }
}
