//! What the machine offers, read from /proc and the file system.

use std::collections::BTreeSet;
use std::path::Path;

use hypervisor::{HostFacts, SupportedInstance};

use crate::probe::{Accel, Probe};

/// What this driver can do, as Placement traits.
const TRAITS: &[&str] = &[
    "COMPUTE_GRAPHICS_MODEL_BOCHS",
    "COMPUTE_GRAPHICS_MODEL_CIRRUS",
    "COMPUTE_GRAPHICS_MODEL_NONE",
    "COMPUTE_GRAPHICS_MODEL_VGA",
    "COMPUTE_GRAPHICS_MODEL_VIRTIO",
    "COMPUTE_IMAGE_TYPE_QCOW2",
    "COMPUTE_IMAGE_TYPE_RAW",
    "COMPUTE_NET_ATTACH_INTERFACE",
    "COMPUTE_NET_VIF_MODEL_E1000",
    "COMPUTE_NET_VIF_MODEL_E1000E",
    "COMPUTE_NET_VIF_MODEL_NE2K_PCI",
    "COMPUTE_NET_VIF_MODEL_PCNET",
    "COMPUTE_NET_VIF_MODEL_RTL8139",
    "COMPUTE_NET_VIF_MODEL_VIRTIO",
    "COMPUTE_NET_VIF_MODEL_VMXNET3",
    "COMPUTE_NODE",
    "COMPUTE_STORAGE_BUS_IDE",
    "COMPUTE_STORAGE_BUS_SATA",
    "COMPUTE_STORAGE_BUS_SCSI",
    "COMPUTE_STORAGE_BUS_VIRTIO",
];

/// Processor flags that have a trait; shown only when guests get the host's processor (KVM).
const CPU_TRAITS: &[(&str, &str)] = &[
    ("aes", "HW_CPU_X86_AESNI"),
    ("avx", "HW_CPU_X86_AVX"),
    ("avx2", "HW_CPU_X86_AVX2"),
    ("avx512f", "HW_CPU_X86_AVX512F"),
    ("bmi1", "HW_CPU_X86_BMI"),
    ("bmi2", "HW_CPU_X86_BMI2"),
    ("f16c", "HW_CPU_X86_F16C"),
    ("fma", "HW_CPU_X86_FMA3"),
    ("mmx", "HW_CPU_X86_MMX"),
    ("sha_ni", "HW_CPU_X86_SHA"),
    ("sse", "HW_CPU_X86_SSE"),
    ("sse2", "HW_CPU_X86_SSE2"),
    ("sse4_1", "HW_CPU_X86_SSE41"),
    ("sse4_2", "HW_CPU_X86_SSE42"),
    ("ssse3", "HW_CPU_X86_SSSE3"),
    ("svm", "HW_CPU_X86_SVM"),
    ("vmx", "HW_CPU_X86_VMX"),
];

/// Reads everything. Blocking, well below a millisecond.
pub(crate) fn facts(
    hostname: &str,
    servers: &Path,
    probe: &Probe,
    saved_memory_mb: u64,
) -> HostFacts {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = field_kb(&meminfo, "MemTotal") / 1024;
    let available = field_kb(&meminfo, "MemAvailable") / 1024;
    let (disk_gb, disk_free_gb) = disk(servers);
    let vcpus = std::thread::available_parallelism().map_or(1, usize::from);
    let vcpus = u32::try_from(vcpus).unwrap_or(u32::MAX);
    let mut traits: BTreeSet<String> = TRAITS.iter().map(|name| (*name).to_owned()).collect();
    let flags = cpu_field(&cpuinfo, "flags");
    let flags: BTreeSet<&str> = flags.split_whitespace().collect();
    if probe.accel == Accel::Kvm {
        traits.extend(
            CPU_TRAITS
                .iter()
                .filter(|(flag, _)| flags.contains(flag))
                .map(|(_, name)| (*name).to_owned()),
        );
    }
    HostFacts {
        hypervisor_type: "QEMU".to_owned(),
        hypervisor_version: probe.qemu_version.unwrap_or(0),
        hypervisor_hostname: hostname.to_owned(),
        vcpus,
        memory_mb: total,
        memory_mb_used: total.saturating_sub(available),
        disk_gb,
        disk_free_gb,
        saved_memory_mb,
        cpu_info: serde_json::json!({
            "arch": std::env::consts::ARCH,
            "model": cpu_field(&cpuinfo, "model name"),
            "vendor": cpu_field(&cpuinfo, "vendor_id"),
            "features": flags,
            "topology": {"cells": 1, "sockets": 1, "cores": vcpus, "threads": 1},
        }),
        traits,
        supported_instances: supported(probe.accel),
        uptime_s: uptime(),
    }
}

fn supported(accel: Accel) -> Vec<SupportedInstance> {
    let instance = |hv_type: &str| SupportedInstance {
        arch: std::env::consts::ARCH.to_owned(),
        hv_type: hv_type.to_owned(),
        vm_mode: "hvm".to_owned(),
    };
    match accel {
        Accel::Kvm => vec![instance("kvm"), instance("qemu")],
        Accel::Tcg => vec![instance("qemu")],
    }
}

/// The machine's own name.
pub(crate) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name.to_owned()
    }
}

fn uptime() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split(['.', ' '])
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(0)
}

fn disk(path: &Path) -> (u64, u64) {
    match nix::sys::statvfs::statvfs(path) {
        Ok(stat) => {
            let gib = |blocks: u64| blocks.saturating_mul(stat.fragment_size()) >> 30;
            (gib(stat.blocks()), gib(stat.blocks_available()))
        }
        Err(_) => (0, 0),
    }
}

fn field_kb(meminfo: &str, name: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn cpu_field<'a>(cpuinfo: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    };
    cpuinfo.lines().find_map(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_by_field() {
        assert_eq!(
            field_kb("MemTotal:  2048 kB\nMemFree: 1 kB\n", "MemTotal"),
            2048
        );
        assert_eq!(
            cpu_field("processor\t: 0\nmodel name\t: A CPU: fast\n", "model name"),
            "A CPU: fast"
        );
        assert_eq!(cpu_field("", "flags"), "");
    }
}
