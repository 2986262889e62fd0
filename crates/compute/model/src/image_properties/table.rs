//! The table of image properties.
//!
//! Sources: the fields of `nova.objects.image_meta.ImageMetaProps` (version 1.44) with their types of
//! `nova.objects.fields`; its map of older names; `os_shutdown_timeout`, `kernel_id`, `ramdisk_id` and
//! `vmware_adaptertype`, which Nova reads beside that object.

use std::str::FromStr;

use super::words::{ARCHITECTURES, HYPERVISORS, MODES};
use crate::accepted::Fate::{Hint, Honoured, Partly, Refused};
use crate::accepted::Takes::{AnyCase, Flag, Form, Int, OneOf, Text};
use crate::accepted::{Fate, Row, Takes, lacks};
use crate::hardware::{CommandLine, DiskBus, MachineType, NicModel, VideoModel};
use crate::version_predicate::VersionPredicate;

fn is<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

const ANY_NUMBER: Takes = Int(None, None);
const BUS: Takes = OneOf(DiskBus::WORDS);
const DISKS: Fate = Honoured(&["compute/model/src/image_disks.rs"]);
const HARDWARE: Fate = Honoured(&["compute/model/src/guest_hardware.rs"]);
const TOPOLOGY: Fate = Honoured(&["compute/model/src/guest_hardware/topology.rs"]);
const RESCUE: Fate = Honoured(&["compute/model/src/rescue.rs"]);
const SPEC: &[&str] = &["compute/agent/src/spec.rs"];
const SCHEDULER: Fate = Honoured(&["compute/scheduler/src/filters/image.rs"]);

const fn row(name: &'static str, takes: Takes, fate: Fate) -> Row {
    Row { name, takes, fate }
}

const fn refused(why: &'static str) -> Fate {
    Refused { unless: &[], why }
}

/// Every property, sorted by name.
#[rustfmt::skip]
pub const PROPERTIES: &[Row] = &[
    row("hw_architecture", AnyCase(ARCHITECTURES), SCHEDULER),
    row("hw_auto_disk_config", Text, Honoured(&["compute/control/src/servers/plan.rs"])),
    row("hw_boot_menu", Flag, HARDWARE),
    row("hw_cdrom_bus", BUS, Partly {
        by: &["compute/model/src/guest_hardware.rs"],
        only: &["virtio", "scsi", "ide", "sata"],
        why: lacks::BUS,
    }),
    row("hw_cpu_cores", ANY_NUMBER, TOPOLOGY),
    row("hw_cpu_max_cores", ANY_NUMBER, TOPOLOGY),
    row("hw_cpu_max_sockets", ANY_NUMBER, TOPOLOGY),
    row("hw_cpu_max_threads", ANY_NUMBER, TOPOLOGY),
    row("hw_cpu_policy", OneOf(&["dedicated", "mixed", "shared"]), Refused { unless: &["shared"], why: lacks::PINNING }),
    row("hw_cpu_realtime_mask", Text, refused(lacks::REALTIME)),
    row("hw_cpu_sockets", ANY_NUMBER, TOPOLOGY),
    row("hw_cpu_thread_policy", OneOf(&["isolate", "prefer", "require"]), Refused { unless: &["prefer"], why: lacks::PINNING }),
    row("hw_cpu_threads", ANY_NUMBER, TOPOLOGY),
    row("hw_device_id", ANY_NUMBER, Hint(lacks::XEN)),
    row("hw_disk_bus", BUS, Partly {
        by: SPEC,
        only: &["virtio", "scsi", "ide", "sata"],
        why: lacks::BUS,
    }),
    row("hw_disk_type", Text, Hint(lacks::VMWARE)),
    row("hw_emulation_architecture", AnyCase(ARCHITECTURES), refused(lacks::EMULATION)),
    row("hw_ephemeral_encryption", Flag, refused(lacks::DISK_ENCRYPTION)),
    row("hw_ephemeral_encryption_format", OneOf(&["luks", "luksv2", "plain"]), refused(lacks::DISK_ENCRYPTION)),
    row("hw_ephemeral_encryption_secret_uuid", Text, refused(lacks::DISK_ENCRYPTION)),
    row("hw_firmware_stateless", Flag, refused(lacks::STATELESS_FIRMWARE)),
    row("hw_firmware_type", OneOf(&["bios", "uefi"]), Honoured(SPEC)),
    row("hw_floppy_bus", BUS, Hint("no server has a floppy disk, so that its bus means nothing")),
    row("hw_input_bus", OneOf(&["usb", "virtio"]), HARDWARE),
    row("hw_ipxe_boot", Flag, Hint(lacks::XEN)),
    row("hw_locked_memory", Flag, refused(lacks::LOCKED_MEMORY)),
    row("hw_machine_type", Form("name of a machine type", is::<MachineType>), Honoured(SPEC)),
    row("hw_maxphysaddr_bits", ANY_NUMBER, refused(lacks::ADDRESS_BITS)),
    row("hw_maxphysaddr_mode", OneOf(&["emulate", "passthrough"]), refused(lacks::ADDRESS_BITS)),
    row("hw_mem_encryption", Flag, refused(lacks::MEMORY_ENCRYPTION)),
    row("hw_mem_encryption_model", OneOf(&["amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"]), refused(lacks::MEMORY_ENCRYPTION)),
    row("hw_mem_page_size", Text, Refused { unless: &["small", "any"], why: lacks::PAGES }),
    row("hw_numa_cpus.{N}", Text, refused(lacks::NUMA)),
    row("hw_numa_mem.{N}", ANY_NUMBER, refused(lacks::NUMA)),
    row("hw_numa_nodes", ANY_NUMBER, refused(lacks::NUMA)),
    row("hw_pci_numa_affinity_policy", OneOf(&["legacy", "preferred", "required", "socket"]), Refused { unless: &["legacy", "preferred"], why: lacks::NUMA }),
    row("hw_pmu", Flag, HARDWARE),
    row("hw_pointer_model", OneOf(&["usbtablet"]), HARDWARE),
    row("hw_qemu_guest_agent", Flag, HARDWARE),
    row("hw_redirected_usb_ports", ANY_NUMBER, Refused { unless: &["0"], why: lacks::USB_REDIRECTION }),
    row("hw_rescue_bus", BUS, RESCUE),
    row("hw_rescue_device", OneOf(&["cdrom", "disk", "floppy", "fs", "lun"]), RESCUE),
    row("hw_rng_model", OneOf(&["virtio"]), HARDWARE),
    row("hw_scsi_model", AnyCase(&[
        "buslogic", "ibmvscsi", "lsilogic", "lsilogicsas", "lsisas1068", "lsisas1078", "paravirtual",
        "virtio-scsi", "vmpvscsi",
    ]), Partly { by: &["hypervisor/qemu/src/args/buses.rs"], only: &["virtio-scsi"], why: lacks::SCSI }),
    row("hw_serial_port_count", ANY_NUMBER, HARDWARE),
    row("hw_sound_model", OneOf(&["ac97", "es1370", "ich6", "ich9", "pcspk", "sb16", "usb", "virtio"]), refused(lacks::SOUND)),
    row("hw_time_hpet", Flag, HARDWARE),
    row("hw_tpm_model", OneOf(&["tpm-crb", "tpm-tis"]), refused(lacks::TPM)),
    row("hw_tpm_version", OneOf(&["1.2", "2.0"]), refused(lacks::TPM)),
    row("hw_usb_model", OneOf(&["nec-xhci", "none", "qemu-xhci"]), HARDWARE),
    row("hw_video_model", OneOf(VideoModel::WORDS), Partly {
        by: SPEC,
        only: &["bochs", "cirrus", "none", "std", "vga", "virtio"],
        why: "the screens of guests are vga, cirrus, virtio, bochs or none",
    }),
    row("hw_video_ram", ANY_NUMBER, HARDWARE),
    row("hw_vif_model", AnyCase(NicModel::WORDS), Partly {
        by: SPEC,
        only: &[
            "e1000", "e1000e", "ne2k_pci", "pcnet", "rtl8139", "virtio", "virtuale1000", "virtuale1000e",
            "virtualpcnet32", "virtualvmxnet3", "vmxnet3",
        ],
        why: "no host has this kind of network card",
    }),
    row("hw_vif_multiqueue_enabled", Flag, Hint(lacks::QUEUES)),
    row("hw_viommu_model", OneOf(&["auto", "intel", "smmuv3", "virtio"]), refused(lacks::IOMMU)),
    row("hw_virtio_packed_ring", Flag, HARDWARE),
    row("hw_vm_mode", AnyCase(MODES), SCHEDULER),
    row("hw_watchdog_action", OneOf(&["disabled", "none", "pause", "poweroff", "reset"]), HARDWARE),
    row("img_bdm_v2", Flag, DISKS),
    row("img_bittorrent", Flag, Hint("it says how a host fetches the image, which it does in its own way")),
    row("img_block_device_mapping", Text, DISKS),
    row("img_cache_in_nova", Flag, Hint("it says how a host keeps the image, which it does in its own way")),
    row("img_compression_level", ANY_NUMBER, Hint(lacks::XEN)),
    row("img_config_drive", OneOf(&["mandatory", "optional"]), Honoured(&["compute/control/src/servers/create.rs"])),
    row("img_hide_hypervisor_id", Flag, HARDWARE),
    row("img_hv_requested_version", Form("comparisons as `>=7.2, <9`", is::<VersionPredicate>), SCHEDULER),
    row("img_hv_type", AnyCase(HYPERVISORS), SCHEDULER),
    row("img_linked_clone", Flag, Hint(lacks::VMWARE)),
    row("img_mappings", Text, Refused { unless: &["", "[]"], why: "disks are not mapped by images" }),
    row("img_owner_id", Text, Hint("it is information about the image")),
    row("img_root_device_name", Text, DISKS),
    row("img_signature", Text, refused(lacks::SIGNATURES)),
    row("img_signature_certificate_uuid", Text, refused(lacks::SIGNATURES)),
    row("img_signature_hash_method", OneOf(&["SHA-224", "SHA-256", "SHA-384", "SHA-512"]), refused(lacks::SIGNATURES)),
    row("img_signature_key_type", OneOf(&[
        "DSA", "ECC_SECP384R1", "ECC_SECP521R1", "ECC_SECT409K1", "ECC_SECT409R1", "ECC_SECT571K1", "ECC_SECT571R1", "RSA-PSS",
    ]), refused(lacks::SIGNATURES)),
    row("img_use_agent", Flag, Hint(lacks::XEN)),
    row("img_version", ANY_NUMBER, Hint(lacks::VMWARE)),
    row("kernel_id", Text, Honoured(&["compute/agent/src/images.rs", "compute/control/src/servers/plan.rs"])),
    row("os_admin_user", Text, Honoured(&["compute/agent/src/guest_agent.rs"])),
    row("os_command_line", Form("one line of text", is::<CommandLine>), Honoured(SPEC)),
    row("os_distro", Text, Hint("it describes the guest; no default depends on it")),
    row("os_require_quiesce", Flag, Honoured(&["compute/control/src/servers/images.rs", "compute/agent/src/guest_agent.rs"])),
    row("os_secure_boot", OneOf(&["disabled", "optional", "required"]), Refused { unless: &["disabled", "optional"], why: lacks::SECURE_BOOT }),
    row("os_shutdown_timeout", ANY_NUMBER, Honoured(&["compute/agent/src/act.rs"])),
    row("os_skip_agent_inject_files_at_boot", Flag, Hint(lacks::XEN)),
    row("os_skip_agent_inject_ssh", Flag, Hint(lacks::XEN)),
    row("os_type", AnyCase(&["linux", "windows"]), HARDWARE),
    row("ramdisk_id", Text, Honoured(&["compute/agent/src/images.rs", "compute/control/src/servers/plan.rs"])),
    row("trait:{key}", OneOf(&["required", "forbidden"]), Honoured(&["compute/scheduler/src/filters/traits.rs"])),
    row("vmware_adaptertype", AnyCase(&[
        "buslogic", "ide", "lsilogic", "lsilogicsas", "paravirtual", "virtio-scsi",
    ]), Partly { by: &["compute/model/src/image_properties.rs"], only: &["ide", "virtio-scsi"], why: lacks::SCSI }),
];

/// Older names of properties. The newer name counts where an image has both.
pub const LEGACY: &[(&str, &str)] = &[
    ("architecture", "hw_architecture"),
    ("auto_disk_config", "hw_auto_disk_config"),
    ("bdm_v2", "img_bdm_v2"),
    ("bittorrent", "img_bittorrent"),
    ("block_device_mapping", "img_block_device_mapping"),
    ("cache_in_nova", "img_cache_in_nova"),
    ("hypervisor_type", "img_hv_type"),
    ("hypervisor_version_requires", "img_hv_requested_version"),
    ("ipxe_boot", "hw_ipxe_boot"),
    ("mappings", "img_mappings"),
    ("owner_id", "img_owner_id"),
    ("root_device_name", "img_root_device_name"),
    ("vm_mode", "hw_vm_mode"),
    ("vmware_disktype", "hw_disk_type"),
    ("vmware_image_version", "img_version"),
    ("vmware_linked_clone", "img_linked_clone"),
    ("vmware_ostype", "os_distro"),
    ("xenapi_device_id", "hw_device_id"),
    ("xenapi_image_compression_level", "img_compression_level"),
    (
        "xenapi_skip_agent_inject_files_at_boot",
        "os_skip_agent_inject_files_at_boot",
    ),
    ("xenapi_skip_agent_inject_ssh", "os_skip_agent_inject_ssh"),
    ("xenapi_use_agent", "img_use_agent"),
];
