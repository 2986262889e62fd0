//! What a simulated guest writes to its serial line.

use hypervisor::ServerSpec;

/// Only this much of a console log is kept.
const KEPT: usize = 128 * 1024;

/// The text of one start.
pub(crate) fn boot_text(spec: &ServerSpec) -> String {
    let mut text = format!(
        "[    0.000000] fake guest {} ({})\n[    0.000000] CPUs: {}, memory: {} MiB\n",
        spec.name, spec.id, spec.vcpus, spec.memory_mb
    );
    for (number, nic) in spec.nics.iter().enumerate() {
        text.push_str(&format!(
            "[    0.100000] eth{number}: {} (port {})\n",
            nic.mac, nic.port_id
        ));
    }
    if let Some(rescue) = &spec.rescue {
        text.push_str(&format!(
            "[    0.050000] booted from the rescue image {}\n",
            rescue.image.id
        ));
    }
    if let Some(drive) = &spec.config_drive {
        text.push_str(&format!(
            "[    0.200000] config drive with {} files\n",
            drive.files.len()
        ));
    }
    text.push_str(&format!(
        "=== fake guest ready ===\n\n{} login: ",
        spec.hostname
    ));
    text
}

/// Appends, dropping the oldest text beyond the limit.
pub(crate) fn append(log: &mut String, text: &str) {
    log.push_str(text);
    if log.len() > KEPT {
        let mut cut = log.len() - KEPT;
        while !log.is_char_boundary(cut) {
            cut += 1;
        }
        log.drain(..cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_talks_for_ever_keeps_only_its_last_words() {
        let mut log = String::new();
        for _ in 0..3 {
            append(&mut log, &"ä".repeat(50_000));
        }
        append(&mut log, "end");
        assert!(log.len() <= KEPT && log.ends_with("end"));
    }
}
