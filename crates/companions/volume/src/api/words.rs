//! Types that several bodies share.

use std::collections::BTreeMap;

use microversion::{Rules, Shape, Version, Versioned};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::fault::Fault;

/// A link to something.
#[derive(Debug, Clone, Serialize, Versioned)]
pub struct Link {
    pub rel: &'static str,
    pub href: String,
}

/// `self` and `bookmark` links.
pub fn links(call: &super::Call, path: &str) -> Vec<Link> {
    vec![
        Link {
            rel: "self",
            href: call.link(path),
        },
        Link {
            rel: "bookmark",
            href: call.bookmark(path),
        },
    ]
}

/// Names with values; names of letters, digits and `-_:. /`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata(pub BTreeMap<String, String>);

impl Versioned for Metadata {
    const SHAPE: &'static Shape = &named(&[(Version::MIN, keys(r"^[a-zA-Z0-9\-_:. /]{1,255}$"))]);
}

/// Names with values; names of letters, digits and `-_:. `.
#[derive(Debug, Deserialize)]
pub struct Notes(pub BTreeMap<String, String>);

impl Versioned for Notes {
    const SHAPE: &'static Shape = &named(&[(Version::MIN, keys(r"^[a-zA-Z0-9\-_:. ]{1,255}$"))]);
}

/// Names with values; names of letters, digits and `-_:.`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specs(pub BTreeMap<String, String>);

impl Versioned for Specs {
    const SHAPE: &'static Shape = &named(&[(Version::MIN, keys(r"^[a-zA-Z0-9\-_:.]{1,255}$"))]);
}

/// What names must look like.
pub const fn keys(pattern: &'static str) -> Rules {
    Rules {
        key_pattern: Some(pattern),
        ..Rules::NONE
    }
}

/// A value of 255 characters at most.
const VALUE: Shape = Shape::Ruled(
    &Shape::Text,
    &[(
        Version::MIN,
        Rules {
            max_length: Some(255),
            ..Rules::NONE
        },
    )],
);

const fn named(rules: &'static [(Version, Rules)]) -> Shape {
    Shape::Ruled(&Shape::Map(&VALUE), rules)
}

/// A flag, as JSON or in one of the words that Cinder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Versioned)]
#[mv(lenient)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Ok(Flag(match value {
            Value::Bool(flag) => flag,
            Value::String(text) => crate::listing::truthy(&text),
            _ => false,
        }))
    }
}

/// Texts as Cinder keeps them: without spaces at their ends.
pub fn trimmed(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
}

/// The longest id that tables keep.
const LONGEST_ID: usize = 64;
/// The longest name that tables keep.
const LONGEST_NAME: usize = 255;

/// Refuses what is no id of a project because it is too long for one.
///
/// # Errors
/// 400.
pub fn check_project(id: &str) -> Result<(), Fault> {
    check_id("project_id", id)
}

/// Refuses what is no id because it is too long for one.
///
/// # Errors
/// 400.
pub fn check_id(field: &str, id: &str) -> Result<(), Fault> {
    within(field, id, LONGEST_ID)
}

/// Refuses a name that is too long to be kept.
///
/// # Errors
/// 400.
pub fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    within(field, name, LONGEST_NAME)
}

fn within(field: &str, text: &str, most: usize) -> Result<(), Fault> {
    match text.chars().count() > most {
        true => Err(Fault::BadRequest(format!(
            "Invalid input for field/attribute {field}. Value: {text}. '{text}' is too long"
        ))),
        false => Ok(()),
    }
}

/// Refuses a change that names nothing to change.
///
/// # Errors
/// 400.
pub fn says_something(name: &str, sent: &Value) -> Result<(), Fault> {
    match sent.as_object().is_some_and(serde_json::Map::is_empty) {
        true => Err(Fault::BadRequest(format!(
            "Invalid input for field/attribute {name}. Value: {{}}. {{}} is not valid under any of the given schemas"
        ))),
        false => Ok(()),
    }
}

/// Drops the keys of an object that the type of a body does not know at this version: older versions took them.
pub fn only_known<R: Versioned>(value: &mut Value, version: Version) {
    let Shape::Object(object) = R::SHAPE else {
        return;
    };
    if let Value::Object(entries) = value {
        let fields = object
            .fields
            .iter()
            .filter(|field| field.range.contains(version));
        entries.retain(|key, _| fields.clone().any(|field| field.wire == key));
    }
}
