//! Query strings: every parameter is a list of texts; a request type says which it knows.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Versioned;
use crate::admit::{Mode, Refusal, Source, Walk, read};
use crate::table::Rules;

/// Checks a query string against the table of `Q` and reads it.
///
/// Unknown parameters are dropped before the version that `#[mv(unknown_refused_since = "…")]` on `Q` names, and in
/// relaxed mode; from it on they are refused. A parameter that is given several times counts once, the last one,
/// unless its field is a `Vec`; `max_items = 1` refuses the repetition instead.
pub fn admit_query<Q: Versioned + DeserializeOwned>(
    query: Option<&str>,
    mode: Mode,
) -> Result<Q, Refusal> {
    let given = parse(query.unwrap_or_default());
    let walk = Walk {
        mode,
        source: Source::Query,
    };
    walk.check(&given, Q::SHAPE, &Rules::NONE)
        .map_err(|fault| fault.refusal(Source::Query))?;
    read(walk.convert(given, Q::SHAPE, &Rules::NONE))
}

/// `a=1&a=2&b` as `{"a": ["1", "2"], "b": [""]}`.
fn parse(query: &str) -> Value {
    // Decoding form data into pairs of text cannot fail: broken escapes stay as they are.
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let mut given = Map::new();
    for (name, text) in pairs {
        let texts = given
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(texts) = texts {
            texts.push(Value::String(text));
        }
    }
    Value::Object(given)
}
