//! `ComputeCapabilitiesFilter`: extra specs `capabilities:FIELD[:sub…]` compared with host facts.

use serde_json::{Value, json};

use super::Question;
use crate::Host;

/// Every `capabilities:` key must match.
pub fn capable(host: &Host, question: &Question) -> Result<(), String> {
    let wanted = question.request.flavor.extra_specs.iter();
    let wanted =
        wanted.filter_map(|(key, value)| Some((key.strip_prefix("capabilities:")?, value)));
    let mut facts = None;
    for (path, requirement) in wanted {
        let facts = facts.get_or_insert_with(|| document(host));
        let found = path
            .split(':')
            .try_fold(&*facts, |value, part| value.get(part));
        let matches = found.is_some_and(|value| satisfies(&text(value), requirement));
        if !matches {
            return Err(format!("capabilities:{path} is not {requirement}"));
        }
    }
    Ok(())
}

/// The fields of Nova's host state that we know.
fn document(host: &Host) -> Value {
    let facts = &host.node.facts;
    json!({
        "hypervisor_type": facts.hypervisor_type,
        "hypervisor_version": facts.hypervisor_version,
        "hypervisor_hostname": host.node.name,
        "host": host.node.host,
        "vcpus_total": facts.vcpus,
        "vcpus_used": host.node.used.vcpus,
        "total_usable_ram_mb": facts.memory_mb,
        "free_ram_mb": facts.memory_mb.saturating_sub(host.node.used.memory_mb),
        "total_usable_disk_gb": facts.disk_gb,
        "num_instances": host.node.used.servers,
        "cpu_info": facts.cpu_info,
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Nova's operators, the first word of the requirement. `=` means "at least".
fn satisfies(value: &str, requirement: &str) -> bool {
    let mut words = requirement.split_whitespace();
    let first = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let one = rest.first().copied().unwrap_or_default();
    let numbers = || Some((value.parse::<f64>().ok()?, one.parse::<f64>().ok()?));
    match first {
        "=" | ">=" => numbers().is_some_and(|(has, wanted)| has >= wanted),
        "==" => numbers().is_some_and(|(has, wanted)| has == wanted),
        "!=" => numbers().is_some_and(|(has, wanted)| has != wanted),
        "<=" => numbers().is_some_and(|(has, wanted)| has <= wanted),
        "s==" => value == one,
        "s!=" => value != one,
        "s<" => value < one,
        "s<=" => value <= one,
        "s>" => value > one,
        "s>=" => value >= one,
        "<in>" => value.contains(one),
        "<all-in>" => rest.iter().all(|word| value.contains(word)),
        "<or>" => rest
            .iter()
            .filter(|word| **word != "<or>")
            .any(|word| *word == value),
        _ => value == requirement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_mean_what_they_mean_in_nova() {
        for (value, requirement, fits) in [
            ("8", "= 4", true),
            ("3", ">= 4", false),
            ("QEMU", "QEMU", true),
            ("QEMU", "s== QEMU", true),
            ("abc", "<in> b", true),
            ("sse avx", "<all-in> sse avx", true),
            ("b", "<or> a <or> b", true),
            ("c", "<or> a <or> b", false),
            ("x", "= 4", false),
        ] {
            assert_eq!(satisfies(value, requirement), fits, "{value} {requirement}");
        }
    }
}
