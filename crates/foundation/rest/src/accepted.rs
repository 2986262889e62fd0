//! What becomes of the attributes that bodies name: nothing is accepted and ignored. Each service states it in its own
//! tables of attributes, and enforces it by them; documents and tests go over the tables of all.

use serde_json::Value;

/// What becomes of an attribute, or of a parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Honoured,
    /// Honoured so far; the text also says what other values get.
    Within(&'static str),
    /// The service sets it; a body may not.
    Shown,
    /// Kept and shown, and may be ignored: why that breaks no promise.
    Hint(&'static str),
    /// 400 for other values than these, written as JSON, which describe what is done: why.
    Refused {
        unless: &'static [&'static str],
        why: &'static str,
    },
    /// 501 for other values than these: what is not built.
    NotBuilt {
        unless: &'static [&'static str],
        why: &'static str,
    },
}

impl Fate {
    /// Why this value is not taken.
    pub fn refusal(&self, value: &Value) -> Option<&'static str> {
        let (Fate::Refused { unless, why } | Fate::NotBuilt { unless, why }) = self else {
            return None;
        };
        let is_taken =
            |text: &&str| serde_json::from_str::<Value>(text).is_ok_and(|taken| taken == *value);
        (!unless.iter().any(is_taken)).then_some(*why)
    }
}

/// The attributes of a resource, for documents and for tests over all of them.
#[derive(Debug)]
pub struct Accepts {
    pub resource: &'static str,
    /// By name; a part of an attribute is `attribute.part`.
    pub attributes: Vec<(&'static str, Fate)>,
    /// What happens to other names.
    pub unknown: &'static str,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_values_that_describe_what_is_done_are_taken() {
        let unless = &["false", "null", "\"\"", "{\"a\": 1}"];
        for fate in [
            Fate::Refused { unless, why: "why" },
            Fate::NotBuilt { unless, why: "why" },
        ] {
            for taken in [json!(false), json!(null), json!(""), json!({"a": 1})] {
                assert_eq!(fate.refusal(&taken), None, "{taken}");
            }
            for refused in [json!(true), json!("false"), json!(0), json!([])] {
                assert_eq!(fate.refusal(&refused), Some("why"), "{refused}");
            }
        }
        for fate in [
            Fate::Honoured,
            Fate::Shown,
            Fate::Hint("h"),
            Fate::Within("w"),
        ] {
            assert_eq!(fate.refusal(&json!(true)), None);
        }
    }
}
