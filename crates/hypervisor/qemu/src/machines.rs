//! The machine types that this QEMU has, by its own list.

use std::collections::BTreeMap;
use std::path::Path;

use hypervisor::{DriverError, MachineType, Result};

/// A machine's chipset, which decides where disks and cards go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chipset {
    /// `pc`: one PCI bus that takes cards at any time.
    I440fx,
    /// `q35`: PCI Express; cards that come later need root ports made before.
    Q35,
}

/// The chipset of a machine type, whether by its whole name or its short one; `None` for machines that this driver
/// does not build for (`microvm`, `isapc`, `none`).
pub(crate) fn chipset(machine: &MachineType) -> Option<Chipset> {
    let name = machine.as_str();
    if name == "pc" || name.starts_with("pc-i440fx-") {
        return Some(Chipset::I440fx);
    }
    if name == "q35" || name.starts_with("pc-q35-") {
        return Some(Chipset::Q35);
    }
    None
}

/// Every machine type, with the whole name of each short one.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Machines(BTreeMap<MachineType, MachineType>);

impl Machines {
    /// Asks QEMU. Some 20 ms.
    ///
    /// # Errors
    /// It cannot be run, or its list cannot be read.
    pub(crate) async fn ask(qemu: &Path) -> std::io::Result<Self> {
        let output = child::tokio_command(qemu)
            .args(["-machine", "help"])
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        let machines = Self::parse(&String::from_utf8_lossy(&output.stdout));
        match machines.0.is_empty() {
            true => Err(std::io::Error::other("it lists no machine")),
            false => Ok(machines),
        }
    }

    /// Lines such as `pc  Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)`, after a heading.
    pub(crate) fn parse(text: &str) -> Self {
        let machine = |line: &str| {
            let (name, about) = line.split_once(' ')?;
            let name: MachineType = name.parse().ok()?;
            let whole = about
                .split_once("(alias of ")
                .and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
            Some((name.clone(), whole.unwrap_or(name)))
        };
        Machines(text.lines().filter_map(machine).collect())
    }

    /// The whole name of a machine that this QEMU has and this driver builds for: what a later QEMU calls by the same
    /// short name may be another machine.
    ///
    /// # Errors
    /// `Unsupported`.
    pub(crate) fn whole(&self, wanted: &MachineType) -> Result<MachineType> {
        let found = self.0.get(wanted).filter(|whole| chipset(whole).is_some());
        found.cloned().ok_or_else(|| DriverError::Unsupported {
            what: format!("machine type {wanted}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "Supported machines are:\n\
        microvm              microvm (i386)\n\
        pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)\n\
        pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)\n\
        q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)\n\
        pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)\n\
        none                 empty machine\n";

    fn named(name: &str) -> MachineType {
        name.parse().unwrap()
    }

    #[test]
    fn only_machines_of_the_list_are_taken_and_short_names_become_whole_ones() {
        let machines = Machines::parse(LIST);
        let whole = |name| machines.whole(&named(name)).map(String::from).ok();
        assert_eq!(whole("pc").as_deref(), Some("pc-i440fx-7.2"));
        assert_eq!(whole("q35").as_deref(), Some("pc-q35-7.2"));
        assert_eq!(whole("pc-q35-7.2").as_deref(), Some("pc-q35-7.2"));
        for absent in ["pc-q35-99.0", "supported", "microvm", "none", "virt"] {
            assert_eq!(whole(absent), None, "{absent}");
        }
        assert_eq!(chipset(&named("pc-q35-7.2")), Some(Chipset::Q35));
        assert_eq!(chipset(&named("pc")), Some(Chipset::I440fx));
    }
}
