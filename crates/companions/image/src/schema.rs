//! Reads request bodies by the JSON schemas that the service publishes. Of the language it knows what those schemas
//! use; formats are hints for clients, as in Glance.

use serde_json::{Map, Value};

use crate::fault::Fault;

/// Where and why a value is not what its schema says.
#[derive(Debug, PartialEq, Eq)]
struct Mismatch {
    /// The keys and places that lead to it, from outside.
    path: Vec<String>,
    why: String,
}

/// Refuses a document that is no object or does not match the schema, in Glance's words.
pub fn check(schema: &Value, document: &Value) -> Result<(), Fault> {
    let object = kind(&serde_json::json!({"type": "object"}), document);
    let matched = object.and_then(|()| matches(schema, schema, document));
    matched.map_err(|mismatch| {
        let name = schema["name"].as_str().unwrap_or_default();
        let place = match mismatch.path.is_empty() {
            true => String::new(),
            false => format!(" (at '{}')", mismatch.path.join(".")),
        };
        Fault::BadRequest(format!(
            "Provided object does not match schema '{name}': {}{place}",
            mismatch.why
        ))
    })
}

/// `root` holds the definitions that `schema` may refer to.
fn matches(root: &Value, schema: &Value, value: &Value) -> Result<(), Mismatch> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/definitions/");
        return matches(root, &root["definitions"][name], value);
    }
    for part in list(schema, "allOf") {
        matches(root, part, value)?;
    }
    kind(schema, value)?;
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words = Value::from(words.clone());
        return Err(wrong(format!("{value} is not one of {words}")));
    }
    match value {
        Value::String(text) => length(schema, value, text),
        Value::Number(number) => match schema["minimum"].as_f64() {
            Some(least) if number.as_f64().is_some_and(|number| number < least) => Err(wrong(
                format!("{value} is less than the minimum of {least}"),
            )),
            _ => Ok(()),
        },
        Value::Array(items) => array(root, schema, value, items),
        Value::Object(fields) => object(root, schema, fields),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

fn kind(schema: &Value, value: &Value) -> Result<(), Mismatch> {
    let Some(kind) = schema["type"].as_str() else {
        return Ok(());
    };
    let fits = match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match fits {
        true => Ok(()),
        false => Err(wrong(format!("{value} is not of type '{kind}'"))),
    }
}

fn length(schema: &Value, value: &Value, text: &str) -> Result<(), Mismatch> {
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    let least = schema["minLength"].as_u64().unwrap_or(0);
    match u64::try_from(text.chars().count()).unwrap_or(u64::MAX) {
        count if count > most => Err(wrong(format!("{value} is too long"))),
        count if count < least => Err(wrong(format!("{value} is too short"))),
        _ => Ok(()),
    }
}

fn array(root: &Value, schema: &Value, value: &Value, items: &[Value]) -> Result<(), Mismatch> {
    let least = schema["minItems"].as_u64().unwrap_or(0);
    if u64::try_from(items.len()).unwrap_or(u64::MAX) < least {
        return Err(wrong(format!("{value} is too short")));
    }
    let twice = |(at, item)| items[..at].contains(item);
    if schema["uniqueItems"] == true && items.iter().enumerate().any(twice) {
        return Err(wrong(format!("{value} has non-unique elements")));
    }
    for (at, item) in items.iter().enumerate() {
        matches(root, &schema["items"], item).map_err(|inner| below(&at.to_string(), inner))?;
    }
    Ok(())
}

fn object(root: &Value, schema: &Value, fields: &Map<String, Value>) -> Result<(), Mismatch> {
    for name in list(schema, "required") {
        let name = name.as_str().unwrap_or_default();
        if !fields.contains_key(name) {
            return Err(wrong(format!("'{name}' is a required property")));
        }
    }
    for (name, field) in fields {
        let known = schema["properties"].get(name);
        let others = schema.get("additionalProperties");
        let schema = match (known, others) {
            (Some(known), _) => known,
            (None, Some(Value::Bool(false))) => {
                return Err(wrong(format!(
                    "Additional properties are not allowed ('{name}' was unexpected)"
                )));
            }
            (None, Some(others)) => others,
            (None, None) => continue,
        };
        matches(root, schema, field).map_err(|inner| below(name, inner))?;
    }
    Ok(())
}

fn list<'a>(schema: &'a Value, key: &str) -> &'a [Value] {
    schema[key].as_array().map_or(&[], Vec::as_slice)
}

fn wrong(why: String) -> Mismatch {
    Mismatch {
        path: Vec::new(),
        why,
    }
}

fn below(name: &str, mut inner: Mismatch) -> Mismatch {
    inner.path.insert(0, name.to_owned());
    inner
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_match_is_said_with_its_place() {
        let schema = json!({
            "name": "thing",
            "definitions": {"count": {"type": "integer", "minimum": 0}},
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 3},
                "kind": {"enum": ["a", null]},
                "count": {"allOf": [{"$ref": "#/definitions/count"}, {"default": 0}]},
                "list": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string"}},
                "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
            },
        });
        let good =
            json!({"name": "é€x", "kind": null, "count": 1.0, "list": ["a"], "map": {"x": true}});
        check(&schema, &good).expect("matches");
        for (body, why) in [
            (json!([]), "[] is not of type 'object'"),
            (json!({}), "'name' is a required property"),
            (json!({"name": 1}), "1 is not of type 'string' (at 'name')"),
            (json!({"name": ""}), "\"\" is too short (at 'name')"),
            (json!({"name": "abcd"}), "\"abcd\" is too long (at 'name')"),
            (
                json!({"name": "a", "kind": "b"}),
                "\"b\" is not one of [\"a\",null] (at 'kind')",
            ),
            (
                json!({"name": "a", "count": 1.5}),
                "1.5 is not of type 'integer' (at 'count')",
            ),
            (
                json!({"name": "a", "count": -1}),
                "-1 is less than the minimum of 0 (at 'count')",
            ),
            (
                json!({"name": "a", "list": []}),
                "[] is too short (at 'list')",
            ),
            (
                json!({"name": "a", "list": ["a", "a"]}),
                "[\"a\",\"a\"] has non-unique elements (at 'list')",
            ),
            (
                json!({"name": "a", "list": ["a", 2]}),
                "2 is not of type 'string' (at 'list.1')",
            ),
            (
                json!({"name": "a", "map": {"x": 1}}),
                "1 is not of type 'boolean' (at 'map.x')",
            ),
            (
                json!({"name": "a", "z": 1}),
                "Additional properties are not allowed ('z' was unexpected)",
            ),
        ] {
            let refused = check(&schema, &body)
                .expect_err("does not match")
                .to_string();
            assert_eq!(
                refused,
                format!("Provided object does not match schema 'thing': {why}")
            );
        }
    }
}
