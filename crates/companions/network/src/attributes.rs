//! Bodies of requests: which attributes a resource has, and what each accepts.
//!
//! A resource is a table of [`Attribute`]s ([`tables`]); [`admit`] is the one function that reads a body by it. What
//! comes out ([`Attrs`]) has known names, checked values and the defaults filled in.

pub mod kinds;
pub mod tables;

use rest::accepted::Fate;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::fault::{Fault, Result};
use crate::words::Word;

/// What happens when a POST does not name the attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Post {
    /// It may not be named either: the service sets it.
    Never,
    /// The request is refused.
    Required,
    /// This value (JSON) is taken.
    Default(&'static str),
    /// It stays absent, and the logic decides.
    Absent,
}

/// One attribute of a resource.
#[derive(Clone, Copy)]
pub struct Attribute {
    pub name: &'static str,
    pub post: Post,
    /// Whether a PUT may change it.
    pub put: bool,
    /// Checks a value and brings it into its canonical form; the error is Neutron's reason.
    pub parse: fn(&Value) -> Result<Value, String>,
    /// Rules of policy about it: asked, beside the rule of the call, when a body names it or a part of it, or when it is shown.
    pub rules: &'static [&'static str],
    /// What becomes of it. Enforced by [`honour`], once policy has let the caller name it.
    pub fate: Fate,
}

impl Attribute {
    /// The same with these rules.
    const fn ruled(self, rules: &'static [&'static str]) -> Self {
        Attribute { rules, ..self }
    }

    const fn fated(self, fate: Fate) -> Self {
        Attribute { fate, ..self }
    }

    /// The same, honoured as far as the text says.
    const fn within(self, how_far: &'static str) -> Self {
        self.fated(Fate::Within(how_far))
    }

    /// The same, which may be ignored: why.
    const fn hint(self, why: &'static str) -> Self {
        self.fated(Fate::Hint(why))
    }

    /// The same, of which only these values (JSON) are taken: why.
    const fn refused(self, unless: &'static [&'static str], why: &'static str) -> Self {
        self.fated(Fate::Refused { unless, why })
    }

    /// The same, of which other values than these (JSON) ask for what is not built.
    const fn not_built(self, unless: &'static [&'static str], why: &'static str) -> Self {
        self.fated(Fate::NotBuilt { unless, why })
    }

    /// Whether a body may name it at all.
    pub const fn is_shown_only(&self) -> bool {
        matches!(self.post, Post::Never) && !self.put
    }
}

/// Which request a body belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Post,
    Put,
}

/// Checked attributes of a request.
#[derive(Clone, Debug, Default)]
pub struct Attrs {
    values: Map<String, Value>,
    /// What the caller itself named, before defaults: policy is asked about these.
    pub named: Vec<String>,
}

impl Attrs {
    /// Attributes made by the service itself.
    pub fn of(values: Value) -> Self {
        let values = match values {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Attrs {
            values,
            named: Vec::new(),
        }
    }

    /// The value, if there is one (it may be null).
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether the attribute is present.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Sets or replaces a value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// All values, as the target of a policy question.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// A text; empty when absent or null.
    pub fn text(&self, name: &str) -> String {
        self.opt_text(name).unwrap_or_default()
    }

    /// A text that may be absent or null.
    pub fn opt_text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A word of a closed set, if present and not null.
    pub fn word<W: Word>(&self, name: &str) -> Result<Option<W>> {
        let Some(text) = self.get(name).and_then(Value::as_str) else {
            return Ok(None);
        };
        let known = || crate::fault::invalid(name, format!("'{text}' is not in {:?}", W::WORDS));
        W::read(text).map(Some).ok_or_else(known)
    }

    /// A word that its attribute requires, or has a default for.
    pub fn the_word<W: Word>(&self, name: &str) -> Result<W> {
        let missing = || crate::fault::invalid(name, format!("one of {:?} is needed", W::WORDS));
        self.word(name)?.ok_or_else(missing)
    }

    /// A flag; `otherwise` when absent.
    pub fn flag(&self, name: &str, otherwise: bool) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(otherwise)
    }

    /// A number, if present and not null.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// A structured value; its default when absent or null.
    pub fn read<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(T::default()),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|error| crate::fault::invalid(name, error.to_string())),
        }
    }

    /// Copies a text into `slot` when present.
    pub fn put_text(&self, name: &str, slot: &mut String) {
        if self.has(name) {
            *slot = self.text(name);
        }
    }

    /// Copies a word into `slot` when present.
    pub fn put_word<W: Word>(&self, name: &str, slot: &mut W) -> Result<()> {
        if let Some(word) = self.word(name)? {
            *slot = word;
        }
        Ok(())
    }

    /// Copies a flag into `slot` when present.
    pub fn put_flag(&self, name: &str, slot: &mut bool) {
        *slot = self.flag(name, *slot);
    }

    /// Copies a value into `slot` as JSON text when present.
    pub fn put_json(&self, name: &str, slot: &mut String) {
        if let Some(value) = self.get(name) {
            *slot = value.to_string();
        }
    }
}

/// Refuses what would be accepted and not done.
///
/// # Errors
/// 400 or 501 for a value that asks for it.
pub fn honour(table: &[Attribute], attrs: &Attrs) -> Result<()> {
    for row in table {
        let Some(value) = attrs.get(row.name) else {
            continue;
        };
        if let Some(why) = row.fate.refusal(value) {
            return Err(match row.fate {
                Fate::NotBuilt { .. } => Fault::NotBuilt(format!("'{}': {why}.", row.name)),
                _ => crate::fault::invalid(row.name, why),
            });
        }
    }
    Ok(())
}

/// Reads one object of a body by the table of its resource.
///
/// # Errors
/// 400 for an unknown, misplaced, missing or unacceptable attribute.
pub fn admit(table: &[Attribute], verb: Verb, body: &Map<String, Value>) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    let owner_known = table.iter().any(|row| row.name == "project_id");
    let known = |name: &str| match name {
        "tenant_id" if owner_known => table.iter().find(|row| row.name == "project_id"),
        name => table.iter().find(|row| row.name == name),
    };
    let unknown: Vec<_> = body.keys().filter(|name| known(name).is_none()).collect();
    if !unknown.is_empty() {
        let mut unknown: Vec<_> = unknown.into_iter().map(String::as_str).collect();
        unknown.sort_unstable();
        return Err(Fault::BadRequest(format!(
            "Unrecognized attribute(s) '{}'",
            unknown.join(", ")
        )));
    }
    for (name, value) in body {
        let Some(row) = known(name) else {
            continue;
        };
        let name = row.name;
        match verb {
            Verb::Post if row.post == Post::Never => {
                return Err(Fault::BadRequest(format!(
                    "Attribute '{name}' not allowed in POST"
                )));
            }
            Verb::Put if !row.put => {
                return Err(Fault::BadRequest(format!(
                    "Cannot update read-only attribute {name}"
                )));
            }
            _ => {}
        }
        let value = (row.parse)(value).map_err(|reason| crate::fault::invalid(name, reason))?;
        if attrs.has(name) && attrs.get(name) != Some(&value) {
            let both = "'project_id' and 'tenant_id' do not match";
            return Err(Fault::BadRequest(both.to_owned()));
        }
        attrs.set(name, value);
        attrs.named.push(name.to_owned());
    }
    if verb == Verb::Post {
        fill_defaults(table, &mut attrs)?;
    }
    Ok(attrs)
}

fn fill_defaults(table: &[Attribute], attrs: &mut Attrs) -> Result<()> {
    for row in table {
        match row.post {
            _ if attrs.has(row.name) => {}
            Post::Required => {
                let name = row.name;
                return Err(Fault::BadRequest(format!(
                    "Failed to parse request. Required attribute '{name}' not specified"
                )));
            }
            Post::Default(text) => {
                let value = serde_json::from_str(text).expect("defaults in the tables are JSON");
                attrs.values.insert(row.name.to_owned(), value);
            }
            Post::Never | Post::Absent => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_tenant_is_a_project_and_defaults_are_filled_in() {
        let attrs = admit(
            tables::NETWORK,
            Verb::Post,
            &body(json!({"tenant_id": "p"})),
        )
        .expect("fine");
        assert_eq!(attrs.text("project_id"), "p");
        assert!(attrs.flag("admin_state_up", false));
        assert_eq!(attrs.named, ["project_id"]);
    }

    #[test]
    fn unknown_and_read_only_attributes_are_refused() {
        let unknown = admit(tables::NETWORK, Verb::Post, &body(json!({"colour": 1})));
        assert!(
            unknown
                .expect_err("refused")
                .to_string()
                .contains("Unrecognized attribute(s) 'colour'")
        );
        let id = "b0d1f6a2-5f0c-4b43-9d9e-0f6a3c2e7d11";
        let read_only = admit(tables::NETWORK, Verb::Put, &body(json!({"id": id})));
        assert!(
            read_only
                .expect_err("refused")
                .to_string()
                .contains("Cannot update read-only attribute id")
        );
    }

    #[test]
    fn every_default_in_the_tables_is_json_that_its_attribute_accepts() {
        for (name, table) in tables::ALL {
            for row in *table {
                if let Post::Default(text) = row.post {
                    let value: Value = serde_json::from_str(text).expect("JSON");
                    let parsed = (row.parse)(&value);
                    assert_eq!(parsed.as_ref(), Ok(&value), "{name}.{}", row.name);
                }
            }
        }
    }
}
