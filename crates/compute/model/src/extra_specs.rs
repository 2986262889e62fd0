//! What extra specs of flavors may say, and what becomes of it: a row for each key of Nova's validators
//! (`nova.api.validation.extra_specs`) and the two that Nova reads without checking them.

mod table;

use std::collections::BTreeMap;

use crate::accepted::{self, Misfit, Refusal, Row};
use crate::hardware::quoted;

pub use table::{SPECS, UNCHECKED};

use table::NAMESPACES;

/// Why an extra spec means nothing, in Nova's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    #[error("Validation failed; extra spec '{0}' does not appear to be a valid extra spec.")]
    Unknown(String),
    #[error("Validation failed; '{0}' is not a valid boolean-like value.")]
    NoBoolean(String),
    #[error("Validation failed; '{0}' is not a valid integer value.")]
    NoInteger(String),
    #[error("Validation failed; '{0}' is greater than the max value of '{1}'.")]
    TooLarge(i64, i64),
    #[error("Validation failed; '{0}' is less than the min value of '{1}'.")]
    TooSmall(i64, i64),
    #[error("Validation failed; '{0}' is not one of: {words}.", words = .1.join(", "))]
    NotOneOf(String, &'static [&'static str]),
    #[error("Validation failed; '{0}' is not of the format '{1}'.")]
    NotOfForm(String, &'static str),
}

impl BadSpec {
    fn of(value: &str, misfit: Misfit) -> Self {
        let value = value.to_owned();
        match misfit {
            Misfit::NoBoolean => BadSpec::NoBoolean(value),
            Misfit::NoInteger => BadSpec::NoInteger(value),
            Misfit::TooLarge(number, most) => BadSpec::TooLarge(number, most),
            Misfit::TooSmall(number, least) => BadSpec::TooSmall(number, least),
            Misfit::NotOneOf(words) => BadSpec::NotOneOf(value, words),
            Misfit::NotOfForm(form) => BadSpec::NotOfForm(value, form),
        }
    }
}

/// A spec of a flavor that was set while nobody checked it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("Flavor extra spec {name}: {} is invalid.", quoted(.value))]
    Bad { name: String, value: String },
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Whether an extra spec means something: its key is known or outside the known namespaces, and its value is one that
/// the key takes. What Nova checks since 2.86 when a flavor gets it.
///
/// # Errors
/// The reason.
pub fn check(key: &str, value: &str) -> Result<(), BadSpec> {
    if let Some(row) = accepted::row(SPECS, key).filter(|row| !UNCHECKED.contains(&row.name)) {
        return row
            .takes
            .fits(value)
            .map_err(|misfit| BadSpec::of(value, misfit));
    }
    let grouped = |name: &str, space: &str| {
        space
            .strip_prefix(name)
            .is_some_and(|group| group.is_empty() || accepted::is_group(group))
    };
    let known = key.split_once(':').is_some_and(|(space, _)| {
        NAMESPACES.contains(&space) || grouped("resources", space) || grouped("trait", space)
    });
    match known {
        true => Err(BadSpec::Unknown(key.to_owned())),
        false => Ok(()),
    }
}

/// Checks that a flavor does not ask for what a server cannot have here, and that what is acted on can be read: specs
/// that were set with microversions below 2.86 were never checked.
///
/// # Errors
/// The first one, by key.
pub fn refuse(specs: &BTreeMap<String, String>) -> Result<(), Unusable> {
    for (name, value) in specs {
        let Some(row) = row(name) else {
            continue;
        };
        if row.takes.fits(value).is_err() {
            return Err(Unusable::Bad {
                name: name.clone(),
                value: value.clone(),
            });
        }
        if let Some(why) = row.refusal(value) {
            return Err(Unusable::Refused(Refusal {
                what: "Flavor extra spec",
                name: name.clone(),
                value: value.clone(),
                why,
            }));
        }
    }
    Ok(())
}

/// The row of a key.
pub fn row(key: &str) -> Option<&'static Row> {
    accepted::row(SPECS, key)
}

#[cfg(test)]
mod tests;
