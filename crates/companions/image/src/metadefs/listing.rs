//! What a list of metadata definitions is asked for: filters, order and page, read from the query string.

use web::Query;

use crate::fault::Fault;
use crate::listing::{self, Pages};
use crate::tables::Visibility;

/// A page of things that are told apart by name.
#[derive(Debug, Clone)]
pub struct Page<K> {
    pub key: K,
    pub descending: bool,
    /// The name of the last thing of the page before.
    pub marker: Option<String>,
    /// All when none is asked for, where the answer has no link to what follows.
    pub limit: Option<u64>,
}

/// Columns of namespaces to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceKey {
    CreatedAt,
    UpdatedAt,
    Namespace,
    DisplayName,
    Visibility,
    Protected,
    Owner,
}

const NAMESPACE_KEYS: [(&str, NamespaceKey); 7] = [
    ("created_at", NamespaceKey::CreatedAt),
    ("updated_at", NamespaceKey::UpdatedAt),
    ("namespace", NamespaceKey::Namespace),
    ("display_name", NamespaceKey::DisplayName),
    ("visibility", NamespaceKey::Visibility),
    ("protected", NamespaceKey::Protected),
    ("owner", NamespaceKey::Owner),
];

/// Columns of objects and tags to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKey {
    CreatedAt,
    UpdatedAt,
    Name,
}

const PART_KEYS: [(&str, PartKey); 3] = [
    ("created_at", PartKey::CreatedAt),
    ("updated_at", PartKey::UpdatedAt),
    ("name", PartKey::Name),
];

/// A list of namespaces, understood.
#[derive(Debug, Clone)]
pub struct Namespaces {
    pub visibility: Option<Visibility>,
    /// Only those that are for one of these types of resources.
    pub resource_types: Option<Vec<String>>,
    pub page: Page<NamespaceKey>,
    pub limit: u64,
}

/// What the query of every list with pages may say.
pub const PAGING: [&str; 4] = ["limit", "marker", "sort_key", "sort_dir"];

/// What namespaces are filtered by.
pub const NAMESPACE_FILTERS: [&str; 2] = ["visibility", "resource_types"];

/// What the query of a namespace or of a property may say: the type of resource that names of properties are shown for.
pub const SHOWN_FOR: [&str; 1] = ["resource_type"];

impl Namespaces {
    /// Reads a query string.
    pub fn parse(query: &Query, pages: Pages) -> Result<Self, Fault> {
        only(query, &NAMESPACE_FILTERS)?;
        let visibility = match query.last("visibility") {
            None | Some("") => None,
            Some("public") => Some(Visibility::Public),
            Some("private") => Some(Visibility::Private),
            Some(other) => {
                return Err(Fault::BadRequest(format!(
                    "Invalid visibility value: {other}"
                )));
            }
        };
        let types = query.last("resource_types");
        let page = page(query, &NAMESPACE_KEYS)?;
        Ok(Self {
            visibility,
            resource_types: types.map(|types| types.split(',').map(str::to_owned).collect()),
            limit: page.limit.unwrap_or(pages.default).min(pages.max),
            page,
        })
    }
}

/// Reads the query string of a list of objects or tags.
pub fn parts(query: &Query) -> Result<Page<PartKey>, Fault> {
    only(query, &[])?;
    page(query, &PART_KEYS)
}

/// The type of resource that names of properties are shown for: the only key of some queries.
pub fn resource_type(query: &Query) -> Result<Option<&str>, Fault> {
    none_but(query, &SHOWN_FOR)?;
    Ok(query.last("resource_type").filter(|name| !name.is_empty()))
}

fn only(query: &Query, filters: &[&str]) -> Result<(), Fault> {
    none_but(query, &[&PAGING, filters].concat())
}

/// Refuses a key that means nothing here.
pub fn none_but(query: &Query, known: &[&str]) -> Result<(), Fault> {
    let unknown = query
        .0
        .iter()
        .find(|(key, _)| !known.contains(&key.as_str()));
    match unknown {
        Some((key, _)) => Err(Fault::BadRequest(format!("Invalid query parameter: {key}"))),
        None => Ok(()),
    }
}

fn page<K: Copy>(query: &Query, keys: &[(&str, K)]) -> Result<Page<K>, Fault> {
    let word = query.last("sort_key").unwrap_or("created_at");
    let key = listing::key_of(word, keys)?;
    let descending = match query.last("sort_dir") {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(other) => {
            return Err(Fault::BadRequest(format!(
                "Invalid sort direction: {other}"
            )));
        }
    };
    let number = |text: &str| {
        let number: i64 = text
            .parse()
            .map_err(|_| Fault::BadRequest("limit param must be an integer".to_owned()))?;
        u64::try_from(number)
            .map_err(|_| Fault::BadRequest("limit param must be positive".to_owned()))
    };
    Ok(Page {
        key,
        descending,
        marker: query.last("marker").map(str::to_owned),
        limit: query.last("limit").map(number).transpose()?,
    })
}
