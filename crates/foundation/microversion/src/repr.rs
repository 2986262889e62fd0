//! Values as Python writes them: the validation texts of the original services are full of `repr()`.

use std::fmt::Write;

use serde_json::{Number, Value};

/// Keys whose values are secrets: no text quotes them, since faults are kept in logs and tickets.
pub(crate) const SECRET: &[&str] = &[
    "adminPass",
    "contents",
    "password",
    "private_key",
    "user_data",
];

/// What stands for a secret.
pub(crate) const HIDDEN: &str = "***";

/// `repr(value)` of the Python value that the JSON stands for, without the secrets in it.
pub fn python_repr(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// `str(value)`: as [`python_repr`], but a bare text stays bare.
pub(crate) fn python_str(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| python_repr(value), str::to_owned)
}

/// `repr()` of a text.
pub(crate) fn text_repr(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_text(&mut out, text);
    out
}

/// `'a', 'b'`.
pub(crate) fn joined<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    texts
        .into_iter()
        .map(text_repr)
        .collect::<Vec<_>>()
        .join(", ")
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_text(out, key);
                out.push_str(": ");
                match SECRET.contains(&key.as_str()) {
                    true => write_text(out, HIDDEN),
                    false => write_value(out, item),
                }
            }
            out.push('}');
        }
    }
}

/// Python writes exponents of fractions with a sign and two digits.
fn write_number(out: &mut String, number: &Number) {
    let fraction = number.as_f64().filter(|_| number.is_f64());
    let text = match fraction {
        Some(fraction) => format!("{fraction:?}"),
        None => number.to_string(),
    };
    let Some((digits, power)) = text.split_once('e') else {
        out.push_str(&text);
        return;
    };
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    // Writing to a String cannot fail.
    let _ = write!(out, "{digits}e{sign}{power:0>2}");
}

fn write_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_python_would_print_them() {
        let value = json!({"a": [1, 1.5, null, true], "b": "it's", "c": "a\"b'\n\\\u{1}é"});
        assert_eq!(
            python_repr(&value),
            r#"{'a': [1, 1.5, None, True], 'b': "it's", 'c': 'a"b\'\n\\\x01é'}"#
        );
        assert_eq!(python_str(&json!("x")), "x");
        for (number, text) in [
            (json!(7), "7"),
            (json!(2.0), "2.0"),
            (json!(1e15), "1000000000000000.0"),
            (json!(1e16), "1e+16"),
            (json!(0.0001), "0.0001"),
            (json!(-0.000015), "-1.5e-05"),
            (json!(1e123), "1e+123"),
        ] {
            assert_eq!(python_str(&number), text);
        }
        let body = json!({"name": "n", "adminPass": ["p"]});
        assert_eq!(python_repr(&body), "{'adminPass': '***', 'name': 'n'}");
    }
}
