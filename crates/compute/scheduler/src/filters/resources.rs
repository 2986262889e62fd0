//! Enough free processors, memory and disk.

use super::Question;
use crate::hosts::{Host, capacity};

/// Whether every amount still fits beside what is claimed.
pub fn fit(host: &Host, question: &Question) -> Result<(), String> {
    let facts = &host.node.facts;
    let used = &host.node.used;
    for (class, wanted) in &question.resources {
        let (room, used) = match class.as_str() {
            "VCPU" => (
                capacity(
                    facts.vcpus.into(),
                    facts.reserved_vcpus.into(),
                    facts.cpu_ratio,
                ),
                used.vcpus,
            ),
            "MEMORY_MB" => (
                capacity(facts.memory_mb, facts.reserved_memory_mb, facts.ram_ratio),
                used.memory_mb,
            ),
            "DISK_GB" => (
                capacity(facts.disk_gb, facts.reserved_disk_gb, facts.disk_ratio),
                used.disk_gb,
            ),
            _ => (0.0, 0),
        };
        let free = (room - used as f64).max(0.0);
        if *wanted as f64 > free {
            return Err(format!("{class}: {wanted} wanted, {free} free"));
        }
        // One server may not be larger than the machine, whatever the ratio: Placement's max_unit.
        if class == "VCPU" && *wanted > u64::from(facts.vcpus) {
            return Err(format!(
                "VCPU: {wanted} wanted, the host has {}",
                facts.vcpus
            ));
        }
    }
    Ok(())
}
