//! QEMU's tools, as a client of volumes that is none of ours.

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

/// Whether the client can do this to what it opens (`--image-opts`).
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
