//! Names with placeholders: `{N}` for digits, `{key}` for any text, `{:path}` for any number of `:word`, `{class}` for a
//! resource class, `{trait}` for a trait, `{group}` for the name of a group of resources.

/// Resource classes that Placement knows by itself.
const CLASSES: &[&str] = &[
    "DISK_GB",
    "FPGA",
    "IPV4_ADDRESS",
    "MEMORY_MB",
    "MEM_ENCRYPTION_CONTEXT",
    "NET_BW_EGR_KILOBIT_PER_SEC",
    "NET_BW_IGR_KILOBIT_PER_SEC",
    "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC",
    "NUMA_CORE",
    "NUMA_MEMORY_MB",
    "NUMA_SOCKET",
    "NUMA_THREAD",
    "PCI_DEVICE",
    "PCPU",
    "PGPU",
    "SRIOV_NET_VF",
    "VCPU",
    "VGPU",
    "VGPU_DISPLAY_HEAD",
];

/// Whether Placement knows the class by itself.
fn is_standard_class(name: &str) -> bool {
    CLASSES.contains(&name)
}

/// Whether an operator made the name up: `CUSTOM_` and capital letters, digits, underscores.
fn is_custom_name(name: &str) -> bool {
    name.strip_prefix("CUSTOM_").is_some_and(is_capital)
}

/// Whether a name is written as those of classes and traits are.
fn is_capital(name: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(sign)
}

/// Standard traits are counted by the hundred and grow; their families do not.
fn is_trait(name: &str) -> bool {
    const FAMILIES: &[&str] = &["COMPUTE_", "HW_", "MISC_", "OWNER_", "STORAGE_"];
    is_custom_name(name)
        || FAMILIES
            .iter()
            .any(|family| name.strip_prefix(family).is_some_and(is_capital))
}

/// Whether a text may stand behind `resources` and `trait` as the name of a group.
pub fn is_group(name: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(sign)
}

/// `:word` any number of times.
fn is_path(text: &str) -> bool {
    let word = |step: &str| {
        !step.is_empty()
            && step
                .chars()
                .all(|sign| sign.is_alphanumeric() || sign == '_')
    };
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|steps| steps.split(':').all(word))
}

fn stands_for(placeholder: &str, text: &str) -> bool {
    match placeholder {
        "N" => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        "key" => !text.is_empty(),
        ":path" => is_path(text),
        "class" => is_standard_class(text) || is_custom_name(text),
        "trait" => is_trait(text),
        "group" => is_group(text),
        _ => false,
    }
}

/// Whether a name is one of a pattern.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((literal, rest)) = pattern.split_once('{') else {
        return pattern == name;
    };
    let (Some(name), Some((placeholder, rest))) =
        (name.strip_prefix(literal), rest.split_once('}'))
    else {
        return false;
    };
    // A placeholder ends at the sign that follows it in the pattern.
    match rest.chars().next() {
        None => stands_for(placeholder, name),
        Some(sign) => match name.find(sign) {
            Some(end) => stands_for(placeholder, &name[..end]) && matches(rest, &name[end..]),
            None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_read_from_left_to_right() {
        for (pattern, good, bad) in [
            ("hw:cpu_policy", "hw:cpu_policy", "hw:cpu_policy2"),
            ("hw:numa_cpus.{N}", "hw:numa_cpus.12", "hw:numa_cpus.x"),
            ("aggregate:{key}", "aggregate:a b", "aggregate:"),
            ("cap:stats{:path}", "cap:stats:a:b_1", "cap:stats:"),
            ("cap:stats{:path}", "cap:stats", "cap:stats:a-b"),
            ("resources:{class}", "resources:VCPU", "resources:GOLD"),
            (
                "resources{group}:{class}",
                "resources_N-1:CUSTOM_A",
                "resources:VCPU",
            ),
            ("trait{group}:{trait}", "trait1:HW_A", "trait1:SW_A"),
        ] {
            assert!(matches(pattern, good), "{pattern} {good}");
            assert!(!matches(pattern, bad), "{pattern} {bad}");
        }
    }
}
