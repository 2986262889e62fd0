//! What image properties may say: a row for each property whose values Nova checks (`nova.objects.ImageMetaProps`).
//! Others are free text that nothing here acts on.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::hardware::{
    CommandLine, DiskBus, FirmwareType, MachineType, NicModel, VideoModel, quoted,
};

/// A property whose value is none of those it takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: field value {} is invalid", quoted(value))]
pub struct BadProperty {
    pub name: &'static str,
    pub value: String,
}

/// What values a property takes.
enum Takes {
    /// Those of a type.
    Type(fn(&str) -> bool),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The same in any case.
    AnyCase(&'static [&'static str]),
    /// A whole number.
    Int,
}

use Takes::{AnyCase, Int, OneOf, Type};

fn is<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// Architectures that Nova knows, and other names for some, as the scheduler takes them too.
const ARCHITECTURES: &[&str] = &[
    "aarch64",
    "alpha",
    "amd64",
    "arm64",
    "armv6",
    "armv7",
    "armv7b",
    "armv7l",
    "cris",
    "i386",
    "i486",
    "i586",
    "i686",
    "ia64",
    "lm32",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mips64",
    "mips64el",
    "mipsel",
    "openrisc",
    "parisc",
    "parisc64",
    "ppc",
    "ppc64",
    "ppc64le",
    "ppcemb",
    "ppcle",
    "s390",
    "s390x",
    "sh4",
    "sh4eb",
    "sparc",
    "sparc64",
    "unicore32",
    "x64",
    "x86_32",
    "x86_32p",
    "x86_64",
    "xtensa",
    "xtensaeb",
];

/// Kinds of hypervisor, `xapi` being an old name of one.
const HYPERVISORS: &[&str] = &[
    "baremetal",
    "bhyve",
    "docker",
    "fake",
    "hyperv",
    "ironic",
    "kqemu",
    "kvm",
    "lxc",
    "lxd",
    "openvz",
    "parallels",
    "phyp",
    "prsm",
    "qemu",
    "test",
    "uml",
    "vbox",
    "vmware",
    "vz",
    "xapi",
    "xen",
    "zvm",
];

/// Modes of guests, with old names.
const MODES: &[&str] = &["baremetal", "exe", "hv", "hvm", "pv", "uml", "xen"];

/// Every property that is checked, sorted by name.
#[rustfmt::skip]
const PROPERTIES: &[(&str, Takes)] = &[
    ("hw_architecture", AnyCase(ARCHITECTURES)),
    ("hw_cdrom_bus", Type(is::<DiskBus>)),
    ("hw_cpu_cores", Int),
    ("hw_cpu_max_cores", Int),
    ("hw_cpu_max_sockets", Int),
    ("hw_cpu_max_threads", Int),
    ("hw_cpu_policy", OneOf(&["dedicated", "mixed", "shared"])),
    ("hw_cpu_sockets", Int),
    ("hw_cpu_thread_policy", OneOf(&["isolate", "prefer", "require"])),
    ("hw_cpu_threads", Int),
    ("hw_disk_bus", Type(is::<DiskBus>)),
    ("hw_emulation_architecture", AnyCase(ARCHITECTURES)),
    ("hw_ephemeral_encryption_format", OneOf(&["luks", "luksv2", "plain"])),
    ("hw_firmware_type", Type(is::<FirmwareType>)),
    ("hw_floppy_bus", Type(is::<DiskBus>)),
    ("hw_input_bus", OneOf(&["usb", "virtio"])),
    ("hw_machine_type", Type(is::<MachineType>)),
    ("hw_maxphysaddr_bits", Int),
    ("hw_maxphysaddr_mode", OneOf(&["emulate", "passthrough"])),
    ("hw_mem_encryption_model", OneOf(&["amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"])),
    ("hw_numa_nodes", Int),
    ("hw_pci_numa_affinity_policy", OneOf(&["legacy", "preferred", "required", "socket"])),
    ("hw_pointer_model", OneOf(&["usbtablet"])),
    ("hw_redirected_usb_ports", Int),
    ("hw_rescue_bus", Type(is::<DiskBus>)),
    ("hw_rescue_device", OneOf(&["cdrom", "disk", "floppy", "fs", "lun"])),
    ("hw_rng_model", OneOf(&["virtio"])),
    ("hw_scsi_model", AnyCase(&[
        "buslogic", "ibmvscsi", "lsilogic", "lsilogicsas", "lsisas1068", "lsisas1078", "paravirtual",
        "virtio-scsi", "vmpvscsi",
    ])),
    ("hw_serial_port_count", Int),
    ("hw_sound_model", OneOf(&["ac97", "es1370", "ich6", "ich9", "pcspk", "sb16", "usb", "virtio"])),
    ("hw_tpm_model", OneOf(&["tpm-crb", "tpm-tis"])),
    ("hw_tpm_version", OneOf(&["1.2", "2.0"])),
    ("hw_usb_model", OneOf(&["nec-xhci", "none", "qemu-xhci"])),
    ("hw_video_model", Type(is::<VideoModel>)),
    ("hw_video_ram", Int),
    ("hw_vif_model", Type(is::<NicModel>)),
    ("hw_viommu_model", OneOf(&["auto", "intel", "smmuv3", "virtio"])),
    ("hw_vm_mode", AnyCase(MODES)),
    ("hw_watchdog_action", OneOf(&["disabled", "none", "pause", "poweroff", "reset"])),
    ("img_config_drive", OneOf(&["mandatory", "optional"])),
    ("img_hv_type", AnyCase(HYPERVISORS)),
    ("os_command_line", Type(is::<CommandLine>)),
    ("os_secure_boot", OneOf(&["disabled", "optional", "required"])),
    ("os_shutdown_timeout", Int),
    ("os_type", AnyCase(&["linux", "windows"])),
];

/// Checks that each property says something that it may say.
///
/// # Errors
/// The first one that does not, by name.
pub fn check(properties: &BTreeMap<String, String>) -> Result<(), BadProperty> {
    for (name, takes) in PROPERTIES {
        let Some(value) = properties.get(*name) else {
            continue;
        };
        if !fits(takes, value) {
            return Err(BadProperty {
                name,
                value: value.clone(),
            });
        }
    }
    Ok(())
}

/// The value of a property as its type; `None` when the image does not have it.
///
/// # Errors
/// It is none of those values: the property was kept before it was checked.
pub fn typed<T: FromStr>(
    properties: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<Option<T>, BadProperty> {
    let Some(value) = properties.get(name) else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|_| BadProperty {
        name,
        value: value.clone(),
    })
}

fn fits(takes: &Takes, value: &str) -> bool {
    match takes {
        Type(is) => is(value),
        OneOf(words) => words.contains(&value),
        AnyCase(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
        Int => value.trim().parse::<i64>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<(), BadProperty> {
        check(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn the_table_is_sorted_and_takes_its_own_words() {
        let names: Vec<_> = PROPERTIES.iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted(), "{names:?}");
        for (name, takes) in PROPERTIES {
            if let OneOf(words) | AnyCase(words) = takes {
                for word in *words {
                    assert_eq!(one(name, word), Ok(()), "{name}={word}");
                }
            }
        }
    }

    #[test]
    fn no_property_takes_what_would_leave_its_place() {
        for (name, _) in PROPERTIES {
            if *name == "os_command_line" {
                continue; // free text on one line
            }
            for odd in [
                "initrd=/etc/hostname",
                "kernel=/x",
                "dumpdtb=/x",
                "firmware=/x",
                "x,help",
                "help",
                "a\nb",
                "a\0b",
                "",
                "virtio,id=x",
            ] {
                let refused = one(name, odd);
                assert_eq!(refused.map_err(|bad| bad.name), Err(*name), "{odd:?}");
            }
            assert!(one(name, &"a".repeat(100_000)).is_err(), "{name}");
        }
        assert!(one("os_command_line", "a\0b").is_err());
        assert_eq!(
            one("colour", "initrd=/etc/hostname"),
            Ok(()),
            "nothing acts on it"
        );
    }

    #[test]
    fn a_property_kept_before_it_was_checked_is_checked_when_it_is_used() {
        let kept = BTreeMap::from([("hw_disk_bus".to_owned(), "scsi,x=y".to_owned())]);
        assert!(typed::<DiskBus>(&kept, "hw_disk_bus").is_err());
        assert_eq!(typed::<DiskBus>(&kept, "hw_cdrom_bus"), Ok(None));
    }
}
