//! Lists: filters as `name=` and `name__contains=`, pages as `limit` and `marker`.

use serde_json::Value;
use web::Query;

use crate::record::Object;

/// An ending, how it compares, and whether it ignores case.
type Comparator = (&'static str, fn(&str, &str) -> bool, bool);

/// How a filter compares, by the ending of its key.
const COMPARATORS: &[Comparator] = &[
    ("__icontains", |have, want| have.contains(want), true),
    ("__contains", |have, want| have.contains(want), false),
    ("__istartswith", |have, want| have.starts_with(want), true),
    ("__startswith", |have, want| have.starts_with(want), false),
    ("__iendswith", |have, want| have.ends_with(want), true),
    ("__endswith", |have, want| have.ends_with(want), false),
    ("__iexact", |have, want| have == want, true),
];

/// A page of a list.
pub struct Page {
    pub items: Vec<Object>,
    /// Whether more items follow.
    pub truncated: bool,
}

/// Keeps the items that satisfy the filters on the fields `known`; other keys are ignored.
pub fn keep(items: Vec<Object>, query: &Query, known: &[&str]) -> Vec<Object> {
    let mut items = items;
    for (key, want) in &query.0 {
        let ending = COMPARATORS
            .iter()
            .find(|(ending, ..)| key.ends_with(ending));
        let field = ending.map_or(key.as_str(), |(ending, ..)| key.trim_end_matches(ending));
        if !known.contains(&field) {
            continue;
        }
        items.retain(|item| {
            let have = item.get(field).unwrap_or(&Value::Null);
            match ending {
                None => equal(have, want),
                Some((_, compare, false)) => have.as_str().is_some_and(|have| compare(have, want)),
                Some((_, compare, true)) => have
                    .as_str()
                    .is_some_and(|have| compare(&have.to_lowercase(), &want.to_lowercase())),
            }
        });
    }
    items
}

/// A flag is false for `0`, `false`, `no`, `off` and `f`, and true for every other text.
fn equal(have: &Value, want: &str) -> bool {
    match have {
        Value::String(text) => text == want,
        Value::Bool(flag) => *flag == is_true(want),
        Value::Null => {
            want.is_empty()
                || want.eq_ignore_ascii_case("none")
                || want.eq_ignore_ascii_case("null")
        }
        Value::Number(number) => number.to_string() == want,
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// A flag of a query string: absent value (`?effective`) is true.
pub fn is_true(text: &str) -> bool {
    let no = ["0", "false", "no", "off", "f", "n"];
    !no.iter().any(|no| text.eq_ignore_ascii_case(no))
}

/// Whether the flag `key` is set in the query.
pub fn flag(query: &Query, key: &str) -> bool {
    query.last(key).is_some_and(is_true)
}

/// Cuts a page: what follows `marker`, at most `limit`.
pub fn page(items: Vec<Object>, query: &Query) -> Page {
    let after = query.last("marker").and_then(|marker| {
        items
            .iter()
            .position(|item| item.get("id").and_then(Value::as_str) == Some(marker))
    });
    let rest = items.into_iter().skip(after.map_or(0, |at| at + 1));
    let limit = query
        .last("limit")
        .and_then(|limit| limit.parse::<usize>().ok())
        .filter(|limit| *limit > 0);
    match limit {
        None => Page {
            items: rest.collect(),
            truncated: false,
        },
        Some(limit) => {
            let mut items: Vec<Object> = rest.take(limit.saturating_add(1)).collect();
            let truncated = items.len() > limit;
            items.truncate(limit);
            Page { items, truncated }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn items() -> Vec<Object> {
        let all = json!([
            {"id": "1", "name": "Alpha", "enabled": true, "parent": null},
            {"id": "2", "name": "beta", "enabled": false, "parent": "1"},
            {"id": "3", "name": "alphabet", "enabled": true, "parent": "1"},
        ]);
        serde_json::from_value(all).expect("objects")
    }

    fn ids(query: &str) -> Vec<String> {
        let known = ["name", "enabled", "parent"];
        let kept = keep(items(), &Query::parse(query), &known);
        kept.iter()
            .map(|item| item["id"].as_str().expect("id").to_owned())
            .collect()
    }

    #[test]
    fn filters_compare_as_their_ending_says() {
        assert_eq!(ids("name=beta"), ["2"]);
        assert_eq!(ids("name__contains=lph"), ["1", "3"]);
        assert_eq!(ids("name__startswith=alpha"), ["3"]);
        assert_eq!(ids("name__istartswith=ALPHA&enabled=true"), ["1", "3"]);
        assert_eq!(ids("enabled=0"), ["2"]);
        assert_eq!(ids("colour=red"), ["1", "2", "3"]);
    }

    #[test]
    fn a_page_ends_at_the_limit_and_starts_after_the_marker() {
        let first = page(items(), &Query::parse("limit=2"));
        assert!(first.truncated && first.items.len() == 2);
        let second = page(items(), &Query::parse("limit=2&marker=2"));
        assert!(!second.truncated && second.items[0]["id"] == "3");
    }
}
