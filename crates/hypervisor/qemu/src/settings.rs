//! Settings of the QEMU driver.

use std::path::PathBuf;
use std::str::FromStr;

use hypervisor::MachineType;
use serde::{Deserialize, Serialize};

/// Which accelerator guests run with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VirtType {
    /// KVM when the processor offers virtualisation to us and `/dev/kvm` opens, else emulation. The device alone
    /// proves nothing: on some machines it exists and guests never get anywhere.
    #[default]
    Auto,
    Kvm,
    /// Emulation (TCG).
    Qemu,
}

/// A processor as QEMU's `-cpu` takes it: a model, and features that are added, left out or set, as
/// `Nehalem,+vmx,-x2apic,vendor=GenuineIntel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CpuModel(String);

/// A text that describes no processor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:.60?} is no processor model with features, as Nehalem,+vmx,-x2apic")]
pub struct BadCpuModel(String);

impl CpuModel {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CpuModel {
    type Err = BadCpuModel;

    fn from_str(text: &str) -> Result<Self, BadCpuModel> {
        // QEMU would list its processors for `help` and start nothing.
        let name = |word: &str| {
            word.bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
                && word != "help"
        };
        let feature = |word: &str| match word.split_once('=') {
            Some((key, value)) => name(key) && name(value),
            None => name(word.strip_prefix(['+', '-']).unwrap_or(word)),
        };
        let mut words = text.split(',');
        match words.next().is_some_and(name) && words.all(feature) {
            true => Ok(CpuModel(text.to_owned())),
            false => Err(BadCpuModel(text.to_owned())),
        }
    }
}

impl TryFrom<String> for CpuModel {
    type Error = BadCpuModel;

    fn try_from(text: String) -> Result<Self, BadCpuModel> {
        text.parse()
    }
}

impl From<CpuModel> for String {
    fn from(model: CpuModel) -> String {
        model.0
    }
}

/// The driver's settings; every field has a default but the state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QemuSettings {
    /// Folder of the cloud; servers live in `servers/` below it. At most about 55 bytes long, since the path of a
    /// unix socket is limited to 107.
    pub state_path: PathBuf,
    /// Name that the host shows as its hypervisor; the machine's own name when empty.
    pub hostname: String,
    pub virt_type: VirtType,
    pub qemu_binary: PathBuf,
    pub qemu_img: PathBuf,
    /// Folders, absolute, whose files may be base images, kernels and ramdisks: the image cache. No guest is given
    /// another file of the host.
    pub image_folders: Vec<PathBuf>,
    /// Machine type of servers that name none.
    pub machine_type: MachineType,
    /// Processor model; None: `host` with KVM, `qemu64` with emulation.
    pub cpu_model: Option<CpuModel>,
    /// Emulation only: MiB of translated code a guest may keep. QEMU's own default lets it grow to 1 GiB.
    pub tcg_cache_mb: u32,
    /// UEFI firmware (Debian package ovmf).
    pub ovmf_code: PathBuf,
    pub ovmf_vars: PathBuf,
    /// Bytes of console log that are kept of a server at least; at most twice as many.
    pub console_log_bytes: u64,
    /// Bytes that stay free on the disk of the servers, for records and databases: new servers and suspends that would
    /// use them are refused.
    pub disk_reserve: u64,
    /// Put guests into control groups `kilonova/<id>`, so that processor limits of flavors work.
    pub cgroups: bool,
    /// Seconds in which QEMU must answer after it was started.
    pub start_timeout_s: u64,
}

impl Default for QemuSettings {
    fn default() -> Self {
        Self {
            state_path: PathBuf::from("var"),
            hostname: String::new(),
            virt_type: VirtType::Auto,
            qemu_binary: PathBuf::from("qemu-system-x86_64"),
            qemu_img: PathBuf::from("qemu-img"),
            image_folders: Vec::new(),
            machine_type: MachineType::default(),
            cpu_model: None,
            tcg_cache_mb: 128,
            ovmf_code: PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.fd"),
            ovmf_vars: PathBuf::from("/usr/share/OVMF/OVMF_VARS_4M.fd"),
            console_log_bytes: 256 * 1024,
            disk_reserve: 256 << 20,
            cgroups: true,
            start_timeout_s: 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_a_model_with_features_and_nothing_else() {
        for good in [
            "host",
            "qemu64",
            "Nehalem,+vmx,-x2apic,vendor=GenuineIntel",
            "max,pmu=on",
            "486-v1",
        ] {
            assert!(good.parse::<CpuModel>().is_ok(), "{good}");
        }
        for odd in [
            "",
            "help",
            ",help",
            "host,help",
            "host,",
            "a b",
            "host,x=/etc",
            "host\n",
            "host,=y",
            "?",
        ] {
            assert!(odd.parse::<CpuModel>().is_err(), "{odd:?}");
        }
    }
}
