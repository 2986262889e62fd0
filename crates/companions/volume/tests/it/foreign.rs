//! QEMU's tools, as a client of volumes that is none of ours. The unit tests of targets have this file too.

use std::path::Path;

use serde_json::Value;

/// Whether this machine has these programs; says which it lacks.
pub fn has(programs: &[&str]) -> bool {
    let lacks = programs
        .iter()
        .find(|program| child::find(Path::new(program)).is_none());
    match lacks {
        Some(program) => {
            skips::skip(format!("{program} is not installed"));
            false
        }
        None => true,
    }
}

/// Whether this machine can serve volumes by NBD and open them; says what it lacks.
pub fn has_nbd() -> bool {
    has(&["qemu-storage-daemon", "qemu-img", "qemu-io"])
}

/// Whether this machine can have a tgtd of a test's own, and a client; says what it lacks.
pub fn has_tgtd() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        skips::skip("tgtd runs as root alone");
    }
    is_root && has(&["tgtd", "tgtadm", "qemu-img", "qemu-io"])
}

/// What QEMU opens (`--image-opts`), for a `connection_info` of NBD.
pub fn by_nbd(info: &Value) -> String {
    assert_eq!(info["driver_volume_type"], "nbd", "{info}");
    let data = &info["data"];
    let export = data["export"].as_str().expect("a name");
    format!(
        "driver=raw,file.driver=nbd,file.host=127.0.0.1,file.port={},file.export={export}",
        data["port"]
    )
}

/// The same for one of iSCSI, as an initiator with a password; none: that of the `connection_info`.
pub fn by_iscsi(info: &Value, initiator: &str, password: Option<&str>) -> String {
    assert_eq!(info["driver_volume_type"], "iscsi", "{info}");
    let data = &info["data"];
    let text = |name: &str| data[name].as_str().expect("a text").to_owned();
    format!(
        "driver=raw,file.driver=iscsi,file.transport=tcp,file.portal={},file.target={},file.lun={},\
         file.user={},file.password={},file.initiator-name={initiator}",
        text("target_portal"),
        text("target_iqn"),
        data["target_lun"],
        text("auth_username"),
        password.map_or_else(|| text("auth_password"), str::to_owned),
    )
}

/// Whether the client can do this to what it opens.
pub fn can(source: &str, command: &str) -> bool {
    let done = child::command("timeout")
        .args(["20", "qemu-io", "-c", command, "--image-opts", source])
        .output()
        .expect("qemu-io runs");
    done.status.success()
}

/// The size that the client sees; none: it does not reach the volume.
pub fn seen_size(source: &str) -> Option<u64> {
    let done = child::command("timeout")
        .args([
            "20",
            "qemu-img",
            "info",
            "--output=json",
            "--image-opts",
            source,
        ])
        .output()
        .expect("qemu-img runs");
    let told: Value = serde_json::from_slice(&done.stdout).ok()?;
    told["virtual-size"].as_u64()
}
