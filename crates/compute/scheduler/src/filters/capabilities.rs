//! `ComputeCapabilitiesFilter`: extra specs `capabilities:FIELD[:sub…]`, and those without a
//! namespace that name a field, compared with what the host says of itself.

use serde_json::{Value, json};

use super::Question;
use super::operators::satisfies;
use crate::Host;

/// Every extra spec of a field must match.
pub fn capable(host: &Host, question: &Question) -> Result<(), String> {
    let mut facts = None;
    for (key, requirement) in &question.request.flavor.extra_specs {
        let path = match key.split_once(':') {
            Some(("capabilities", path)) => path,
            Some(_) => continue,
            None => key,
        };
        let facts = facts.get_or_insert_with(|| document(host, question));
        // Without a namespace, a name may be anybody's.
        if !key.contains(':') && facts.get(path).is_none() {
            continue;
        }
        let found = path
            .split(':')
            .try_fold(&*facts, |value, part| value.get(part));
        let matches = found.is_some_and(|value| satisfies(&text(value), requirement));
        if !matches {
            return Err(format!("{key} is not {requirement}"));
        }
    }
    Ok(())
}

/// The fields of Nova's host state that we know.
pub(super) fn document(host: &Host, question: &Question) -> Value {
    let facts = &host.node.facts;
    let used = &host.node.used;
    json!({
        "hypervisor_type": facts.hypervisor_type,
        "hypervisor_version": facts.hypervisor_version,
        "hypervisor_hostname": host.node.name,
        "host": host.node.host,
        "host_ip": facts.host_ip,
        "vcpus_total": facts.vcpus,
        "vcpus_used": used.vcpus,
        "cpu_allocation_ratio": facts.cpu_ratio,
        "ram_allocation_ratio": facts.ram_ratio,
        "disk_allocation_ratio": facts.disk_ratio,
        "total_usable_ram_mb": facts.memory_mb,
        "free_ram_mb": facts.memory_mb.saturating_sub(used.memory_mb),
        "total_usable_disk_gb": facts.disk_gb,
        "disk_mb_used": used.disk_gb * 1024,
        "free_disk_mb": facts.disk_gb.saturating_sub(used.disk_gb) * 1024,
        "num_instances": used.servers,
        "num_io_ops": question.io_operations(host),
        "failed_builds": host.node.failed_builds,
        "cpu_info": facts.cpu_info,
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
