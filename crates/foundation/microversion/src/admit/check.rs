//! The rules, in the order in which a JSON-schema validator meets them: type, words, format, pattern, bounds, lengths;
//! for objects: the fields, then those missing, then those too many.

use serde_json::{Map, Value};

use super::{Fault, Source, Walk};
use crate::format::{Misfit, compiled};
use crate::repr::{joined, python_repr, text_repr};
use crate::table::{Choice, Object, Rules, Shape, rules_at};

/// How true and false may be written as text, in the order in which a refusal lists them.
pub(super) const TRUE: [&str; 10] = [
    "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
];
pub(super) const FALSE: [&str; 10] = [
    "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no",
];
/// What a number written as text looks like, where the table does not say otherwise.
const DIGITS: &str = "^[0-9]*$";

type Checked = Result<(), Fault>;

impl Walk {
    pub fn check(&self, value: &Value, shape: &'static Shape, rules: &Rules) -> Checked {
        if value.is_null() && rules.nullable && !matches!(shape, Shape::Ruled(..)) {
            return Ok(());
        }
        match shape {
            Shape::Any => Ok(()),
            Shape::Null if value.is_null() => Ok(()),
            Shape::Null => mistyped(value, &["null"], rules),
            Shape::Text => self.text(value, rules),
            Shape::Boolean => self.boolean(value, rules),
            Shape::Integer => self.integer(value, rules),
            Shape::Number => self.number(value, rules),
            Shape::List(item) => self.list(value, item, rules),
            Shape::Map(entry) => self.map(value, entry, rules),
            Shape::Object(object) => self.object(value, object, rules),
            Shape::Choice(choice) => self.choice(value, choice, rules),
            Shape::Either(_) => match self.alternative(value, shape) {
                Some(_) => Ok(()),
                None => fault(value, "is not valid under any of the given schemas"),
            },
            Shape::Ruled(inner, eras) => self.check(
                value,
                inner,
                &rules.over(rules_at(eras, self.mode.version())),
            ),
        }
    }

    /// Which of several shapes a value fits.
    pub(super) fn alternative(
        &self,
        value: &Value,
        shape: &'static Shape,
    ) -> Option<&'static Shape> {
        let Shape::Either(alternatives) = shape else {
            return None;
        };
        let version = self.mode.version();
        let mut there = alternatives
            .iter()
            .filter(|alternative| alternative.range.contains(version));
        there
            .find(|alternative| self.check(value, alternative.shape, &Rules::NONE).is_ok())
            .map(|fit| fit.shape)
    }

    fn text(&self, value: &Value, rules: &Rules) -> Checked {
        match value {
            Value::String(text) => self.characters(value, text, rules),
            Value::Number(_) if rules.decimal => Ok(()),
            Value::Number(number) if rules.lenient && !number.is_f64() => Ok(()),
            _ if rules.decimal => mistyped(value, &["string", "number"], rules),
            _ if rules.lenient => mistyped(value, &["string", "integer"], rules),
            _ => mistyped(value, &["string"], rules),
        }
    }

    fn characters(&self, value: &Value, text: &str, rules: &Rules) -> Checked {
        if !rules.one_of.is_empty() && !rules.one_of.contains(&text) {
            return fault(
                value,
                &format!("is not one of [{}]", joined(rules.one_of.iter().copied())),
            );
        }
        if let Some(format) = rules.format {
            format
                .check(text, self.mode.is_relaxed())
                .or_else(|misfit| misfitting(value, misfit))?;
        }
        if let Some(pattern) = rules.pattern {
            matching(value, text, pattern)?;
        }
        if rules.minimum.is_some() || rules.maximum.is_some() {
            text.trim()
                .parse()
                .map_or(Ok(()), |number| bounded(number, value, rules))?;
        }
        lengths(value, text, rules)
    }

    fn boolean(&self, value: &Value, rules: &Rules) -> Checked {
        match value {
            Value::Bool(_) => Ok(()),
            Value::String(word) if self.lenient(rules) => {
                if TRUE.contains(&word.as_str()) || FALSE.contains(&word.as_str()) {
                    return Ok(());
                }
                let words = format!("[True, {}, False, {}]", joined(TRUE), joined(FALSE));
                fault(value, &format!("is not one of {words}"))
            }
            _ if self.lenient(rules) => mistyped(value, &["boolean", "string"], rules),
            _ => mistyped(value, &["boolean"], rules),
        }
    }

    fn integer(&self, value: &Value, rules: &Rules) -> Checked {
        match value {
            Value::Number(number)
                if number.is_f64() && number.as_f64().is_some_and(|n| n.fract() != 0.0) => {}
            Value::Number(number) => {
                return number
                    .as_i64()
                    .map_or(Ok(()), |number| bounded(number, value, rules));
            }
            Value::String(digits) if self.lenient(rules) => {
                matching(value, digits, rules.pattern.unwrap_or(DIGITS))?;
                digits
                    .parse()
                    .map_or(Ok(()), |number| bounded(number, value, rules))?;
                let rules = Rules {
                    min_length: rules.min_length.or(Some(1)),
                    ..*rules
                };
                return lengths(value, digits, &rules);
            }
            _ => {}
        }
        if self.lenient(rules) {
            return mistyped(value, &["integer", "string"], rules);
        }
        mistyped(value, &["integer"], rules)
    }

    fn number(&self, value: &Value, rules: &Rules) -> Checked {
        match value {
            Value::Number(_) => Ok(()),
            Value::String(text) if self.lenient(rules) => self.characters(value, text, rules),
            _ if self.lenient(rules) => mistyped(value, &["number", "string"], rules),
            _ => mistyped(value, &["number"], rules),
        }
    }

    fn choice(&self, value: &Value, choice: &Choice, rules: &Rules) -> Checked {
        let Value::String(text) = value else {
            return mistyped(value, &["string"], rules);
        };
        let version = self.mode.version();
        let words = choice
            .words
            .iter()
            .filter(|word| word.range.contains(version))
            .map(|word| word.wire);
        if words.clone().any(|word| word == text) {
            return Ok(());
        }
        fault(value, &format!("is not one of [{}]", joined(words)))
    }

    fn list(&self, value: &Value, item: &'static Shape, rules: &Rules) -> Checked {
        let Value::Array(items) = value else {
            return mistyped(value, &["array"], rules);
        };
        for (index, each) in items.iter().enumerate() {
            self.check(each, item, &Rules::NONE)
                .map_err(|fault| fault.within(index))?;
        }
        at_least(value, items.len(), rules.min_items, "is too short")?;
        at_most(value, items.len(), rules.max_items, "is too long")?;
        let repeated = || {
            items
                .iter()
                .enumerate()
                .any(|(index, each)| items[..index].contains(each))
        };
        if rules.unique_items && repeated() {
            return fault(value, "has non-unique elements");
        }
        Ok(())
    }

    fn map(&self, value: &Value, entry: &'static Shape, rules: &Rules) -> Checked {
        let Value::Object(entries) = value else {
            return mistyped(value, &["object"], rules);
        };
        let mut strange = Vec::new();
        for (key, each) in entries {
            if rules
                .key_pattern
                .is_some_and(|pattern| !compiled(pattern).is_match(key))
            {
                strange.push(key.as_str());
                continue;
            }
            self.check(each, entry, &Rules::NONE)
                .map_err(|fault| fault.within(key))?;
        }
        at_least(
            value,
            entries.len(),
            rules.min_properties,
            "does not have enough properties",
        )?;
        at_most(
            value,
            entries.len(),
            rules.max_properties,
            "has too many properties",
        )?;
        match rules.key_pattern {
            Some(pattern) if !strange.is_empty() && !self.mode.is_relaxed() => {
                unmatched(value, &strange, pattern)
            }
            // The legacy face lets a map pass that holds nothing but strange keys, as Nova's does.
            Some(_) if !strange.is_empty() && strange.len() < entries.len() => {
                too_many(value, &strange)
            }
            _ => Ok(()),
        }
    }

    fn object(&self, value: &Value, object: &Object, rules: &Rules) -> Checked {
        let Value::Object(entries) = value else {
            return mistyped(value, &["object"], rules);
        };
        let version = self.mode.version();
        let fields = || {
            object
                .fields
                .iter()
                .filter(|field| field.range.contains(version))
        };
        for field in fields() {
            if let Some(each) = entries.get(field.wire) {
                let rules = rules_at(field.rules, version);
                self.field(each, field.shape, rules)
                    .map_err(|fault| fault.within(field.wire))?;
            }
        }
        at_least(
            value,
            entries.len(),
            rules.min_properties,
            "does not have enough properties",
        )?;
        at_most(
            value,
            entries.len(),
            rules.max_properties,
            "has too many properties",
        )?;
        let mut missing = fields().filter(|field| version.at_least(field.required_since));
        if let Some(field) = missing.find(|field| !entries.contains_key(field.wire)) {
            return Err(Fault::new(
                value,
                format!("{} is a required property", text_repr(field.wire)),
            ));
        }
        if object.open || self.mode.is_relaxed() || !self.refuses_unknown(object) {
            return Ok(());
        }
        let extra = unknown(object, entries, version);
        match object.key_pattern {
            _ if extra.is_empty() => Ok(()),
            Some(pattern) => unmatched(value, &extra, pattern),
            None => too_many(value, &extra),
        }
    }

    /// A query parameter is a list of texts, whatever its type: the rules are those of each text.
    fn field(&self, value: &Value, shape: &'static Shape, rules: &Rules) -> Checked {
        let Value::Array(texts) = value else {
            return self.check(value, shape, rules);
        };
        if self.source == Source::Body {
            return self.check(value, shape, rules);
        }
        let shape = match shape {
            Shape::List(item) => item,
            shape => shape,
        };
        for (index, text) in texts.iter().enumerate() {
            self.check(text, shape, rules)
                .map_err(|fault| fault.within(index))?;
        }
        at_most(value, texts.len(), rules.max_items, "is too long")
    }

    fn refuses_unknown(&self, object: &Object) -> bool {
        self.source == Source::Body || self.mode.version().at_least(object.unknown_refused_since)
    }
}

/// The keys that are no field at this version.
pub(super) fn unknown<'e>(
    object: &Object,
    entries: &'e Map<String, Value>,
    version: crate::Version,
) -> Vec<&'e str> {
    let known = |key: &str| {
        object
            .fields
            .iter()
            .any(|field| field.wire == key && field.range.contains(version))
    };
    entries
        .keys()
        .map(String::as_str)
        .filter(|key| !known(key))
        .collect()
}

fn fault(value: &Value, what: &str) -> Checked {
    Err(Fault::new(value, format!("{} {what}", python_repr(value))))
}

fn mistyped(value: &Value, types: &[&str], rules: &Rules) -> Checked {
    let null = rules.nullable.then_some("null");
    fault(
        value,
        &format!(
            "is not of type {}",
            joined(types.iter().copied().chain(null))
        ),
    )
}

fn misfitting(value: &Value, misfit: Misfit) -> Checked {
    match misfit {
        Misfit::NotA(format) => fault(value, &format!("is not a '{format}'")),
        Misfit::NotAnyOf => fault(value, "is not valid under any of the given schemas"),
        Misfit::NoMatch(pattern) => fault(value, &format!("does not match '{pattern}'")),
        Misfit::Name(reason) => {
            let text = format!("An invalid 'name' value was provided. The name must be: {reason}");
            Err(Fault::bare(text))
        }
    }
}

fn matching(value: &Value, text: &str, pattern: &'static str) -> Checked {
    if compiled(pattern).is_match(text) {
        return Ok(());
    }
    fault(value, &format!("does not match {}", text_repr(pattern)))
}

fn bounded(number: i64, value: &Value, rules: &Rules) -> Checked {
    if let Some(minimum) = rules.minimum.filter(|minimum| number < *minimum) {
        return Err(Fault::new(
            value,
            format!("{number} is less than the minimum of {minimum}"),
        ));
    }
    if let Some(maximum) = rules.maximum.filter(|maximum| number > *maximum) {
        return Err(Fault::new(
            value,
            format!("{number} is greater than the maximum of {maximum}"),
        ));
    }
    Ok(())
}

fn lengths(value: &Value, text: &str, rules: &Rules) -> Checked {
    if rules.min_length.is_none() && rules.max_length.is_none() {
        return Ok(());
    }
    let length = text.chars().count();
    at_least(value, length, rules.min_length, "is too short")?;
    at_most(value, length, rules.max_length, "is too long")
}

fn at_least(value: &Value, size: usize, least: Option<usize>, what: &str) -> Checked {
    match least {
        Some(least) if size < least => fault(
            value,
            if least == 1 {
                "should be non-empty"
            } else {
                what
            },
        ),
        _ => Ok(()),
    }
}

fn at_most(value: &Value, size: usize, most: Option<usize>, what: &str) -> Checked {
    match most {
        Some(most) if size > most => fault(
            value,
            if most == 0 {
                "is expected to be empty"
            } else {
                what
            },
        ),
        _ => Ok(()),
    }
}

fn too_many(value: &Value, keys: &[&str]) -> Checked {
    let verb = if keys.len() == 1 { "was" } else { "were" };
    let keys = joined(keys.iter().copied());
    Err(Fault::new(
        value,
        format!("Additional properties are not allowed ({keys} {verb} unexpected)"),
    ))
}

fn unmatched(value: &Value, keys: &[&str], pattern: &str) -> Checked {
    let verb = if keys.len() == 1 { "does" } else { "do" };
    let keys = joined(keys.iter().copied());
    let text = format!(
        "{keys} {verb} not match any of the regexes: {}",
        text_repr(pattern)
    );
    Err(Fault::new(value, text))
}
