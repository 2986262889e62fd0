//! What this machine can run guests with, for the driver and for `kilonova doctor`.

use std::path::Path;

use hypervisor::{DriverError, Result};
use serde::Serialize;

pub use crate::accel::Accel;
use crate::machines::Machines;
use crate::settings::{QemuSettings, VirtType};

/// The result of looking.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    pub accel: Accel,
    /// Why this one, in words.
    pub why: String,
    /// Version of QEMU as major * 1,000,000 + minor * 1,000 + micro; None when it is missing.
    pub qemu_version: Option<u32>,
    pub qemu_img: bool,
    /// What QEMU lists; empty when it is missing.
    #[serde(skip)]
    pub machines: Machines,
    pub uefi: bool,
    /// Can processor limits be enforced?
    pub cgroups: bool,
    /// What keeps the driver from working, each with what to do about it.
    pub problems: Vec<String>,
}

/// Looks at the machine. Runs `qemu -version` and `qemu -machine help` (some 20 ms each, at the same time).
pub async fn probe(settings: &QemuSettings) -> Probe {
    let mut problems = Vec::new();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let kvm_opens = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    let (accel, why) = choose(settings.virt_type, cpu_virtualises(&cpuinfo), kvm_opens);
    if accel == Accel::Kvm && !kvm_opens {
        problems.push(
            "/dev/kvm cannot be opened: load the kvm module, or set virt_type = qemu".to_owned(),
        );
    }
    let (qemu_version, machines) = tokio::join!(
        version(&settings.qemu_binary),
        Machines::ask(&settings.qemu_binary)
    );
    if qemu_version.is_none() {
        problems.push(format!(
            "{} does not run: install qemu-system-x86",
            settings.qemu_binary.display()
        ));
    }
    let machines = machines.unwrap_or_else(|error| {
        if qemu_version.is_some() {
            let binary = settings.qemu_binary.display();
            problems.push(format!("{binary} -machine help: {error}"));
        }
        Machines::default()
    });
    let machine = &settings.machine_type;
    if machines != Machines::default() && machines.whole(machine).is_err() {
        problems.push(format!(
            "[qemu] machine_type = {machine} does not exist here, or is none that servers are built for: choose a pc or \
             q35 of {} -machine help",
            settings.qemu_binary.display()
        ));
    }
    let qemu_img = version(&settings.qemu_img).await.is_some();
    if !qemu_img {
        problems.push(format!(
            "{} does not run: install qemu-utils",
            settings.qemu_img.display()
        ));
    }
    let uefi = settings.ovmf_code.exists() && settings.ovmf_vars.exists();
    Probe {
        accel,
        why,
        qemu_version,
        qemu_img,
        machines,
        uefi,
        cgroups: crate::cgroup::Groups::new(settings.cgroups).limits_processors(),
        problems,
    }
}

/// The decision, without looking.
fn choose(wanted: VirtType, cpu: bool, device: bool) -> (Accel, String) {
    let (accel, why) = match (wanted, cpu, device) {
        (VirtType::Kvm, _, _) => (Accel::Kvm, "virt_type says kvm"),
        (VirtType::Qemu, _, _) => (Accel::Tcg, "virt_type says qemu"),
        (VirtType::Auto, true, true) => {
            (Accel::Kvm, "the processor virtualises and /dev/kvm opens")
        }
        (VirtType::Auto, false, true) => (
            Accel::Tcg,
            "/dev/kvm exists, but the processor shows neither vmx nor svm: guests would crawl or hang",
        ),
        (VirtType::Auto, true, false) => (Accel::Tcg, "/dev/kvm cannot be opened"),
        (VirtType::Auto, false, false) => (Accel::Tcg, "the processor shows neither vmx nor svm"),
    };
    (accel, why.to_owned())
}

/// Does the processor offer virtualisation, by the flags the kernel shows?
pub(crate) fn cpu_virtualises(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags") || line.starts_with("Features"))
        .any(|line| {
            line.split_whitespace()
                .any(|flag| flag == "vmx" || flag == "svm")
        })
}

async fn version(program: &Path) -> Option<u32> {
    let output = child::tokio_command(program)
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// `QEMU emulator version 7.2.22 (Debian ...)`, `qemu-img version 7.2.22 (...)`.
fn parse_version(text: &str) -> Option<u32> {
    let number = text.split_once("version ")?.1;
    let number: String = number
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
    let major = parts.next()??;
    let minor = parts.next().flatten().unwrap_or(0);
    let micro = parts.next().flatten().unwrap_or(0);
    Some(major * 1_000_000 + minor * 1_000 + micro)
}

impl Probe {
    /// Fails with the first problem, for callers that cannot go on.
    ///
    /// # Errors
    /// `Unsupported` naming what is missing.
    pub fn require(&self) -> Result<()> {
        match self.problems.first() {
            Some(problem) => Err(DriverError::Unsupported {
                what: problem.clone(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kvm_device_without_a_virtualising_processor_is_not_trusted() {
        assert_eq!(choose(VirtType::Auto, false, true).0, Accel::Tcg);
        assert_eq!(choose(VirtType::Auto, true, true).0, Accel::Kvm);
        assert_eq!(choose(VirtType::Auto, true, false).0, Accel::Tcg);
        assert_eq!(choose(VirtType::Kvm, false, false).0, Accel::Kvm);
        assert_eq!(choose(VirtType::Qemu, true, true).0, Accel::Tcg);
        assert!(cpu_virtualises("flags\t\t: fpu vmx sse\n"));
        assert!(!cpu_virtualises(
            "flags\t\t: fpu sse\nvmx flags\t: vnmi\nmodel name: vmx\n"
        ));
    }

    #[test]
    fn versions_are_novas_numbers() {
        assert_eq!(
            parse_version("QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright"),
            Some(7_002_022)
        );
        assert_eq!(parse_version("qemu-img version 10.0"), Some(10_000_000));
        assert_eq!(parse_version("sh: not found"), None);
    }

    #[tokio::test]
    async fn a_machine_type_of_the_settings_that_qemu_does_not_list_is_a_problem() {
        let with = |machine: &str| QemuSettings {
            machine_type: machine.parse().unwrap(),
            ..QemuSettings::default()
        };
        let known = probe(&with("q35")).await;
        if known.qemu_version.is_none() {
            skips::skip("qemu-system-x86_64 (package qemu-system-x86) is not installed");
            return;
        }
        assert!(known.machines.whole(&"pc".parse().unwrap()).is_ok());
        let named = |probe: &Probe| {
            probe
                .problems
                .iter()
                .any(|why| why.contains("machine_type"))
        };
        assert!(!named(&known), "{:?}", known.problems);
        assert!(named(&probe(&with("pc-q35-99.9")).await));
        assert!(named(&probe(&with("microvm")).await));
    }

    #[tokio::test]
    async fn a_missing_qemu_is_a_problem_that_names_its_package() {
        let settings = QemuSettings {
            qemu_binary: "/nonexistent/qemu".into(),
            ..QemuSettings::default()
        };
        let probe = probe(&settings).await;
        assert!(
            probe
                .problems
                .iter()
                .any(|problem| problem.contains("install qemu-system-x86"))
        );
        assert!(probe.require().is_err());
    }
}
