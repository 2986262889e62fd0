//! `JsonFilter`: an expression over the host's fields, as the hint `query` of a user.
//!
//! `["and", [">=", "$free_ram_mb", 1024], ["=", "$hypervisor_type", "QEMU"]]`. Where Nova fails the
//! request for an expression that makes no sense, no host passes.

use serde_json::Value;

use super::Question;
use super::capabilities::document;
use crate::Host;

/// The expression of a question's hint; `null` for one that does not read.
pub fn parse(hint: &Value) -> Option<Value> {
    match hint {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(serde_json::from_str(text).unwrap_or_default()),
        other => Some(other.clone()),
    }
}

/// Whether the expression holds here.
pub fn holds(host: &Host, question: &Question) -> Result<(), String> {
    let Some(query) = &question.query else {
        return Ok(());
    };
    match evaluate(query, &document(host, question)) {
        None => Err("the hint query is no expression".to_owned()),
        Some(value) if is_true(&value) => Ok(()),
        Some(_) => Err("the hint query says no".to_owned()),
    }
}

fn evaluate(query: &Value, facts: &Value) -> Option<Value> {
    let query = query.as_array()?;
    let Some((operator, rest)) = query.split_first() else {
        return Some(Value::Bool(true));
    };
    let operator = operator.as_str()?;
    let mut terms = Vec::with_capacity(rest.len());
    for term in rest {
        let term = match term {
            Value::Array(_) => evaluate(term, facts)?,
            Value::String(text) if text.starts_with('$') => field(facts, &text[1..]),
            other => other.clone(),
        };
        // What is unknown is left out, as Nova does.
        if !term.is_null() && term != "" {
            terms.push(term);
        }
    }
    let first_to_all = |holds: fn(&Value, &Value) -> bool| match terms.split_first() {
        Some((first, rest)) if !rest.is_empty() => rest.iter().all(|term| holds(first, term)),
        _ => false,
    };
    Some(Value::Bool(match operator {
        "=" => first_to_all(equal),
        "<" => first_to_all(less),
        ">" => first_to_all(|a, b| less(b, a)),
        "<=" => first_to_all(|a, b| less(a, b) || equal(a, b)),
        ">=" => first_to_all(|a, b| less(b, a) || equal(a, b)),
        "in" => terms
            .split_first()
            .is_some_and(|(first, rest)| rest.iter().any(|term| equal(first, term))),
        // Of several terms, one that is false is enough.
        "not" => terms.iter().any(|term| !is_true(term)),
        "or" => terms.iter().any(is_true),
        "and" => terms.iter().all(is_true),
        _ => return None,
    }))
}

fn field(facts: &Value, path: &str) -> Value {
    let found = path
        .split('.')
        .try_fold(facts, |value, part| value.get(part));
    found.cloned().unwrap_or_default()
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a < b,
        _ => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a < b),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_true),
        Value::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_is_about_the_fields_of_the_host() {
        let facts =
            json!({"free_ram_mb": 2048, "hypervisor_type": "QEMU", "cpu_info": {"arch": "x86_64"}});
        for (query, value) in [
            (json!([]), Some(true)),
            (json!([">=", "$free_ram_mb", 1024]), Some(true)),
            (json!(["<", "$free_ram_mb", 1024]), Some(false)),
            (json!(["=", "$cpu_info.arch", "x86_64"]), Some(true)),
            (json!(["=", "$nothing", "x86_64"]), Some(false)),
            (
                json!(["in", "$hypervisor_type", "VMware", "QEMU"]),
                Some(true),
            ),
            (
                json!(["not", ["=", "$hypervisor_type", "QEMU"]]),
                Some(false),
            ),
            (
                json!([
                    "and",
                    [">", "$free_ram_mb", 1],
                    ["<=", "$free_ram_mb", 2048]
                ]),
                Some(true),
            ),
            (json!(["or", ["=", 1, 2], ["=", 1, 1.0]]), Some(true)),
            (json!(["xor", true]), None),
            (json!({"a": 1}), None),
        ] {
            let found = evaluate(&query, &facts);
            assert_eq!(found.map(|value| is_true(&value)), value, "{query}");
        }
        assert_eq!(parse(&json!("[\"and\"")), Some(Value::Null));
        assert_eq!(parse(&json!("")), None);
    }
}
