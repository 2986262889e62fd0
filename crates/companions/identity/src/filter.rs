//! Lists: filters as `name=` and `name__contains=`, pages as `limit` and `marker`.

use serde_json::Value;
use web::Query;

use crate::record::Object;

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Equal,
    Contains,
    StartsWith,
    EndsWith,
    IgnoringCase(Ignoring),
}

/// How it compares when the case of letters does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignoring {
    Equal,
    Contains,
    StartsWith,
    EndsWith,
}

/// How a filter compares, by the ending of its key.
const ENDINGS: &[(&str, Compare)] = &[
    ("__icontains", Compare::IgnoringCase(Ignoring::Contains)),
    ("__contains", Compare::Contains),
    ("__istartswith", Compare::IgnoringCase(Ignoring::StartsWith)),
    ("__startswith", Compare::StartsWith),
    ("__iendswith", Compare::IgnoringCase(Ignoring::EndsWith)),
    ("__endswith", Compare::EndsWith),
    ("__iexact", Compare::IgnoringCase(Ignoring::Equal)),
];

/// A page of a list.
pub struct Page {
    pub items: Vec<Object>,
    /// Whether more items follow.
    pub truncated: bool,
}

/// The field of a key, and how it is compared.
pub fn split(key: &str) -> (&str, Compare) {
    let ending = ENDINGS.iter().find_map(|(ending, compare)| {
        let field = key.strip_suffix(ending)?;
        Some((field, *compare))
    });
    ending.unwrap_or((key, Compare::Equal))
}

/// Whether an item satisfies the filters on the fields `known`; other keys are ignored.
pub fn fits(item: &Object, query: &Query, known: &[&str]) -> bool {
    query.0.iter().all(|(key, want)| {
        let (field, compare) = split(key);
        !known.contains(&field) || passes(item.get(field).unwrap_or(&Value::Null), compare, want)
    })
}

fn passes(have: &Value, compare: Compare, want: &str) -> bool {
    let text = |test: fn(&str, &str) -> bool| have.as_str().is_some_and(|have| test(have, want));
    match compare {
        Compare::Equal => equal(have, want),
        Compare::Contains => text(|have, want| have.contains(want)),
        Compare::StartsWith => text(|have, want| have.starts_with(want)),
        Compare::EndsWith => text(|have, want| have.ends_with(want)),
        Compare::IgnoringCase(how) => have.as_str().is_some_and(|have| {
            let (have, want) = (have.to_lowercase(), want.to_lowercase());
            match how {
                Ignoring::Equal => have == want,
                Ignoring::Contains => have.contains(&want),
                Ignoring::StartsWith => have.starts_with(&want),
                Ignoring::EndsWith => have.ends_with(&want),
            }
        }),
    }
}

/// A flag is false for `0`, `false`, `no`, `off` and `f`, and true for every other text.
fn equal(have: &Value, want: &str) -> bool {
    match have {
        Value::String(text) => text == want,
        Value::Bool(flag) => *flag == is_true(want),
        Value::Null => is_nothing(want),
        Value::Number(number) => number.to_string() == want,
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether the text stands for what is not there.
pub fn is_nothing(want: &str) -> bool {
    want.is_empty() || want.eq_ignore_ascii_case("none") || want.eq_ignore_ascii_case("null")
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

/// How long a page may be; none for all.
pub fn limit(query: &Query) -> Option<usize> {
    let limit = query.last("limit")?.parse::<usize>().ok();
    limit.filter(|limit| *limit > 0)
}

/// The page of a list at hand: what satisfies the filters and follows `marker`, at most `limit`.
pub fn page(mut items: Vec<Object>, query: &Query, known: &[&str]) -> Page {
    items.retain(|item| fits(item, query, known));
    let after = query.last("marker").and_then(|marker| {
        items
            .iter()
            .position(|item| item.get("id").and_then(Value::as_str) == Some(marker))
    });
    let rest = items.into_iter().skip(after.map_or(0, |at| at + 1));
    cut(rest.collect(), limit(query))
}

/// The first items, at most `limit`.
pub fn cut(mut items: Vec<Object>, limit: Option<usize>) -> Page {
    let truncated = limit.is_some_and(|limit| items.len() > limit);
    if let Some(limit) = limit {
        items.truncate(limit);
    }
    Page { items, truncated }
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
        let kept = page(items(), &Query::parse(query), &known).items;
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
        let first = page(items(), &Query::parse("limit=2"), &[]);
        assert!(first.truncated && first.items.len() == 2);
        let second = page(items(), &Query::parse("limit=2&marker=2"), &[]);
        assert!(!second.truncated && second.items[0]["id"] == "3");
    }
}
