//! Text that every database keeps: PostgreSQL keeps none with a NUL in it, and nothing that users name
//! has one.
//!
//! JSON hides a NUL as `\u0000`, paths and queries as `%00`. Whoever reads one of them asks here, and
//! answers 400 with the name of the field.

use http::Uri;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::Query;

/// Where a NUL was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid input for field/attribute {field}. Text must not contain the character NUL (U+0000)."
)]
pub struct Nul {
    /// Keys of a document with dots between them, the key of a query, or `path`.
    pub field: String,
}

/// Refuses a document with a NUL in any of its texts or keys.
///
/// # Errors
/// [`Nul`] with the first field that has one.
pub fn no_nul(document: &Value) -> Result<(), Nul> {
    let mut path = Vec::new();
    match find(document, &mut path) {
        false => Ok(()),
        true => Err(Nul {
            field: path.join("."),
        }),
    }
}

/// Leaves the way to the first NUL in `path`.
fn find<'a>(value: &'a Value, path: &mut Vec<std::borrow::Cow<'a, str>>) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().enumerate().any(|(number, item)| {
            path.push(number.to_string().into());
            let found = find(item, path);
            if !found {
                path.pop();
            }
            found
        }),
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            // A key with a NUL is shown as JSON shows it: the answer must be text, too.
            path.push(match key.contains('\0') {
                true => key.replace('\0', "\\u0000").into(),
                false => key.as_str().into(),
            });
            let found = key.contains('\0') || find(value, path);
            if !found {
                path.pop();
            }
            found
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Refuses an address with a NUL in its path or its query.
///
/// # Errors
/// [`Nul`] with the key of the query, or `path`.
pub fn no_nul_in_uri(uri: &Uri) -> Result<(), Nul> {
    if percent_decode_str(uri.path()).any(|byte| byte == 0) {
        return Err(Nul {
            field: "path".to_owned(),
        });
    }
    let Some(query) = uri.query().filter(|query| query.contains("%00")) else {
        return Ok(());
    };
    for (key, value) in Query::parse(query).0 {
        if key.contains('\0') || value.contains('\0') {
            return Err(Nul {
                field: key.replace('\0', "%00"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(document: Value) -> Option<String> {
        no_nul(&document).err().map(|nul| nul.field)
    }

    #[test]
    fn the_field_is_named() {
        assert_eq!(
            field(json!({"server": {"name": "a", "tags": ["b", "c\u{0}"]}})).as_deref(),
            Some("server.tags.1")
        );
        assert_eq!(
            field(json!({"metadata": {"k\u{0}": 1}})).as_deref(),
            Some("metadata.k\\u0000")
        );
        assert_eq!(field(json!({"a": [1, null, true, "\\u0000"]})), None);
    }

    #[test]
    fn an_address_may_hide_one() {
        let of = |text: &'static str| {
            let found = no_nul_in_uri(&Uri::from_static(text));
            found.err().map(|nul| nul.field)
        };
        assert_eq!(of("/v2/images/a%00b").as_deref(), Some("path"));
        assert_eq!(of("/servers?x=1&name=a%00").as_deref(), Some("name"));
        assert_eq!(of("/servers?name=%2500"), None);
    }
}
