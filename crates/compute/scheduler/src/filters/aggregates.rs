//! Filters on the metadata of a host's aggregates.
//!
//! A value may be a list separated by commas; the values of all aggregates count together.

use std::str::FromStr;

use super::Question;
use super::operators::satisfies;
use crate::Host;

/// Extra specs for aggregates only.
const NAMESPACE: &str = "aggregate_instance_extra_specs";

/// Keys of projects begin so: a value is short, so a list of many takes several keys.
const TENANTS: &str = "filter_tenant_id";

/// Beginnings of the image properties that Nova knows; metadata of other names says nothing of
/// images.
const IMAGE_PROPERTIES: [&str; 3] = ["hw_", "img_", "os_"];

/// The values of a key.
fn values<'a>(host: &'a Host, key: &'a str) -> impl Iterator<Item = &'a str> {
    let texts = host
        .aggregates
        .iter()
        .filter_map(move |aggregate| aggregate.metadata.get(key));
    texts.flat_map(|text| text.split(',').map(str::trim))
}

/// The least of the numbers of a key; none when one is no number.
pub fn least<N: FromStr + PartialOrd>(host: &Host, key: &str) -> Option<N> {
    let mut found: Option<N> = None;
    for aggregate in &host.aggregates {
        let Some(text) = aggregate.metadata.get(key) else {
            continue;
        };
        let Ok(number) = text.trim().parse::<N>() else {
            tracing::warn!(aggregate = aggregate.name, key, text, "this is no number");
            return None;
        };
        found = match found {
            Some(least) if least <= number => Some(least),
            _ => Some(number),
        };
    }
    found
}

/// `AggregateInstanceExtraSpecsFilter`: every extra spec of its namespace, or of none, must match a
/// value of that key.
pub fn extra_specs(host: &Host, question: &Question) -> Result<(), String> {
    for (key, requirement) in &question.request.flavor.extra_specs {
        let key = match key.split_once(':') {
            None => key,
            Some((NAMESPACE, key)) => key,
            Some(_) => continue,
        };
        if !values(host, key).any(|value| satisfies(value, requirement)) {
            return Err(format!("no aggregate has {key} {requirement}"));
        }
    }
    Ok(())
}

/// `AggregateImagePropertiesIsolation`: where an aggregate speaks of a property that the image has,
/// it must name the image's value.
pub fn image_properties(host: &Host, question: &Question) -> Result<(), String> {
    let Some(image) = &question.request.image else {
        return Ok(());
    };
    let settings = question.settings;
    let namespace = settings
        .aggregate_image_properties_isolation_namespace
        .as_ref()
        .map(|name| {
            format!(
                "{name}{}",
                settings.aggregate_image_properties_isolation_separator
            )
        });
    let keys = host
        .aggregates
        .iter()
        .flat_map(|aggregate| aggregate.metadata.keys());
    for key in keys {
        let looked_at = match &namespace {
            Some(namespace) => key.starts_with(namespace),
            None => IMAGE_PROPERTIES.iter().any(|start| key.starts_with(start)),
        };
        if let (true, Some(property)) = (looked_at, image.properties.get(key))
            && !values(host, key).any(|value| value == property)
        {
            return Err(format!("not for images with {key} {property}"));
        }
    }
    Ok(())
}

/// `AggregateMultiTenancyIsolation`: where aggregates name projects, only for these.
pub fn tenants(host: &Host, question: &Question) -> Result<(), String> {
    let project = question.request.project_id.as_str();
    let mut named = false;
    for aggregate in &host.aggregates {
        for (key, text) in &aggregate.metadata {
            if key.starts_with(TENANTS) {
                named = true;
                if text.split(',').any(|tenant| tenant.trim() == project) {
                    return Ok(());
                }
            }
        }
    }
    match named {
        true => Err("kept for other projects".to_owned()),
        false => Ok(()),
    }
}

/// `AggregateTypeAffinityFilter`: where aggregates name flavors, only for these.
pub fn flavors(host: &Host, question: &Question) -> Result<(), String> {
    let name = question.request.flavor.name.as_str();
    let mut kept = values(host, "instance_type").peekable();
    match kept.peek().is_none() || kept.any(|flavor| flavor == name) {
        true => Ok(()),
        false => Err("kept for other flavors".to_owned()),
    }
}
