//! Checks of request bodies, from tables of fields; the texts are those of Keystone's validator.

use rest::accepted::Fate;
use serde_json::{Map, Value};

use crate::fault::Fault;

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A string of this many characters.
    Text(usize, usize),
    /// A string of at most this many characters, or null.
    MaybeText(usize),
    Flag,
    /// An identifier: letters, digits, `-`, at most 64.
    Id,
    MaybeId,
    Number,
    MaybeNumber,
    Object,
    List,
    /// Unique strings of 1 to 255 characters without `/` and `,`; at most 80.
    Tags,
    OneOf(&'static [&'static str]),
}

/// A field of a body.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// What becomes of it.
    pub fate: Fate,
}

impl Field {
    /// The same, honoured as far as the text says.
    pub const fn within(self, how_far: &'static str) -> Self {
        let fate = Fate::Within(how_far);
        Field { fate, ..self }
    }

    /// The same, which may be ignored: why.
    pub const fn hint(self, why: &'static str) -> Self {
        let fate = Fate::Hint(why);
        Field { fate, ..self }
    }

    /// The same, of which other values than these (JSON) ask for what is not built.
    pub const fn not_built(self, unless: &'static [&'static str], why: &'static str) -> Self {
        let fate = Fate::NotBuilt { unless, why };
        Field { fate, ..self }
    }
}

/// A field that must be there on creation.
pub const fn must(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
        fate: Fate::Honoured,
    }
}

/// A field that may be there.
pub const fn may(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
        fate: Fate::Honoured,
    }
}

/// Checks a body for creation: required fields must be there.
pub fn check_new(body: &Map<String, Value>, fields: &[Field]) -> Result<(), Fault> {
    for field in fields.iter().filter(|field| field.required) {
        if !body.contains_key(field.name) {
            return Err(Fault::BadRequest(format!(
                "'{}' is a required property",
                field.name
            )));
        }
    }
    check_values(body, fields)
}

/// Checks a body for update: at least one field, and what is there must fit.
pub fn check_change(body: &Map<String, Value>, fields: &[Field]) -> Result<(), Fault> {
    if body.is_empty() {
        return Err(Fault::BadRequest("{} should be non-empty".to_owned()));
    }
    check_values(body, fields)
}

/// Refuses names beside those of the fields and `more`.
pub fn closed(body: &Map<String, Value>, fields: &[Field], more: &[&str]) -> Result<(), Fault> {
    let known = |key: &str| fields.iter().any(|field| field.name == key) || more.contains(&key);
    match body.keys().find(|key| !known(key)) {
        None => Ok(()),
        Some(key) => Err(Fault::BadRequest(format!(
            "Additional properties are not allowed ('{key}' was unexpected)"
        ))),
    }
}

/// Fields whose values no text quotes.
const SECRET: &[&str] = &["blob", "original_password", "password", "secret"];

fn check_values(body: &Map<String, Value>, fields: &[Field]) -> Result<(), Fault> {
    for Field {
        name, kind, fate, ..
    } in fields
    {
        let Some(value) = body.get(*name) else {
            continue;
        };
        if let Some(why) = complaint(*kind, value) {
            let why = match SECRET.contains(name) {
                true => why.replace(&python(value), "'***'"),
                false => why,
            };
            return Err(Fault::BadRequest(format!(
                "Invalid input for field '{name}': {why}"
            )));
        }
        if let Some(why) = fate.refusal(value) {
            return Err(Fault::Later(format!("Field '{name}': {why}.")));
        }
    }
    Ok(())
}

/// What is wrong with a value, or `None`.
fn complaint(kind: Kind, value: &Value) -> Option<String> {
    let wrong_type = |name: &str| Some(format!("{} is not of type '{name}'", python(value)));
    match (kind, value) {
        (Kind::MaybeText(_) | Kind::MaybeId | Kind::MaybeNumber, Value::Null) => None,
        (Kind::Text(min, max), Value::String(text)) => length(text, min, max),
        (Kind::MaybeText(max), Value::String(text)) => length(text, 0, max),
        (Kind::Id | Kind::MaybeId, Value::String(text)) => length(text, 1, 64).or_else(|| {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            (!plain).then(|| format!("{} does not match '^[a-zA-Z0-9-]+$'", python(value)))
        }),
        (Kind::OneOf(all), Value::String(text)) => (!all.contains(&text.as_str())).then(|| {
            format!(
                "{} is not one of {}",
                python(value),
                python(&all.to_vec().into())
            )
        }),
        (Kind::Tags, Value::Array(tags)) => tags_complaint(tags, value),
        (Kind::Flag, Value::Bool(_))
        | (Kind::Object, Value::Object(_))
        | (Kind::List, Value::Array(_)) => None,
        (Kind::Number | Kind::MaybeNumber, Value::Number(number)) if number.is_i64() => None,
        (Kind::Flag, _) => wrong_type("boolean"),
        (Kind::Number | Kind::MaybeNumber, _) => wrong_type("integer"),
        (Kind::Object, _) => wrong_type("object"),
        (Kind::List | Kind::Tags, _) => wrong_type("array"),
        _ => wrong_type("string"),
    }
}

fn length(text: &str, min: usize, max: usize) -> Option<String> {
    let count = text.chars().count();
    if count < min || (min > 0 && text.trim().is_empty()) {
        return Some(format!("{} is too short", quoted(text)));
    }
    (count > max).then(|| format!("{} is too long", quoted(text)))
}

/// Most tags that a project may have, and the longest one.
const MOST_TAGS: usize = 80;
const LONGEST_TAG: usize = 255;

fn tags_complaint(tags: &[Value], whole: &Value) -> Option<String> {
    if tags.len() > MOST_TAGS {
        return Some(format!("{} is too long", python(whole)));
    }
    for (index, tag) in tags.iter().enumerate() {
        let Value::String(text) = tag else {
            return Some(format!("{} is not of type 'string'", python(tag)));
        };
        if let Some(why) = tag_complaint(text) {
            return Some(why);
        }
        if tags[..index].contains(tag) {
            return Some(format!("{} has non-unique elements", python(whole)));
        }
    }
    None
}

/// What is wrong with a single tag.
pub fn tag_complaint(text: &str) -> Option<String> {
    length(text, 1, LONGEST_TAG).or_else(|| {
        text.contains(['/', ','])
            .then(|| format!("{} does not match '^[^,/]*$'", quoted(text)))
    })
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

/// A value as Python would print it, since clients' tests read these texts.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => quoted(text),
        Value::Array(all) => {
            let parts: Vec<String> = all.iter().map(python).collect();
            format!("[{}]", parts.join(", "))
        }
        Value::Object(map) => {
            let parts: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("'{key}': {}", python(value)))
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
        Value::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: Value) -> Map<String, Value> {
        value.as_object().expect("object").clone()
    }

    #[test]
    fn a_missing_field_is_named() {
        let error =
            check_new(&of(json!({})), &[must("name", Kind::Text(1, 255))]).expect_err("missing");
        assert_eq!(error.to_string(), "'name' is a required property");
    }

    #[test]
    fn a_wrong_value_is_shown_as_python_shows_it() {
        let fields = [may("enabled", Kind::Flag), may("name", Kind::Text(1, 3))];
        let told = |body| {
            check_new(&of(body), &fields)
                .expect_err("wrong")
                .to_string()
        };
        assert_eq!(
            told(json!({"enabled": null})),
            "Invalid input for field 'enabled': None is not of type 'boolean'"
        );
        assert_eq!(
            told(json!({"name": "abcd"})),
            "Invalid input for field 'name': 'abcd' is too long"
        );
        assert_eq!(
            told(json!({"name": "  "})),
            "Invalid input for field 'name': '  ' is too short"
        );
    }
}
