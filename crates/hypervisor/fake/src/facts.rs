//! What a simulated host says about itself.

use hypervisor::{HostFacts, SupportedInstance};

use crate::FakeSettings;

/// Abilities that this driver has, as Placement traits.
const TRAITS: &[&str] = &[
    "COMPUTE_IMAGE_TYPE_QCOW2",
    "COMPUTE_IMAGE_TYPE_RAW",
    "COMPUTE_NET_ATTACH_INTERFACE",
    "COMPUTE_NODE",
    "HW_CPU_X86_VMX",
];

/// Facts with `memory_used` MiB and `disk_used` GiB taken, and `saved` MiB of disk by suspended guests.
pub(crate) fn host(
    settings: &FakeSettings,
    memory_used: u64,
    (disk_used, saved): (u64, u64),
    uptime_s: u64,
) -> HostFacts {
    HostFacts {
        hypervisor_type: "fake".to_owned(),
        hypervisor_version: 1_000_000,
        hypervisor_hostname: settings.hostname.clone(),
        vcpus: settings.vcpus,
        memory_mb: settings.memory_mb,
        memory_mb_used: memory_used.min(settings.memory_mb),
        disk_gb: settings.disk_gb,
        disk_free_gb: settings.disk_gb.saturating_sub(disk_used),
        saved_memory_mb: saved,
        cpu_info: serde_json::json!({
            "arch": "x86_64",
            "model": "fake",
            "vendor": "fake",
            "features": ["fake"],
            "topology": {"cells": 1, "sockets": 1, "cores": settings.vcpus, "threads": 1},
        }),
        traits: TRAITS
            .iter()
            .map(|name| (*name).to_owned())
            .chain(settings.traits.iter().cloned())
            .collect(),
        supported_instances: vec![SupportedInstance {
            arch: "x86_64".to_owned(),
            hv_type: "fake".to_owned(),
            vm_mode: "hvm".to_owned(),
        }],
        uptime_s,
    }
}
