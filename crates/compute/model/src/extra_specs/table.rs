//! The table of extra specs.
//!
//! Source: the validators of `nova.api.validation.extra_specs` (525 by count: 378 traits, 22 resource classes, which two
//! patterns cover each, and 125 others); the placeholders are those of [`crate::accepted::matches`].

use crate::accepted::Fate::{Hint, Honoured, Refused};
use crate::accepted::Takes::{Bool, Int, Matching, OneOf, Text};
use crate::accepted::{Fate, Row, Takes, lacks};

const COUNT: Takes = Int(Some(0), None);
/// A set of processors: `0-3,^2`.
const CPUS: &str = r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*";

/// In these nothing but the keys below is known; `resources` and `trait`, with or without the suffix of a group, are
/// two more.
pub(super) const NAMESPACES: &[&str] = &[
    "accel",
    "aggregate_instance_extra_specs",
    "capabilities",
    "hw",
    "hw_rng",
    "hw_video",
    "os",
    "pci_passthrough",
    "quota",
    "vmware",
];

/// Keys that Nova reads and its validators do not know: since 2.86 no flavor can get them.
pub const UNCHECKED: &[&str] = &["hw:maxphysaddr_bits", "hw:maxphysaddr_mode"];

const CAPABILITIES: Fate = Honoured(&["compute/scheduler/src/filters/capabilities.rs"]);
const CPU: Fate = Honoured(&["compute/agent/src/spec.rs"]);
const DISK: Fate = Honoured(&["compute/model/src/guest_hardware/disk_limits.rs"]);
const HARDWARE: Fate = Honoured(&["compute/model/src/guest_hardware.rs"]);
const TOPOLOGY: Fate = Honoured(&["compute/model/src/guest_hardware/topology.rs"]);

const fn row(name: &'static str, takes: Takes, fate: Fate) -> Row {
    Row { name, takes, fate }
}

const fn refused(why: &'static str) -> Fate {
    Refused { unless: &[], why }
}

/// Every key, sorted.
#[rustfmt::skip]
pub const SPECS: &[Row] = &[
    row("accel:device_profile", Text, refused(lacks::ACCELERATORS)),
    row("aggregate_instance_extra_specs:{key}", Text, Honoured(&["compute/scheduler/src/filters/aggregates.rs"])),
    row("capabilities:aggregates", Text, CAPABILITIES),
    row("capabilities:cell_uuid", Text, CAPABILITIES),
    row("capabilities:cpu_allocation_ratio", Text, CAPABILITIES),
    row("capabilities:cpu_info{:path}", Text, CAPABILITIES),
    row("capabilities:current_workload", Text, CAPABILITIES),
    row("capabilities:disk_allocation_ratio", Text, CAPABILITIES),
    row("capabilities:disk_available_least", Text, CAPABILITIES),
    row("capabilities:disk_mb_used", Text, CAPABILITIES),
    row("capabilities:failed_builds", Text, CAPABILITIES),
    row("capabilities:free_disk_gb", Text, CAPABILITIES),
    row("capabilities:free_disk_mb", Text, CAPABILITIES),
    row("capabilities:free_ram_mb", Text, CAPABILITIES),
    row("capabilities:host", Text, CAPABILITIES),
    row("capabilities:host_ip", Text, CAPABILITIES),
    row("capabilities:hypervisor_hostname", Text, CAPABILITIES),
    row("capabilities:hypervisor_type", Text, CAPABILITIES),
    row("capabilities:hypervisor_version", Text, CAPABILITIES),
    row("capabilities:id", Text, CAPABILITIES),
    row("capabilities:instances{:path}", Text, CAPABILITIES),
    row("capabilities:limits{:path}", Text, CAPABILITIES),
    row("capabilities:local_gb", Text, CAPABILITIES),
    row("capabilities:local_gb_used", Text, CAPABILITIES),
    row("capabilities:mapped", Text, CAPABILITIES),
    row("capabilities:memory_mb", Text, CAPABILITIES),
    row("capabilities:memory_mb_used", Text, CAPABILITIES),
    row("capabilities:metrics{:path}", Text, CAPABILITIES),
    row("capabilities:nodename{:path}", Text, CAPABILITIES),
    row("capabilities:num_instances", Text, CAPABILITIES),
    row("capabilities:num_io_ops", Text, CAPABILITIES),
    row("capabilities:numa_topology{:path}", Text, CAPABILITIES),
    row("capabilities:pci_device_pools{:path}", Text, CAPABILITIES),
    row("capabilities:pci_stats{:path}", Text, CAPABILITIES),
    row("capabilities:ram_allocation_ratio", Text, CAPABILITIES),
    row("capabilities:running_vms", Text, CAPABILITIES),
    row("capabilities:service_id", Text, CAPABILITIES),
    row("capabilities:stats{:path}", Text, CAPABILITIES),
    row("capabilities:supported_hv_specs{:path}", Text, CAPABILITIES),
    row("capabilities:supported_instances{:path}", Text, CAPABILITIES),
    row("capabilities:total_usable_disk_gb", Text, CAPABILITIES),
    row("capabilities:total_usable_ram_mb", Text, CAPABILITIES),
    row("capabilities:updated", Text, CAPABILITIES),
    row("capabilities:uuid", Text, CAPABILITIES),
    row("capabilities:vcpus", Text, CAPABILITIES),
    row("capabilities:vcpus_total", Text, CAPABILITIES),
    row("capabilities:vcpus_used", Text, CAPABILITIES),
    row("group_policy", OneOf(&["isolate", "none"]), Hint("it speaks of groups of resources, which are refused")),
    row("hide_hypervisor_id", Bool, HARDWARE),
    row("hw:boot_menu", Bool, HARDWARE),
    row("hw:cpu_cores", Int(Some(1), None), TOPOLOGY),
    row("hw:cpu_dedicated_mask", Matching(CPUS), refused(lacks::PINNING)),
    row("hw:cpu_max_cores", Int(Some(1), None), TOPOLOGY),
    row("hw:cpu_max_sockets", Int(Some(1), None), TOPOLOGY),
    row("hw:cpu_max_threads", Int(Some(1), None), TOPOLOGY),
    row("hw:cpu_policy", OneOf(&["dedicated", "shared", "mixed"]), Refused { unless: &["shared"], why: lacks::PINNING }),
    row("hw:cpu_realtime", Bool, refused(lacks::REALTIME)),
    row("hw:cpu_realtime_mask", Matching(CPUS), refused(lacks::REALTIME)),
    row("hw:cpu_sockets", Int(Some(1), None), TOPOLOGY),
    row("hw:cpu_thread_policy", OneOf(&["prefer", "isolate", "require"]), Refused { unless: &["prefer"], why: lacks::PINNING }),
    row("hw:cpu_threads", Int(Some(1), None), TOPOLOGY),
    row("hw:emulator_threads_policy", OneOf(&["isolate", "share"]), Refused { unless: &["share"], why: lacks::PINNING }),
    row("hw:ephemeral_encryption", Bool, refused(lacks::DISK_ENCRYPTION)),
    row("hw:ephemeral_encryption_format", OneOf(&["plain", "luks", "luksv2"]), refused(lacks::DISK_ENCRYPTION)),
    row("hw:hide_hypervisor_id", Bool, HARDWARE),
    row("hw:locked_memory", Bool, refused(lacks::LOCKED_MEMORY)),
    row("hw:maxphysaddr_bits", Text, refused(lacks::ADDRESS_BITS)),
    row("hw:maxphysaddr_mode", Text, refused(lacks::ADDRESS_BITS)),
    row("hw:mem_encryption", Bool, refused(lacks::MEMORY_ENCRYPTION)),
    row("hw:mem_encryption_model", OneOf(&["amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"]), refused(lacks::MEMORY_ENCRYPTION)),
    row("hw:mem_page_size", Matching(r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"), Refused { unless: &["small", "any"], why: lacks::PAGES }),
    row("hw:numa_cpus.{N}", Matching(CPUS), refused(lacks::NUMA)),
    row("hw:numa_mem.{N}", Int(Some(1), None), refused(lacks::NUMA)),
    row("hw:numa_nodes", Int(Some(1), None), refused(lacks::NUMA)),
    row("hw:pci_numa_affinity_policy", OneOf(&["required", "preferred", "legacy", "socket"]), Refused { unless: &["legacy", "preferred"], why: lacks::NUMA }),
    row("hw:pmem", Matching("([a-zA-Z0-9_]+(,)?)+"), refused(lacks::PMEM)),
    row("hw:pmu", Bool, HARDWARE),
    row("hw:redirected_usb_ports", Int(Some(0), Some(15)), Refused { unless: &["0"], why: lacks::USB_REDIRECTION }),
    row("hw:serial_port_count", COUNT, HARDWARE),
    row("hw:sound_model", OneOf(&["sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"]), refused(lacks::SOUND)),
    row("hw:tpm_model", OneOf(&["tpm-tis", "tpm-crb"]), refused(lacks::TPM)),
    row("hw:tpm_secret_security", OneOf(&["user", "host", "deployment"]), refused(lacks::TPM)),
    row("hw:tpm_version", OneOf(&["1.2", "2.0"]), refused(lacks::TPM)),
    row("hw:usb_model", OneOf(&["none", "nec-xhci", "qemu-xhci"]), HARDWARE),
    row("hw:vif_multiqueue_enabled", Bool, Hint(lacks::QUEUES)),
    row("hw:viommu_model", OneOf(&["intel", "smmuv3", "virtio", "auto"]), refused(lacks::IOMMU)),
    row("hw:virtio_packed_ring", Bool, HARDWARE),
    row("hw:watchdog_action", OneOf(&["none", "pause", "poweroff", "reset", "disabled"]), HARDWARE),
    row("hw_rng:allowed", Bool, HARDWARE),
    row("hw_rng:rate_bytes", COUNT, HARDWARE),
    row("hw_rng:rate_period", COUNT, HARDWARE),
    row("hw_video:ram_max_mb", COUNT, HARDWARE),
    row("os:secure_boot", OneOf(&["disabled", "required"]), Refused { unless: &["disabled"], why: lacks::SECURE_BOOT }),
    row("pci_passthrough:alias", Matching(r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*"), refused(lacks::PCI)),
    row("quota:cpu_limit", COUNT, Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:cpu_period", COUNT, CPU),
    row("quota:cpu_quota", Int(None, None), CPU),
    row("quota:cpu_reservation", Int(None, None), Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:cpu_shares", COUNT, CPU),
    row("quota:cpu_shares_level", OneOf(&["custom", "high", "normal", "low"]), Hint(lacks::VMWARE)),
    row("quota:cpu_shares_share", COUNT, Hint(lacks::VMWARE)),
    row("quota:disk_io_limit", COUNT, Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:disk_io_reservation", Int(None, None), Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:disk_io_shares_level", OneOf(&["custom", "high", "normal", "low"]), Hint(lacks::VMWARE)),
    row("quota:disk_io_shares_share", COUNT, Hint(lacks::VMWARE)),
    row("quota:disk_read_bytes_sec", COUNT, DISK),
    row("quota:disk_read_iops_sec", COUNT, DISK),
    row("quota:disk_total_bytes_sec", COUNT, DISK),
    row("quota:disk_total_iops_sec", COUNT, DISK),
    row("quota:disk_write_bytes_sec", COUNT, DISK),
    row("quota:disk_write_iops_sec", COUNT, DISK),
    row("quota:memory_limit", COUNT, Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:memory_reservation", Int(None, None), Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:memory_shares_level", OneOf(&["custom", "high", "normal", "low"]), Hint(lacks::VMWARE)),
    row("quota:memory_shares_share", COUNT, Hint(lacks::VMWARE)),
    row("quota:vif_inbound_average", COUNT, Refused { unless: &["0"], why: lacks::CARD_LIMITS }),
    row("quota:vif_inbound_burst", COUNT, Refused { unless: &["0"], why: lacks::CARD_LIMITS }),
    row("quota:vif_inbound_peak", COUNT, Refused { unless: &["0"], why: lacks::CARD_LIMITS }),
    row("quota:vif_limit", COUNT, Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:vif_outbound_average", COUNT, Refused { unless: &["0"], why: lacks::CARD_LIMITS }),
    row("quota:vif_outbound_burst", COUNT, Refused { unless: &["0"], why: lacks::CARD_LIMITS }),
    row("quota:vif_outbound_peak", COUNT, Refused { unless: &["0"], why: lacks::CARD_LIMITS }),
    row("quota:vif_reservation", Int(None, None), Refused { unless: &["0"], why: lacks::VMWARE_LIMITS }),
    row("quota:vif_shares_level", OneOf(&["custom", "high", "normal", "low"]), Hint(lacks::VMWARE)),
    row("quota:vif_shares_share", COUNT, Hint(lacks::VMWARE)),
    row("resources:{class}", Int(None, None), Honoured(&["compute/model/src/request.rs"])),
    row("resources{group}:{class}", Int(None, None), refused(lacks::GROUPS)),
    row("trait:{trait}", OneOf(&["required", "forbidden"]), Honoured(&["compute/scheduler/src/filters/traits.rs"])),
    row("trait{group}:{trait}", OneOf(&["required", "forbidden"]), refused(lacks::GROUPS)),
    row("vmware:hw_version", Text, Hint(lacks::VMWARE)),
    row("vmware:storage_policy", Text, refused(lacks::VMWARE_LIMITS)),
];
