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

/// What happens when a machine cannot confine guests as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confinement {
    /// Guests run with what there is; the driver says at its start what is missing.
    #[default]
    Auto,
    /// No guest is started.
    Require,
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
    /// Folders in which, at any depth, the files of volumes lie. No guest is given a file of another folder as a volume.
    pub volume_folders: Vec<PathBuf>,
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
    /// Put guests into control groups `kilonova/<id>`, which limit their memory, processes and processor time.
    pub cgroups: bool,
    pub confinement: Confinement,
    /// First number of the users that guests run as. No user of the machine may have one of the range.
    pub uid_base: u32,
    /// How many such numbers there are, and so how many servers this host can have. 1: all guests share one user.
    pub uid_count: u32,
    /// Folders of programs and their data that a guest's QEMU can read. Nothing secret may lie there.
    pub program_folders: Vec<PathBuf>,
    /// MiB that QEMU itself may use beside the guest's memory, before the kernel ends it.
    pub memory_overhead_mb: u64,
    /// How much sooner than others a guest is ended when the machine's memory is short: -1000 to 1000.
    pub oom_score_adj: i32,
    /// Seconds in which QEMU must answer after it was started.
    pub start_timeout_s: u64,
    /// Seconds in which a guest must let go of a device. It does within half a second, once it has booted.
    pub unplug_timeout_s: u64,
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
            volume_folders: Vec::new(),
            machine_type: MachineType::default(),
            cpu_model: None,
            tcg_cache_mb: 128,
            ovmf_code: PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.fd"),
            ovmf_vars: PathBuf::from("/usr/share/OVMF/OVMF_VARS_4M.fd"),
            console_log_bytes: 256 * 1024,
            disk_reserve: 256 << 20,
            cgroups: true,
            confinement: Confinement::Auto,
            // Free by systemd's table of numbers (65,536 to 524,287), and below 100,000, where Debian begins to hand
            // out numbers for containers.
            uid_base: 70_000,
            uid_count: 20_000,
            program_folders: ["/usr", "/lib", "/lib64", "/bin", "/sbin"]
                .map(PathBuf::from)
                .to_vec(),
            memory_overhead_mb: 512,
            oom_score_adj: 300,
            start_timeout_s: 30,
            unplug_timeout_s: 20,
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
