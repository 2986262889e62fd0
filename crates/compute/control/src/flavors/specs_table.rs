//! What extra specs may say: one row for each key that means something.

/// A key and what it takes. A key that ends with `#` stands for itself and digits in place of the
/// sign, one with `**` for anything there, one with `(:)` for itself and any number of `:word`.
pub(super) struct Spec {
    pub key: &'static str,
    pub takes: Takes,
}

/// What values a key takes.
#[derive(Debug)]
pub(super) enum Takes {
    Any,
    /// Any of the words for true and false.
    Bool,
    /// A whole number with its bounds.
    Int(Option<i64>, Option<i64>),
    OneOf(&'static [&'static str]),
    /// A regular expression that the whole value matches.
    Form(&'static str),
}

use Takes::{Any, Bool, Form, Int, OneOf};

const COUNT: Takes = Int(Some(0), None);
/// A set of processors: `0-3,^2`.
const CPUS: &str = r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*";

/// In these nothing but the keys below is known; `resources` and `trait`, with or without the
/// suffix of a group, are two more.
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

/// Resource classes that Placement knows by itself.
const CLASSES: &[&str] = &[
    "DISK_GB",
    "FPGA",
    "IPV4_ADDRESS",
    "MEMORY_MB",
    "MEM_ENCRYPTION_CONTEXT",
    "NET_BW_EGR_KILOBIT_PER_SEC",
    "NET_BW_IGR_KILOBIT_PER_SEC",
    "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC",
    "NUMA_CORE",
    "NUMA_MEMORY_MB",
    "NUMA_SOCKET",
    "NUMA_THREAD",
    "PCI_DEVICE",
    "PCPU",
    "PGPU",
    "SRIOV_NET_VF",
    "VCPU",
    "VGPU",
    "VGPU_DISPLAY_HEAD",
];

/// Whether Placement knows the class by itself.
pub(super) fn standard_class(name: &str) -> bool {
    CLASSES.contains(&name)
}

/// Whether an operator made the name up: `CUSTOM_` and capital letters, digits, underscores.
pub(super) fn custom_name(name: &str) -> bool {
    name.strip_prefix("CUSTOM_").is_some_and(capital)
}

/// Whether a name is written as those of classes and traits are.
pub(super) fn capital(name: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(sign)
}

const fn row(key: &'static str, takes: Takes) -> Spec {
    Spec { key, takes }
}

/// Every key outside `resources` and `trait`.
#[rustfmt::skip]
pub(super) const SPECS: &[Spec] = &[
    row("accel:device_profile", Any),
    row("aggregate_instance_extra_specs:**", Any),
    row("capabilities:aggregates", Any),
    row("capabilities:cell_uuid", Any),
    row("capabilities:cpu_allocation_ratio", Any),
    row("capabilities:cpu_info(:)", Any),
    row("capabilities:current_workload", Any),
    row("capabilities:disk_allocation_ratio", Any),
    row("capabilities:disk_available_least", Any),
    row("capabilities:disk_mb_used", Any),
    row("capabilities:failed_builds", Any),
    row("capabilities:free_disk_gb", Any),
    row("capabilities:free_disk_mb", Any),
    row("capabilities:free_ram_mb", Any),
    row("capabilities:host", Any),
    row("capabilities:host_ip", Any),
    row("capabilities:hypervisor_hostname", Any),
    row("capabilities:hypervisor_type", Any),
    row("capabilities:hypervisor_version", Any),
    row("capabilities:id", Any),
    row("capabilities:instances(:)", Any),
    row("capabilities:limits(:)", Any),
    row("capabilities:local_gb", Any),
    row("capabilities:local_gb_used", Any),
    row("capabilities:mapped", Any),
    row("capabilities:memory_mb", Any),
    row("capabilities:memory_mb_used", Any),
    row("capabilities:metrics(:)", Any),
    row("capabilities:nodename(:)", Any),
    row("capabilities:num_instances", Any),
    row("capabilities:num_io_ops", Any),
    row("capabilities:numa_topology(:)", Any),
    row("capabilities:pci_device_pools(:)", Any),
    row("capabilities:pci_stats(:)", Any),
    row("capabilities:ram_allocation_ratio", Any),
    row("capabilities:running_vms", Any),
    row("capabilities:service_id", Any),
    row("capabilities:stats(:)", Any),
    row("capabilities:supported_hv_specs(:)", Any),
    row("capabilities:supported_instances(:)", Any),
    row("capabilities:total_usable_disk_gb", Any),
    row("capabilities:total_usable_ram_mb", Any),
    row("capabilities:updated", Any),
    row("capabilities:uuid", Any),
    row("capabilities:vcpus", Any),
    row("capabilities:vcpus_total", Any),
    row("capabilities:vcpus_used", Any),
    row("group_policy", OneOf(&["isolate", "none"])),
    row("hide_hypervisor_id", Bool),
    row("hw:boot_menu", Bool),
    row("hw:cpu_cores", Int(Some(1), None)),
    row("hw:cpu_dedicated_mask", Form(CPUS)),
    row("hw:cpu_max_cores", Int(Some(1), None)),
    row("hw:cpu_max_sockets", Int(Some(1), None)),
    row("hw:cpu_max_threads", Int(Some(1), None)),
    row("hw:cpu_policy", OneOf(&["dedicated", "shared", "mixed"])),
    row("hw:cpu_realtime", Bool),
    row("hw:cpu_realtime_mask", Form(CPUS)),
    row("hw:cpu_sockets", Int(Some(1), None)),
    row("hw:cpu_thread_policy", OneOf(&["prefer", "isolate", "require"])),
    row("hw:cpu_threads", Int(Some(1), None)),
    row("hw:emulator_threads_policy", OneOf(&["isolate", "share"])),
    row("hw:ephemeral_encryption", Bool),
    row("hw:ephemeral_encryption_format", OneOf(&["plain", "luks", "luksv2"])),
    row("hw:hide_hypervisor_id", Bool),
    row("hw:locked_memory", Bool),
    row("hw:mem_encryption", Bool),
    row("hw:mem_encryption_model", OneOf(&["amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"])),
    row("hw:mem_page_size", Form(r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)")),
    row("hw:numa_cpus.#", Form(CPUS)),
    row("hw:numa_mem.#", Int(Some(1), None)),
    row("hw:numa_nodes", Int(Some(1), None)),
    row("hw:pci_numa_affinity_policy", OneOf(&["required", "preferred", "legacy", "socket"])),
    row("hw:pmem", Form("([a-zA-Z0-9_]+(,)?)+")),
    row("hw:pmu", Bool),
    row("hw:redirected_usb_ports", Int(Some(0), Some(15))),
    row("hw:serial_port_count", COUNT),
    row("hw:sound_model", OneOf(&["sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"])),
    row("hw:tpm_model", OneOf(&["tpm-tis", "tpm-crb"])),
    row("hw:tpm_secret_security", OneOf(&["user", "host", "deployment"])),
    row("hw:tpm_version", OneOf(&["1.2", "2.0"])),
    row("hw:usb_model", OneOf(&["none", "nec-xhci", "qemu-xhci"])),
    row("hw:vif_multiqueue_enabled", Bool),
    row("hw:viommu_model", OneOf(&["intel", "smmuv3", "virtio", "auto"])),
    row("hw:virtio_packed_ring", Bool),
    row("hw:watchdog_action", OneOf(&["none", "pause", "poweroff", "reset", "disabled"])),
    row("hw_rng:allowed", Bool),
    row("hw_rng:rate_bytes", COUNT),
    row("hw_rng:rate_period", COUNT),
    row("hw_video:ram_max_mb", COUNT),
    row("os:secure_boot", OneOf(&["disabled", "required"])),
    row("pci_passthrough:alias", Form(r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*")),
    row("quota:cpu_limit", COUNT),
    row("quota:cpu_period", COUNT),
    row("quota:cpu_quota", Int(None, None)),
    row("quota:cpu_reservation", Int(None, None)),
    row("quota:cpu_shares", COUNT),
    row("quota:cpu_shares_level", OneOf(&["custom", "high", "normal", "low"])),
    row("quota:cpu_shares_share", COUNT),
    row("quota:disk_io_limit", COUNT),
    row("quota:disk_io_reservation", Int(None, None)),
    row("quota:disk_io_shares_level", OneOf(&["custom", "high", "normal", "low"])),
    row("quota:disk_io_shares_share", COUNT),
    row("quota:disk_read_bytes_sec", COUNT),
    row("quota:disk_read_iops_sec", COUNT),
    row("quota:disk_total_bytes_sec", COUNT),
    row("quota:disk_total_iops_sec", COUNT),
    row("quota:disk_write_bytes_sec", COUNT),
    row("quota:disk_write_iops_sec", COUNT),
    row("quota:memory_limit", COUNT),
    row("quota:memory_reservation", Int(None, None)),
    row("quota:memory_shares_level", OneOf(&["custom", "high", "normal", "low"])),
    row("quota:memory_shares_share", COUNT),
    row("quota:vif_inbound_average", COUNT),
    row("quota:vif_inbound_burst", COUNT),
    row("quota:vif_inbound_peak", COUNT),
    row("quota:vif_limit", COUNT),
    row("quota:vif_outbound_average", COUNT),
    row("quota:vif_outbound_burst", COUNT),
    row("quota:vif_outbound_peak", COUNT),
    row("quota:vif_reservation", Int(None, None)),
    row("quota:vif_shares_level", OneOf(&["custom", "high", "normal", "low"])),
    row("quota:vif_shares_share", COUNT),
    row("vmware:hw_version", Any),
    row("vmware:storage_policy", Any),
];
