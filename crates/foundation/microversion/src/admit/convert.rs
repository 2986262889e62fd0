//! From what was sent to what serde reads. Only ever sees values that passed the check.

use serde_json::{Map, Value};

use super::check::TRUE;
use super::{Source, Walk};
use crate::repr::python_str;
use crate::table::{Object, Rules, Shape, peel, rules_at};

impl Walk {
    pub fn convert(&self, value: Value, shape: &'static Shape, rules: &Rules) -> Value {
        match (shape, value) {
            (Shape::Ruled(inner, eras), value) => self.convert(
                value,
                inner,
                &rules.over(rules_at(eras, self.mode.version())),
            ),
            (Shape::Text, value @ Value::Number(_)) => Value::String(python_str(&value)),
            (Shape::Boolean, Value::String(word)) => Value::Bool(TRUE.contains(&word.as_str())),
            (Shape::Integer, Value::String(digits)) => match digits.parse::<i64>() {
                Ok(number) => Value::from(number),
                // Too large for any type: serde says so.
                Err(_) => Value::String(digits),
            },
            (Shape::Integer, Value::Number(number)) if number.is_f64() => whole(&number),
            (Shape::Number, Value::String(text)) => match text.parse::<f64>() {
                Ok(number) => Value::from(number),
                Err(_) => Value::String(text),
            },
            (Shape::List(item), Value::Array(items)) => items
                .into_iter()
                .map(|each| self.convert(each, item, &Rules::NONE))
                .collect(),
            (Shape::Map(entry), Value::Object(entries)) => {
                let converted = entries
                    .into_iter()
                    .map(|(key, each)| (key, self.convert(each, entry, &Rules::NONE)));
                Value::Object(converted.collect())
            }
            (Shape::Object(object), Value::Object(entries)) => self.fields(object, entries),
            (Shape::Either(_), value) => match self.alternative(&value, shape) {
                Some(fit) => self.convert(value, fit, &Rules::NONE),
                None => value,
            },
            (_, value) => value,
        }
    }

    fn fields(&self, object: &Object, mut sent: Map<String, Value>) -> Value {
        let version = self.mode.version();
        let mut read = Map::new();
        if let Some(whole) = object.whole {
            read.insert(whole.to_owned(), Value::Object(sent.clone()));
        }
        for field in object
            .fields
            .iter()
            .filter(|field| field.range.contains(version))
        {
            if let Some(value) = sent.remove(field.wire) {
                let value = self.single(value, field.shape);
                read.insert(
                    field.key.to_owned(),
                    self.convert(value, field.shape, rules_at(field.rules, version)),
                );
            }
        }
        Value::Object(read)
    }

    /// Of a query parameter that is given several times, the last counts, unless its type is a list.
    fn single(&self, value: Value, shape: &'static Shape) -> Value {
        match value {
            Value::Array(mut texts)
                if self.source == Source::Query && !matches!(peel(shape), Shape::List(_)) =>
            {
                texts.pop().unwrap_or(Value::Null)
            }
            value => value,
        }
    }
}

/// `2.0` is an integer to a JSON-schema validator.
fn whole(number: &serde_json::Number) -> Value {
    let text = number
        .as_f64()
        .map(|number| format!("{number:.0}"))
        .unwrap_or_default();
    text.parse::<i64>()
        .map_or_else(|_| Value::Number(number.clone()), Value::from)
}
