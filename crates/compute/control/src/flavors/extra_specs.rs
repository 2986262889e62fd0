//! Extra specs of flavors, and what they may say.

use std::collections::BTreeMap;

use compute_model::extra_specs;

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

/// Whether an extra spec means something.
///
/// # Errors
/// 400 with the reason.
pub fn check(key: &str, value: &str) -> Result<()> {
    extra_specs::check(key, value).map_err(|bad| invalid(bad.to_string()))
}

fn invalid(why: String) -> ControlError {
    ControlError::Invalid { why }
}
