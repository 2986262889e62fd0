//! Protocols and their ports.

use serde_json::{Value, json};

use super::{Parsed, number, word};
use crate::words::{Transport, Word};

/// The name of a protocol or its number; null and `any` are any.
pub fn protocol(value: &Value) -> Parsed {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Number(number) => Ok(json!(number.to_string())),
        Value::String(text) if text.is_empty() || text.eq_ignore_ascii_case("any") => {
            Ok(Value::Null)
        }
        Value::String(text) => Ok(json!(text.to_lowercase())),
        _ => Err(format!("'{value}' is not a protocol")),
    }
}

/// A port of TCP or UDP.
pub fn port_number(value: &Value) -> Parsed {
    match number(value)?.as_i64() {
        Some(n) if n < 1 => Err(format!("'{n}' is too small - must be at least '1'")),
        Some(n) if n > 65535 => Err(format!(
            "'{n}' is too large - must be no larger than '65535'"
        )),
        _ => number(value),
    }
}

/// A protocol whose ports a router forwards.
pub fn forwarded_protocol(value: &Value) -> Parsed {
    let lower = value.as_str().map(|text| json!(text.to_lowercase()));
    word(lower.as_ref().unwrap_or(value), Transport::WORDS)
}
