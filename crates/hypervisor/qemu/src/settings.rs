//! Settings of the QEMU driver.

use std::path::PathBuf;

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
    /// Machine type of servers that name none.
    pub machine_type: String,
    /// Processor model; empty: `host` with KVM, `qemu64` with emulation.
    pub cpu_model: String,
    /// Emulation only: MiB of translated code a guest may keep. QEMU's own default lets it grow to 1 GiB.
    pub tcg_cache_mb: u32,
    /// UEFI firmware (Debian package ovmf).
    pub ovmf_code: PathBuf,
    pub ovmf_vars: PathBuf,
    /// Bytes of console log that are kept of a server at least; at most twice as many.
    pub console_log_bytes: u64,
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
            machine_type: "pc".to_owned(),
            cpu_model: String::new(),
            tcg_cache_mb: 128,
            ovmf_code: PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.fd"),
            ovmf_vars: PathBuf::from("/usr/share/OVMF/OVMF_VARS_4M.fd"),
            console_log_bytes: 256 * 1024,
            cgroups: true,
            start_timeout_s: 30,
        }
    }
}
