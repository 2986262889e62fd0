//! Lists: what a request says about filters, order, pages and members; and small lists that no table holds, which are
//! filtered, sorted and cut here. Those of a table are in [`crate::db::selection`].

use std::cmp::Ordering;

use serde_json::{Value, json};
use web::Query;

use crate::fault::{Fault, Result};
use crate::filters;
use crate::views::View;

/// Query keys that are no filters.
pub const CONTROL: &[&str] = &[
    "fields",
    "limit",
    "marker",
    "page_reverse",
    "sort_key",
    "sort_dir",
];

/// Filters on tags.
pub const TAGS: &[&str] = &["tags", "tags-any", "not-tags", "not-tags-any"];

/// One page of a list.
pub struct Page {
    pub items: Vec<View>,
    /// Links to the neighbours, when a limit was given.
    pub links: Option<Vec<Value>>,
}

/// Which part of a list is wanted.
pub struct Paging {
    /// Most objects of a page; 0 for all.
    pub size: usize,
    /// The object next to the page.
    pub marker: Option<String>,
    /// The page is before the marker, not behind it.
    pub backwards: bool,
    /// The member of an object by which markers name it.
    pub key: &'static str,
}

impl Paging {
    /// Reads the wish; `most` is the largest page there is, 0 for no limit.
    ///
    /// # Errors
    /// 400 for a limit that is none.
    pub fn read(query: &Query, most: usize) -> Result<Self> {
        let limit = match query.last("limit") {
            Some(text) => match text.parse::<i64>() {
                Ok(limit) if limit >= 0 => limit as usize,
                _ => {
                    return Err(Fault::BadRequest(format!(
                        "Bad limit '{text}': must be a non-negative integer"
                    )));
                }
            },
            None => 0,
        };
        let marker = query.last("marker").filter(|marker| !marker.is_empty());
        Ok(Paging {
            size: match (limit, most) {
                (0, most) => most,
                (limit, 0) => limit,
                (limit, most) => limit.min(most),
            },
            marker: marker.map(str::to_owned),
            backwards: query
                .last("page_reverse")
                .is_some_and(|word| word.eq_ignore_ascii_case("true")),
            key: "id",
        })
    }

    /// The same for objects that markers name by another member.
    pub fn by(self, key: &'static str) -> Self {
        Paging { key, ..self }
    }

    /// A page with its links; `url` is the list's own address.
    pub fn page(&self, items: Vec<View>, query: &Query, url: &str) -> Page {
        let full = items.len() == self.size;
        let links = (self.size > 0).then(|| self.links(&items, full, query, url));
        Page { items, links }
    }

    /// The links of a page. As in Neutron only a page that is not full is known to be the last in its direction; the way
    /// back is always shown.
    fn links(&self, items: &[View], full: bool, query: &Query, url: &str) -> Vec<Value> {
        let base = query.without("page_reverse").without("marker");
        let at = |item: Option<&View>| {
            let key = item
                .and_then(|item| item.get(self.key))
                .and_then(Value::as_str);
            match key {
                Some(key) => base.with("marker", key),
                None => base.clone(),
            }
        };
        let mut links = Vec::new();
        if full || self.backwards {
            let next = at(items.last()).encode();
            links.push(json!({"rel": "next", "href": format!("{url}?{next}")}));
        }
        if full || !self.backwards {
            let previous = at(items.first()).with("page_reverse", "True").encode();
            links.push(json!({"rel": "previous", "href": format!("{url}?{previous}")}));
        }
        links
    }
}

/// The marker is no object of the list.
pub fn no_marker(id: &str) -> Fault {
    Fault::BadRequest(format!("The marker '{id}' could not be found."))
}

/// Nothing is sorted by this.
pub fn no_order(key: &str) -> Fault {
    Fault::BadRequest(format!("{key} is invalid attribute for sort_keys"))
}

/// Refuses query keys that are none of these filters (extension `filter-validation`).
///
/// # Errors
/// 400 that names all of them.
pub fn validate(query: &Query, filters: impl IntoIterator<Item = &'static str>) -> Result<()> {
    let known: Vec<&str> = CONTROL.iter().copied().chain(filters).collect();
    let unknown: Vec<&str> = query
        .0
        .iter()
        .map(|(key, _)| key.as_str())
        .filter(|key| !known.contains(key))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Fault::BadRequest(format!(
        "[{:?}] is invalid attribute for filtering",
        unknown.join("', '")
    )))
}

/// The filters: each name once, with all its values. Names are joined by *and*, values by *or*.
pub fn wishes(query: &Query) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for (key, value) in &query.0 {
        let key = key.as_str();
        if CONTROL.contains(&key) {
            continue;
        }
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => all.push((key, vec![value])),
        }
    }
    all
}

/// What is sorted by, and whether downwards.
///
/// # Errors
/// 400 for directions that are none, or are not as many as the keys.
pub fn order(query: &Query) -> Result<Vec<(&str, bool)>> {
    let keys: Vec<&str> = query.all("sort_key").collect();
    let dirs: Vec<&str> = query.all("sort_dir").collect();
    if keys.len() != dirs.len() && !dirs.is_empty() {
        return Err(Fault::BadRequest(
            "The number of sort_keys and sort_dirs must be same".to_owned(),
        ));
    }
    if let Some(bad) = dirs.iter().find(|dir| !["asc", "desc"].contains(dir)) {
        return Err(Fault::BadRequest(format!(
            "{bad} is invalid value for sort_dirs, value must be asc or desc"
        )));
    }
    let keys = keys.into_iter().enumerate();
    Ok(keys
        .map(|(at, key)| (key, dirs.get(at) == Some(&"desc")))
        .collect())
}

/// Filters, sorts and cuts `items`; `url` is the list's own address for links.
///
/// # Errors
/// 400 for a filter, an order or a place in the list that makes no sense.
pub fn page(mut items: Vec<View>, query: &Query, url: &str, most: usize) -> Result<Page> {
    let wanted = filters::canonical(query)?;
    items.retain(|item| matches(item, &wanted));
    sort(&mut items, query)?;
    let paging = Paging::read(query, most)?;
    let at = match &paging.marker {
        Some(id) => {
            let is_it = |item: &View| item.get("id").and_then(Value::as_str) == Some(id);
            Some(items.iter().position(is_it).ok_or_else(|| no_marker(id))?)
        }
        None => None,
    };
    let (start, end) = window(items.len(), at, paging.size, paging.backwards);
    let items: Vec<View> = items.drain(start..end).collect();
    Ok(paging.page(items, query, url))
}

/// Which part of `count` items a page shows.
fn window(count: usize, marker: Option<usize>, size: usize, backwards: bool) -> (usize, usize) {
    let size = if size == 0 { count } else { size };
    if backwards {
        let end = marker.unwrap_or(count);
        (end.saturating_sub(size), end)
    } else {
        let start = marker.map_or(0, |at| at + 1);
        (start, (start + size).min(count))
    }
}

/// Keeps only the members that `fields` names, if it names any.
pub fn trim(item: View, query: &Query) -> View {
    let fields: Vec<&str> = query
        .all("fields")
        .filter(|field| !field.is_empty())
        .collect();
    if fields.is_empty() {
        return item;
    }
    item.into_iter()
        .filter(|(name, _)| fields.contains(&name.as_str()))
        .collect()
}

fn sort(items: &mut [View], query: &Query) -> Result<()> {
    let keys = order(query)?;
    if let Some(first) = items.first()
        && let Some((bad, _)) = keys.iter().find(|(key, _)| !first.contains_key(*key))
    {
        return Err(no_order(bad));
    }
    items.sort_by(|a, b| {
        for (key, descending) in &keys {
            let order = match descending {
                true => compare(b.get(*key), a.get(*key)),
                false => compare(a.get(*key), b.get(*key)),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        compare(a.get("id"), b.get("id"))
    });
    Ok(())
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (a, b) => spelled(a).cmp(&spelled(b)),
    }
}

fn spelled(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Whether an object passes all filters.
fn matches(item: &View, query: &Query) -> bool {
    wishes(query).into_iter().all(|(key, values)| match key {
        "tags" | "tags-any" | "not-tags" | "not-tags-any" => tags_match(item, key, &values),
        "changed_since" => values.iter().all(|since| changed_since(item, since)),
        _ => match item.get(key) {
            Some(value) => values.iter().any(|wanted| equals(value, wanted)),
            None => true,
        },
    })
}

fn equals(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => match wanted.to_lowercase().as_str() {
            "true" | "1" => *flag,
            "false" | "0" => !*flag,
            _ => false,
        },
        Value::Number(number) => number.to_string() == wanted,
        Value::Null => wanted.is_empty() || wanted.eq_ignore_ascii_case("null") || wanted == "None",
        Value::Array(items) => items.iter().any(|item| equals(item, wanted)),
        Value::Object(map) => match wanted.split_once('=') {
            Some((name, wanted)) => map.get(name).is_some_and(|value| equals(value, wanted)),
            None => map.is_empty() && wanted.is_empty(),
        },
    }
}

fn changed_since(item: &View, since: &str) -> bool {
    let updated = item.get("updated_at").and_then(Value::as_str);
    let moments = (filters::moment(since), updated.and_then(filters::moment));
    matches!(moments, (Some(since), Some(updated)) if updated >= since)
}

fn tags_match(item: &View, key: &str, values: &[&str]) -> bool {
    let has = |tag: &str| match item.get("tags") {
        Some(Value::Array(tags)) => tags.iter().any(|have| have.as_str() == Some(tag)),
        _ => false,
    };
    let mut wanted = values
        .iter()
        .flat_map(|value| value.split(','))
        .filter(|tag| !tag.is_empty());
    match key {
        "tags" => wanted.all(has),
        "tags-any" => wanted.any(has),
        "not-tags" => !wanted.all(has),
        _ => !wanted.any(has),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<View> {
        (0..5)
            .map(|n| json!({"id": format!("{n}"), "name": format!("n{}", n % 2), "tags": ["a"]}))
            .map(|value| value.as_object().cloned().expect("an object"))
            .collect()
    }

    fn ids(page: &Page) -> String {
        page.items
            .iter()
            .filter_map(|item| item["id"].as_str())
            .collect()
    }

    #[test]
    fn pages_link_to_both_neighbours() {
        let second = page(items(), &Query::parse("limit=2&marker=1"), "u", 0).expect("a page");
        assert_eq!(ids(&second), "23");
        let links = second.links.expect("links");
        assert_eq!(links[0]["href"], "u?limit=2&marker=3");
        assert_eq!(links[1]["href"], "u?limit=2&marker=2&page_reverse=True");
        let back = page(
            items(),
            &Query::parse("limit=2&marker=2&page_reverse=True"),
            "u",
            0,
        )
        .expect("a page");
        assert_eq!(ids(&back), "01");
        let rels = |text: &str| {
            let page = page(items(), &Query::parse(text), "u", 0).expect("a page");
            let links = page.links.expect("links");
            let rels = links.iter().filter_map(|link| link["rel"].as_str());
            rels.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(rels("limit=2"), "next previous");
        assert_eq!(rels("limit=2&marker=3"), "previous", "a page with room");
        assert_eq!(rels("limit=5"), "next previous", "a full page at the end");
        assert_eq!(rels("limit=2&marker=4"), "previous", "nothing is left");
        let before_all = "limit=2&marker=1&page_reverse=True";
        assert_eq!(rels(before_all), "next", "a page with room, backwards");
        let past = page(items(), &Query::parse("limit=2&marker=4"), "u", 0).expect("a page");
        let links = past.links.expect("links");
        assert_eq!(links[0]["href"], "u?limit=2&page_reverse=True");
    }

    #[test]
    fn repeated_values_are_alternatives_and_keys_are_joined() {
        let found = page(items(), &Query::parse("id=1&id=2&name=n0"), "u", 0).expect("a page");
        assert_eq!(ids(&found), "2");
        assert!(found.links.is_none());
    }

    #[test]
    fn sorting_goes_key_by_key() {
        let query = Query::parse("sort_key=name&sort_dir=desc&sort_key=id&sort_dir=asc");
        assert_eq!(
            ids(&page(items(), &query, "u", 0).expect("a page")),
            "13024"
        );
        assert!(page(items(), &Query::parse("sort_key=colour"), "u", 0).is_err());
    }

    #[test]
    fn tags_filter_in_four_ways() {
        let count = |text: &str| {
            page(items(), &Query::parse(text), "u", 0)
                .expect("a page")
                .items
                .len()
        };
        assert_eq!(count("tags=a"), 5);
        assert_eq!(count("tags=a,b"), 0);
        assert_eq!(count("tags-any=a,b"), 5);
        assert_eq!(count("not-tags=a,b"), 5);
        assert_eq!(count("not-tags-any=a,b"), 0);
    }
}
