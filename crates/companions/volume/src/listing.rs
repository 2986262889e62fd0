//! What a list is asked for, read from the query string: filters, order, place.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use microversion::{Version, parse_time};
use serde_json::Value;
use web::Query;

use crate::fault::Fault;
use crate::fields::{Field, Kind, Noun};
use crate::policy::version;

/// From here on filters that members may not use are refused; before, they are dropped.
pub const REFUSED: Version = version(31);
/// From here on `name~=part` finds parts.
const LIKE: Version = version(34);
/// From here on `with_count` counts.
pub const COUNT: Version = version(45);
/// From here on flags must be flags.
const STRICT_FLAGS: Version = version(2);

/// A list request, understood.
#[derive(Debug, Clone)]
pub struct Listing {
    pub filters: Vec<Filter>,
    /// What to sort by, with descending or not.
    pub order: Vec<(&'static Field, bool)>,
    /// Keys that the list itself reads.
    pub also: BTreeMap<String, String>,
    pub marker: Option<String>,
    pub limit: u64,
    pub offset: u64,
    pub with_count: bool,
    /// Whether those of all projects are asked for.
    pub all_tenants: bool,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    Equal(&'static str, Comparand),
    /// The column contains this.
    Like(&'static str, String),
    Time(&'static str, Operator, DateTime<Utc>),
    Has(crate::tables::Owner, String, String),
    /// Nothing can match.
    Nothing,
}

/// What a column is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparand {
    Text(String),
    Flag(bool),
    Number(i64),
}

/// How moments are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Gt,
    Gte,
    Eq,
    Neq,
    Lt,
    Lte,
}

const OPERATORS: [(&str, Operator); 6] = [
    ("gt", Operator::Gt),
    ("gte", Operator::Gte),
    ("eq", Operator::Eq),
    ("neq", Operator::Neq),
    ("lt", Operator::Lt),
    ("lte", Operator::Lte),
];

/// Who asks, as far as lists are concerned.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    pub admin: bool,
    pub version: Version,
    pub max_page: u64,
}

/// What every list reads.
pub const PAGING: [&str; 6] = ["limit", "marker", "offset", "sort", "sort_key", "sort_dir"];

/// Reads a query string.
///
/// # Errors
/// 400, as Cinder words it.
pub fn read(query: &Query, noun: &'static Noun, asker: Asker) -> Result<Listing, Fault> {
    let counts = noun.counted && asker.version.at_least(COUNT);
    let mut listing = Listing {
        filters: Vec::new(),
        order: order(query, noun)?,
        also: BTreeMap::new(),
        marker: query.last("marker").map(str::to_owned),
        limit: limit(query, asker.max_page)?,
        offset: offset(query)?,
        with_count: counts && query.last("with_count").is_some_and(truthy),
        all_tenants: asker.admin && query.last("all_tenants").is_some_and(truthy),
    };
    let mut refused = Vec::new();
    for (key, text) in &query.0 {
        let counting = counts && key == "with_count";
        if PAGING.contains(&key.as_str()) || counting || key == "all_tenants" {
            continue;
        }
        listing.add(noun, asker, (key, text), &mut refused)?;
    }
    if !refused.is_empty() {
        return Err(Fault::BadRequest(format!(
            "Invalid filters {} are found in query options.",
            refused.join(",")
        )));
    }
    Ok(listing)
}

impl Listing {
    fn add(
        &mut self,
        noun: &'static Noun,
        asker: Asker,
        (key, text): (&String, &String),
        refused: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let (name, like) = match key.strip_suffix('~') {
            Some(name) if asker.version.at_least(LIKE) => (name, true),
            _ => (key.as_str(), false),
        };
        let field = noun.fields.iter().find(|field| field.name == name);
        let published = field.and_then(|field| field.members);
        // A filter that came later is dropped, whoever asks.
        if published.is_some_and(|minor| !asker.version.at_least(version(minor))) {
            return Ok(());
        }
        let also = noun.also.contains(&name);
        if !asker.admin && published.is_none() && !also {
            if asker.version.at_least(REFUSED) {
                refused.push(key.clone());
            }
            return Ok(());
        }
        if also {
            self.also.insert(name.to_owned(), text.clone());
            return Ok(());
        }
        let filters = match field {
            Some(field) => filter(field, like, text, asker.version)?,
            None => vec![Filter::Nothing],
        };
        self.filters.extend(filters);
        Ok(())
    }
}

fn filter(
    field: &'static Field,
    like: bool,
    text: &str,
    spoken: Version,
) -> Result<Vec<Filter>, Fault> {
    let column = field.column;
    let equal = |value| vec![Filter::Equal(column, value)];
    Ok(match field.kind {
        Kind::Text if like => vec![Filter::Like(column, text.to_owned())],
        Kind::Text => equal(Comparand::Text(text.to_owned())),
        Kind::Number => match text.parse() {
            Ok(number) => equal(Comparand::Number(number)),
            Err(_) => vec![Filter::Nothing],
        },
        Kind::Flag => equal(Comparand::Flag(flag(field.name, text, spoken)?)),
        Kind::Time => times(field.name, column, text)?,
        Kind::Properties(owner) => match dictionary(text) {
            Some(entries) => entries
                .into_iter()
                .map(|(name, value)| Filter::Has(owner, name, value))
                .collect(),
            None => vec![Filter::Nothing],
        },
    })
}

fn flag(name: &str, text: &str, spoken: Version) -> Result<bool, Fault> {
    if !spoken.at_least(STRICT_FLAGS) {
        return Ok(!matches!(text, "False" | "false" | "FALSE" | ""));
    }
    match text.trim().to_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(Fault::InvalidInput(format!("'{name} = {text}'"))),
    }
}

/// Whether a flag of a query is set.
pub fn truthy(text: &str) -> bool {
    matches!(
        text.trim().to_lowercase().as_str(),
        "1" | "t" | "true" | "on" | "y" | "yes"
    )
}

fn times(name: &str, column: &'static str, text: &str) -> Result<Vec<Filter>, Fault> {
    let one = |part: &str| {
        let (operator, moment) = part.split_once(':').unwrap_or((part, ""));
        let found = OPERATORS.iter().find(|(word, _)| *word == operator);
        let (_, operator) =
            found.ok_or_else(|| Fault::BadRequest(format!("Invalid {operator} operator")))?;
        let at = parse_time(moment)
            .ok_or_else(|| Fault::BadRequest(format!("Invalid {moment} value")))?;
        Ok(Filter::Time(column, *operator, at))
    };
    let all: Result<Vec<_>, _> = text.split(',').map(one).collect();
    if all.as_ref().is_ok_and(Vec::is_empty) {
        return Err(Fault::BadRequest(format!("Invalid {name} value")));
    }
    all
}

/// A dictionary as JSON, or as Python prints one.
pub fn dictionary(text: &str) -> Option<Vec<(String, String)>> {
    let read = |text: &str| serde_json::from_str::<BTreeMap<String, Value>>(text).ok();
    let found = read(text).or_else(|| {
        let plain = text.replace("u'", "'");
        (!plain.contains('"')).then(|| read(&plain.replace('\'', "\"")))?
    })?;
    let word = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(if flag { "True" } else { "False" }.to_owned()),
        _ => None,
    };
    found
        .into_iter()
        .map(|(name, value)| Some((name, word(value)?)))
        .collect()
}

/// How many a page holds.
pub fn limit(query: &Query, max_page: u64) -> Result<u64, Fault> {
    let Some(text) = query.last("limit") else {
        return Ok(max_page);
    };
    let limit: i64 = text
        .parse()
        .map_err(|_| Fault::BadRequest("limit param must be an integer".to_owned()))?;
    u64::try_from(limit)
        .map(|limit| limit.min(max_page))
        .map_err(|_| Fault::BadRequest("limit param must be positive".to_owned()))
}

/// The largest number that Cinder's database takes.
pub const MOST: i64 = 0x7fff_ffff;

/// How many are passed over.
pub fn offset(query: &Query) -> Result<u64, Fault> {
    let Some(text) = query.last("offset") else {
        return Ok(0);
    };
    let bad = |why: &str| Fault::BadRequest(format!("offset {why}"));
    let offset: i64 = text.parse().map_err(|_| bad("must be an integer."))?;
    if offset > MOST {
        return Err(bad(&format!("must be <= {MOST}.")));
    }
    u64::try_from(offset).map_err(|_| bad("must be >= 0."))
}

fn order(query: &Query, noun: &'static Noun) -> Result<Vec<(&'static Field, bool)>, Fault> {
    if query.has("sort") && (query.has("sort_key") || query.has("sort_dir")) {
        return Err(Fault::BadRequest(
            "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter."
                .to_owned(),
        ));
    }
    let by = |name: &str| {
        let field = noun.fields.iter().find(|field| field.name == name);
        field.filter(|field| !matches!(field.kind, Kind::Properties(_)))
    };
    let mut order: Vec<(&'static Field, bool)> = Vec::new();
    let mut add = |key: &str, direction: &str| {
        let field = by(key).ok_or_else(|| Fault::InvalidInput("Invalid sort key".to_owned()))?;
        order.push((field, descending(direction)?));
        Ok::<_, Fault>(())
    };
    match query.last("sort") {
        Some(sort) => {
            for part in sort.trim().split(',') {
                let (key, direction) = part.split_once(':').unwrap_or((part, "desc"));
                add(key.trim(), direction.trim())?;
            }
        }
        None => add(
            query.last("sort_key").unwrap_or("created_at").trim(),
            query.last("sort_dir").unwrap_or("desc").trim(),
        )?,
    }
    // The order must be total, or a page could lose or repeat things.
    let last = order.first().is_none_or(|(_, descending)| *descending);
    for name in ["created_at", "id"] {
        if order.iter().all(|(used, _)| used.name != name)
            && let Some(field) = by(name)
        {
            order.push((field, last));
        }
    }
    Ok(order)
}

fn descending(text: &str) -> Result<bool, Fault> {
    match text {
        "asc" => Ok(false),
        "desc" | "" => Ok(true),
        _ => Err(Fault::InvalidInput(
            "Unknown sort direction, must be 'desc' or 'asc'.".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{GROUPS, VOLUMES};

    fn asked(query: &str, minor: u16, admin: bool) -> Result<Listing, Fault> {
        let asker = Asker {
            admin,
            version: version(minor),
            max_page: 10,
        };
        read(&Query::parse(query), &VOLUMES, asker)
    }

    #[test]
    fn filters_of_administrators_are_refused_to_members_and_before_that_dropped() {
        let refused = asked("host=a&name=b", 31, false).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            "Invalid filters host are found in query options."
        );
        let dropped = asked("host=a&name=b", 30, false).expect("taken");
        assert_eq!(dropped.filters.len(), 1);
        assert_eq!(asked("host=a", 31, true).expect("taken").filters.len(), 1);
        let unknown = asked("colour=red", 31, true).expect("taken");
        assert_eq!(unknown.filters, [Filter::Nothing]);
    }

    #[test]
    fn what_is_not_counted_takes_no_wish_to_count() {
        assert!(asked("with_count=1", 45, false).expect("taken").with_count);
        let ask = |minor, admin| {
            let asker = Asker {
                admin,
                version: version(minor),
                max_page: 10,
            };
            read(&Query::parse("with_count=1"), &GROUPS, asker)
        };
        let refused = ask(45, false).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            "Invalid filters with_count are found in query options."
        );
        assert_eq!(ask(45, true).expect("taken").filters, [Filter::Nothing]);
    }

    #[test]
    fn flags_are_strict_since_they_are() {
        let flag = |query: &str, minor| asked(query, minor, false).map(|list| list.filters);
        let is = |value| vec![Filter::Equal("bootable", Comparand::Flag(value))];
        assert_eq!(flag("bootable=x", 1).expect("taken"), is(true));
        assert_eq!(flag("bootable=f", 2).expect("taken"), is(false));
        assert!(flag("bootable=x", 2).is_err());
    }

    #[test]
    fn dictionaries_are_read_as_json_and_as_python_prints_them() {
        let one = Some(vec![("a".to_owned(), "1".to_owned())]);
        assert_eq!(dictionary(r#"{"a": "1"}"#), one);
        assert_eq!(dictionary("{'a': '1'}"), one);
        assert_eq!(dictionary("{u'a': u'1'}"), one);
        assert_eq!(dictionary("a"), None);
    }

    #[test]
    fn places_are_bounded() {
        assert_eq!(asked("limit=99", 0, false).expect("taken").limit, 10);
        for wrong in [
            "limit=x",
            "limit=-1",
            "offset=-1",
            "offset=x",
            "offset=3000000000",
        ] {
            assert!(asked(wrong, 0, false).is_err(), "{wrong}");
        }
        for wrong in ["sort=a:asc", "sort_key=name&sort=name", "sort_dir=up"] {
            assert!(asked(wrong, 0, false).is_err(), "{wrong}");
        }
        let order = asked("sort=name:asc,size", 0, false).expect("taken").order;
        let names: Vec<_> = order
            .iter()
            .map(|(field, down)| (field.name, *down))
            .collect();
        assert_eq!(
            names,
            [
                ("name", false),
                ("size", true),
                ("created_at", false),
                ("id", false)
            ]
        );
    }
}
