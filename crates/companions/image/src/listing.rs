//! What a list of images is asked for: filters, order and page, read from the query string.

use chrono::{DateTime, NaiveDateTime, Utc};
use rest::accepted::Fate;
use rest::parameters::Parameter;
use web::Query;

use crate::fault::Fault;
use crate::settings::Settings;
use crate::tables::{MemberStatus, Status, Visibility, Word};

/// A list request, understood.
#[derive(Debug, Clone)]
pub struct Listing {
    pub filters: Vec<Filter>,
    /// Only this visibility; [`Seen::Default`] leaves out others' community images.
    pub seen: Seen,
    /// Of images shared with the viewer, only those it answered so; none means any answer.
    pub member_status: Option<MemberStatus>,
    pub os_hidden: bool,
    /// Columns to sort by, with descending or not.
    pub order: Vec<(SortKey, bool)>,
    pub limit: u64,
    pub marker: Option<String>,
}

/// Which visibilities are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Default,
    All,
    Only(Visibility),
}

/// A condition on images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// The text column is one of these.
    Text(TextColumn, Vec<String>),
    /// The number column equals.
    Number(NumberColumn, i64),
    Status(Vec<Status>),
    Protected(bool),
    SizeMin(i64),
    SizeMax(i64),
    Created(Comparison, DateTime<Utc>),
    Updated(Comparison, DateTime<Utc>),
    Tag(String),
    Property(String, String),
    /// No image can match, for example a status that does not exist.
    Nothing,
}

/// Text columns that can be filtered by equality or `in:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextColumn {
    Id,
    Name,
    Owner,
    DiskFormat,
    ContainerFormat,
    Checksum,
    OsHashAlgo,
    OsHashValue,
}

/// Number columns that can be filtered by equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberColumn {
    Size,
    VirtualSize,
    MinDisk,
    MinRam,
}

/// How a time is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// Columns to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    Name,
    Status,
    ContainerFormat,
    DiskFormat,
    Size,
    Id,
    CreatedAt,
    UpdatedAt,
}

const SORT_KEYS: [(&str, SortKey); 8] = [
    ("name", SortKey::Name),
    ("status", SortKey::Status),
    ("container_format", SortKey::ContainerFormat),
    ("disk_format", SortKey::DiskFormat),
    ("size", SortKey::Size),
    ("id", SortKey::Id),
    ("created_at", SortKey::CreatedAt),
    ("updated_at", SortKey::UpdatedAt),
];

/// Text filters, with whether `in:` is understood.
const TEXTS: [(&str, TextColumn, bool); 8] = [
    ("id", TextColumn::Id, true),
    ("name", TextColumn::Name, true),
    ("owner", TextColumn::Owner, false),
    ("disk_format", TextColumn::DiskFormat, true),
    ("container_format", TextColumn::ContainerFormat, true),
    ("checksum", TextColumn::Checksum, false),
    ("os_hash_algo", TextColumn::OsHashAlgo, false),
    ("os_hash_value", TextColumn::OsHashValue, false),
];

const NUMBERS: [(&str, NumberColumn); 4] = [
    ("size", NumberColumn::Size),
    ("virtual_size", NumberColumn::VirtualSize),
    ("min_disk", NumberColumn::MinDisk),
    ("min_ram", NumberColumn::MinRam),
];

const CHANGES_SINCE: &str = "The \"changes-since\" filter is no longer available on v2.";
const IN: Fate = Fate::Within("also one of several by `in:`");
const MOMENT: Fate = Fate::Within("equal, or by `gt:`, `gte:`, `lt:`, `lte:`, `eq:`, `neq:`");

/// Filters beside texts and numbers.
const OTHERS: [(&str, Fate); 10] = [
    (
        "changes-since",
        Fate::Refused {
            unless: &[],
            why: CHANGES_SINCE,
        },
    ),
    ("created_at", MOMENT),
    ("os_hidden", Fate::Honoured),
    ("protected", Fate::Honoured),
    ("size_max", Fate::Honoured),
    ("size_min", Fate::Honoured),
    ("status", IN),
    (
        "tag",
        Fate::Within("several times: images that have all of them"),
    ),
    ("updated_at", MOMENT),
    ("visibility", Fate::Honoured),
];

/// Keys that are no filters.
const PAGING: [&str; 6] = [
    "limit",
    "marker",
    "sort",
    "sort_key",
    "sort_dir",
    "member_status",
];

/// What the query of the list may say.
pub fn parameters() -> Vec<Parameter> {
    let fate = |many: bool| if many { IN } else { Fate::Honoured };
    let texts = TEXTS.iter();
    let texts = texts.map(|&(name, _, many)| Parameter::new(name, fate(many)));
    let numbers = NUMBERS.iter().map(|&(name, _)| Parameter::honoured(name));
    let others = OTHERS.iter();
    let others = others.map(|&(name, fate)| Parameter::new(name, fate));
    let paging = PAGING.iter().copied().map(Parameter::honoured);
    texts.chain(numbers).chain(others).chain(paging).collect()
}

/// Limits of a page.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    pub default: u64,
    pub max: u64,
}

impl Pages {
    /// Those of the service.
    pub fn of(settings: &Settings) -> Self {
        Self {
            default: settings.default_page,
            max: settings.max_page,
        }
    }
}

impl Listing {
    /// Reads a query string.
    pub fn parse(query: &Query, pages: Pages) -> Result<Listing, Fault> {
        let mut listing = Listing {
            filters: Vec::new(),
            seen: Seen::Default,
            member_status: Some(MemberStatus::Accepted),
            os_hidden: false,
            order: order(query)?,
            limit: limit(query, pages)?,
            marker: query.last("marker").map(str::to_owned),
        };
        if let Some(status) = query.last("member_status") {
            listing.member_status = match status {
                "all" => None,
                _ => Some(
                    MemberStatus::from_word(status)
                        .ok_or_else(|| Fault::BadRequest(format!("Invalid status: {status}")))?,
                ),
            };
        }
        for (key, value) in &query.0 {
            if !PAGING.contains(&key.as_str()) {
                listing.add(key, value)?;
            }
        }
        Ok(listing)
    }

    fn add(&mut self, key: &str, value: &str) -> Result<(), Fault> {
        match key {
            "visibility" => self.seen = visibility(value)?,
            "os_hidden" => self.os_hidden = flag("os_hidden", &value.to_lowercase())?,
            "changes-since" => {
                return Err(Fault::BadRequest(CHANGES_SINCE.to_owned()));
            }
            _ => {
                let filter = filter(key, value)?;
                self.filters.push(filter);
            }
        }
        Ok(())
    }
}

fn filter(key: &str, value: &str) -> Result<Filter, Fault> {
    if let Some((_, column, many)) = TEXTS.iter().find(|(name, ..)| *name == key) {
        let values = if *many {
            values(value)?
        } else {
            vec![value.to_owned()]
        };
        return Ok(Filter::Text(*column, values));
    }
    if let Some((_, column)) = NUMBERS.iter().find(|(name, _)| *name == key) {
        return Ok(Filter::Number(*column, number(key, value)?));
    }
    Ok(match key {
        "status" => {
            let known: Vec<_> = values(value)?
                .iter()
                .filter_map(|word| Status::from_word(word))
                .collect();
            if known.is_empty() {
                Filter::Nothing
            } else {
                Filter::Status(known)
            }
        }
        "protected" => Filter::Protected(flag("protected", value)?),
        "size_min" => Filter::SizeMin(size(key, value)?),
        "size_max" => Filter::SizeMax(size(key, value)?),
        "created_at" => {
            let (how, at) = moment(value)?;
            Filter::Created(how, at)
        }
        "updated_at" => {
            let (how, at) = moment(value)?;
            Filter::Updated(how, at)
        }
        "tag" => Filter::Tag(value.trim().to_owned()),
        _ => Filter::Property(key.to_owned(), value.to_owned()),
    })
}

fn visibility(value: &str) -> Result<Seen, Fault> {
    match value {
        "" => Ok(Seen::Default),
        "all" => Ok(Seen::All),
        _ => Visibility::from_word(value)
            .map(Seen::Only)
            .ok_or_else(|| Fault::BadRequest(format!("Invalid visibility value: {value}"))),
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Fault> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::BadRequest(format!(
            "Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'."
        ))),
    }
}

fn number(key: &str, value: &str) -> Result<i64, Fault> {
    value
        .parse()
        .map_err(|_| Fault::BadRequest(format!("The filter {key} must be an integer.")))
}

fn size(key: &str, value: &str) -> Result<i64, Fault> {
    number(key, value)
        .ok()
        .filter(|size| *size >= 0)
        .ok_or_else(|| {
            Fault::BadRequest(format!(
                "Invalid filter value {value} for {key}: not a whole number of bytes."
            ))
        })
}

/// `in:a,"b,c"` is several values, everything else (also `eq:…`) is one.
fn values(value: &str) -> Result<Vec<String>, Fault> {
    if let Some(value) = value.strip_prefix("eq:") {
        return Ok(vec![value.to_owned()]);
    }
    let Some(list) = value.strip_prefix("in:") else {
        return Ok(vec![value.to_owned()]);
    };
    let mut all = Vec::new();
    let mut rest = list;
    loop {
        let one;
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some((inner, after)) = quoted.split_once('"') else {
                return Err(Fault::BadRequest(format!(
                    "Invalid filter value {value}. The quote is not closed."
                )));
            };
            if !after.is_empty() && !after.starts_with(',') {
                return Err(Fault::BadRequest(format!(
                    "Invalid filter value {value}. There is no comma after closing quotation mark."
                )));
            }
            (one, rest) = (inner, after);
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (one, rest) = rest.split_at(end);
            if one.contains('"') {
                return Err(Fault::BadRequest(format!(
                    "Invalid filter value {value}. There is no comma before opening quotation mark."
                )));
            }
        }
        all.push(one.to_owned());
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok(all),
        }
    }
}

/// `gt:2026-01-02T03:04:05Z` and so on; without operator it is equality.
fn moment(value: &str) -> Result<(Comparison, DateTime<Utc>), Fault> {
    const OPERATORS: [(&str, Comparison); 6] = [
        ("gt:", Comparison::Greater),
        ("gte:", Comparison::GreaterOrEqual),
        ("lt:", Comparison::Less),
        ("lte:", Comparison::LessOrEqual),
        ("eq:", Comparison::Equal),
        ("neq:", Comparison::NotEqual),
    ];
    let (comparison, text) = OPERATORS
        .iter()
        .find_map(|(prefix, how)| value.strip_prefix(prefix).map(|rest| (*how, rest)))
        .unwrap_or((Comparison::Equal, value));
    let aware = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
    let naive = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .or_else(|| {
                let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
                day.and_hms_opt(0, 0, 0)
            })
            .map(|at| at.and_utc())
    };
    match aware.ok().or_else(naive) {
        Some(at) => Ok((comparison, at)),
        None => Err(Fault::BadRequest(format!(
            "Unable to filter by time: '{text}' is not a time like 2026-01-02T03:04:05Z."
        ))),
    }
}

/// How many a page of the query holds.
pub fn limit(query: &Query, pages: Pages) -> Result<u64, Fault> {
    let Some(text) = query.last("limit") else {
        return Ok(pages.default.min(pages.max));
    };
    let limit: i64 = text
        .parse()
        .map_err(|_| Fault::BadRequest("limit param must be an integer".to_owned()))?;
    u64::try_from(limit)
        .map(|limit| limit.min(pages.max))
        .map_err(|_| Fault::BadRequest("limit param must be positive".to_owned()))
}

/// Both styles: `sort=name:asc,size` and `sort_key=name&sort_dir=asc&sort_key=size`.
fn order(query: &Query) -> Result<Vec<(SortKey, bool)>, Fault> {
    let mut order = Vec::new();
    if let Some(sort) = query.last("sort") {
        if query.has("sort_key") || query.has("sort_dir") {
            return Err(Fault::BadRequest(
                "Old and new sorting syntax cannot be combined".to_owned(),
            ));
        }
        for part in sort.trim().split(',') {
            let (key, direction) = part.split_once(':').unwrap_or((part, "desc"));
            order.push((
                key_of(key.trim(), &SORT_KEYS)?,
                descending(direction.trim())?,
            ));
        }
    } else {
        let keys: Vec<_> = query.all("sort_key").collect();
        let directions: Vec<_> = query.all("sort_dir").collect();
        if directions.len() > 1 && directions.len() != keys.len() {
            return Err(Fault::BadRequest(
                "Number of sort dirs does not match the number of sort keys".to_owned(),
            ));
        }
        let fallback = directions.first().copied().unwrap_or("desc");
        for (at, key) in keys.iter().enumerate() {
            let direction = directions.get(at).copied().unwrap_or(fallback);
            order.push((
                key_of(key.trim(), &SORT_KEYS)?,
                descending(direction.trim())?,
            ));
        }
        if keys.is_empty() {
            order.push((SortKey::CreatedAt, descending(fallback.trim())?));
        }
    }
    // The order must be total, or a page could lose or repeat images.
    let last = order.last().is_none_or(|(_, descending)| *descending);
    for key in [SortKey::CreatedAt, SortKey::Id] {
        if order.iter().all(|(used, _)| *used != key) {
            order.push((key, last));
        }
    }
    Ok(order)
}

/// The column that a sort key names.
///
/// # Errors
/// 400: it is none of `keys`.
pub fn key_of<K: Copy>(text: &str, keys: &[(&str, K)]) -> Result<K, Fault> {
    let found = keys.iter().find(|(name, _)| *name == text);
    found.map(|(_, key)| *key).ok_or_else(|| {
        let names: Vec<_> = keys.iter().map(|(name, _)| *name).collect();
        Fault::BadRequest(format!(
            "Invalid sort key: {text}. It must be one of the following: {}.",
            names.join(", ")
        ))
    })
}

/// Whether a direction is downwards.
///
/// # Errors
/// 400: it is none.
pub fn descending(text: &str) -> Result<bool, Fault> {
    match text {
        "asc" => Ok(false),
        "desc" | "" => Ok(true),
        _ => Err(Fault::BadRequest(format!("Invalid sort direction: {text}"))),
    }
}

#[cfg(test)]
mod tests;
