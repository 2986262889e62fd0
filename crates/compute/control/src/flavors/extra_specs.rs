//! Extra specs of flavors, and what they may say.

use std::collections::BTreeMap;

use super::specs_table::{NAMESPACES, SPECS, Spec, Takes, capital, custom_name, standard_class};
use super::{change, show};
use crate::{Context, Control, ControlError, Result, policy};

/// All extra specs of a flavor.
///
/// # Errors
/// 404.
pub async fn show_specs(
    control: &Control,
    cx: &Context,
    id: &str,
) -> Result<BTreeMap<String, String>> {
    policy::allow(control, cx)?;
    Ok(show(control, cx, id).await?.extra_specs)
}

/// One extra spec of a flavor.
///
/// # Errors
/// 404, also when the flavor has no such key.
pub async fn show_spec(control: &Control, cx: &Context, id: &str, key: &str) -> Result<String> {
    policy::allow(control, cx)?;
    let mut flavor = show(control, cx, id).await?;
    flavor
        .extra_specs
        .remove(key)
        .ok_or_else(|| no_key(id, key))
}

/// Sets extra specs of a flavor; others stay. `only` is the key that a URL named.
///
/// # Errors
/// 404; 400 when `only` is not among the specs, or with `checked` when one of them means nothing.
pub async fn set_specs(
    control: &Control,
    cx: &Context,
    id: &str,
    specs: BTreeMap<String, String>,
    only: Option<&str>,
    checked: bool,
) -> Result<()> {
    policy::allow(control, cx)?;
    if checked {
        for (key, value) in &specs {
            check(key, value)?;
        }
    }
    if only.is_some_and(|key| !specs.contains_key(key)) {
        return Err(invalid("Request body and URI mismatch".to_owned()));
    }
    change(control, id, |flavor| {
        flavor.extra_specs.extend(specs.clone());
        Ok(())
    })
    .await?;
    Ok(())
}

/// Removes one extra spec of a flavor.
///
/// # Errors
/// 404, also when the flavor has no such key.
pub async fn delete_spec(control: &Control, cx: &Context, id: &str, key: &str) -> Result<()> {
    policy::allow(control, cx)?;
    change(control, id, |flavor| {
        let gone = flavor.extra_specs.remove(key);
        gone.map(|_| ()).ok_or_else(|| no_key(id, key))
    })
    .await?;
    Ok(())
}

fn no_key(id: &str, key: &str) -> ControlError {
    ControlError::NotFound {
        why: format!("Flavor {id} has no extra specs with key {key}."),
    }
}

/// Whether an extra spec means something: its key is known or outside the known namespaces, and
/// its value is one that the key takes.
///
/// # Errors
/// 400 with the reason.
pub fn check(key: &str, value: &str) -> Result<()> {
    if let Some(takes) = what(key) {
        return fits(takes, value);
    }
    let known = key.split_once(':').is_some_and(|(space, _)| {
        NAMESPACES.contains(&space) || grouped("resources", space) || grouped("trait", space)
    });
    match known {
        true => Err(invalid(format!(
            "Validation failed; extra spec '{key}' does not appear to be a valid extra spec."
        ))),
        false => Ok(()),
    }
}

/// What a key takes, if it is one of ours.
fn what(key: &str) -> Option<&'static Takes> {
    const AMOUNT: Takes = Takes::Int(None, None);
    const WISH: Takes = Takes::OneOf(&["required", "forbidden"]);
    if let Some((space, name)) = key.split_once(':') {
        if grouped("resources", space) && (standard_class(name) || custom_name(name)) {
            return Some(&AMOUNT);
        }
        if grouped("trait", space) && trait_name(name) {
            return Some(&WISH);
        }
    }
    SPECS
        .iter()
        .find(|spec| names(spec, key))
        .map(|spec| &spec.takes)
}

/// `space` is `name`, or `name` with the suffix of a group.
fn grouped(name: &str, space: &str) -> bool {
    space.strip_prefix(name).is_some_and(|suffix| {
        suffix.len() <= 64
            && suffix
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    })
}

/// Standard traits are counted by the hundred and grow; their families do not.
fn trait_name(name: &str) -> bool {
    const FAMILIES: &[&str] = &["COMPUTE_", "HW_", "MISC_", "OWNER_", "STORAGE_"];
    custom_name(name)
        || FAMILIES
            .iter()
            .any(|family| name.strip_prefix(family).is_some_and(capital))
}

/// Whether a row is about a key.
fn names(spec: &Spec, key: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(prefix) = spec.key.strip_suffix("#") {
        return key.strip_prefix(prefix).is_some_and(digits);
    }
    if let Some(prefix) = spec.key.strip_suffix("**") {
        return key
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty());
    }
    if let Some(prefix) = spec.key.strip_suffix("(:)") {
        return key.strip_prefix(prefix).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(':').is_some_and(|steps| {
                    steps.split(':').all(|step| {
                        !step.is_empty()
                            && step
                                .chars()
                                .all(|sign| sign.is_alphanumeric() || sign == '_')
                    })
                })
        });
    }
    spec.key == key
}

fn fits(takes: &Takes, value: &str) -> Result<()> {
    match takes {
        Takes::Any => Ok(()),
        Takes::Bool => match boolean(value) {
            true => Ok(()),
            false => Err(invalid(format!(
                "Validation failed; '{value}' is not a valid boolean-like value."
            ))),
        },
        Takes::Int(least, most) => whole(value, *least, *most),
        Takes::OneOf(words) => match words.contains(&value) {
            true => Ok(()),
            false => Err(invalid(format!(
                "Validation failed; '{value}' is not one of: {}.",
                words.join(", ")
            ))),
        },
        Takes::Form(form) => match has_form(form, value) {
            true => Ok(()),
            false => Err(invalid(format!(
                "Validation failed; '{value}' is not of the format '{form}'."
            ))),
        },
    }
}

fn has_form(form: &str, value: &str) -> bool {
    let whole = regex::Regex::new(&format!("^(?:{form})$"));
    whole
        .expect("forms are constants, tried by a test")
        .is_match(value)
}

fn whole(value: &str, least: Option<i64>, most: Option<i64>) -> Result<()> {
    let Ok(number) = value.trim().parse::<i64>() else {
        return Err(invalid(format!(
            "Validation failed; '{value}' is not a valid integer value."
        )));
    };
    if let Some(most) = most.filter(|most| number > *most) {
        return Err(invalid(format!(
            "Validation failed; '{number}' is greater than the max value of '{most}'."
        )));
    }
    if let Some(least) = least.filter(|least| number < *least) {
        return Err(invalid(format!(
            "Validation failed; '{number}' is less than the min value of '{least}'."
        )));
    }
    Ok(())
}

fn boolean(value: &str) -> bool {
    let word = value.trim().to_ascii_lowercase();
    [
        "1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no",
    ]
    .contains(&word.as_str())
}

fn invalid(why: String) -> ControlError {
    ControlError::Invalid { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(key: &str, value: &str) -> String {
        check(key, value).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_means_something_passes() {
        for (key, value) in [
            ("hw:cpu_policy", "dedicated"),
            ("hw:numa_cpus.0", "0-3,^2"),
            ("hw:numa_mem.12", "512"),
            ("hw:mem_page_size", "1GB"),
            ("hw:boot_menu", "Yes"),
            ("hw_rng:allowed", "True"),
            ("resources:VCPU", "2"),
            ("resources_NET-1:CUSTOM_GOLD", "1"),
            ("trait:HW_CPU_X86_AVX2", "required"),
            ("traitA:CUSTOM_SSD", "forbidden"),
            ("pci_passthrough:alias", "gpu:1,nic:2"),
            ("capabilities:hypervisor_type", "<or> QEMU"),
            ("capabilities:cpu_info:vendor", "Intel"),
            ("aggregate_instance_extra_specs:ssd", "true"),
            ("quota:cpu_quota", "-1"),
            ("group_policy", "isolate"),
            ("anything", "goes"),
            ("my:own", "too"),
        ] {
            assert_eq!(refusal(key, value), "", "{key}={value}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_in_the_words_of_nova() {
        for (key, value, why) in [
            (
                "hw:cpu_policy",
                "sharrred",
                "Validation failed; 'sharrred' is not one of: dedicated, shared, mixed.",
            ),
            (
                "hw:numa_nodes",
                "0",
                "Validation failed; '0' is less than the min value of '1'.",
            ),
            (
                "hw:numa_nodes",
                "foo",
                "Validation failed; 'foo' is not a valid integer value.",
            ),
            (
                "hw:redirected_usb_ports",
                "16",
                "Validation failed; '16' is greater than the max value of '15'.",
            ),
            (
                "hw:boot_menu",
                "yep",
                "Validation failed; 'yep' is not a valid boolean-like value.",
            ),
            (
                "hw:numa_cpus.0",
                "a-b",
                r"Validation failed; 'a-b' is not of the format '\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*'.",
            ),
            (
                "hw:foo",
                "bar",
                "Validation failed; extra spec 'hw:foo' does not appear to be a valid extra spec.",
            ),
            (
                "resources1:GOLD",
                "1",
                "Validation failed; extra spec 'resources1:GOLD' does not appear to be a valid extra spec.",
            ),
            (
                "trait:CUSTOM_SSD",
                "wanted",
                "Validation failed; 'wanted' is not one of: required, forbidden.",
            ),
        ] {
            assert_eq!(refusal(key, value), why);
        }
    }

    #[test]
    fn every_form_is_a_regular_expression() {
        for spec in SPECS {
            if let Takes::Form(form) = spec.takes {
                has_form(form, "");
            }
        }
    }

    #[test]
    fn no_key_has_two_rules() {
        for (at, spec) in SPECS.iter().enumerate() {
            assert!(SPECS[at + 1..].iter().all(|other| other.key != spec.key));
        }
    }
}
