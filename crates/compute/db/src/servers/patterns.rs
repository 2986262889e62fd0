//! Regular expressions in a list's filter, matched here rather than by the database.
//!
//! Engines differ in what they understand, and one that backtracks can be kept busy for hours with a
//! short pattern (`(a+)+$`). This one takes time in proportion to pattern and text, whatever they are,
//! and refuses what grows large when it is compiled (`(a{999}){999}`).

use compute_model::listing::ServerFilter;
use regex::{Regex, RegexBuilder};
use sql::sea_orm::prelude::*;
use sql::sea_orm::{self, FromQueryResult, QuerySelect, Select};

use super::filter::text_column;
use crate::tables::server::{Column, Entity};
use crate::{DbError, Result};

/// Longest pattern in characters: as long as the longest name that it could match.
const LONGEST: usize = 255;

/// Patterns of one list.
const MOST: usize = 16;

/// Largest compiled pattern in bytes; the longest plain text takes half of it.
const COMPILED: usize = 256 * 1024;

/// Rows looked at between two questions to the database.
const CHUNK: u64 = 2000;

/// The patterns of a filter, compiled.
#[derive(Debug, Default)]
pub struct Patterns {
    /// Each must match.
    all: Vec<(Column, Regex)>,
    /// One must match, if there are any: addresses of either version.
    any: Vec<(Column, Regex)>,
}

/// What may be searched of a server.
#[derive(Debug, FromQueryResult)]
struct Searched {
    id: String,
    name: String,
    hostname: String,
    description: Option<String>,
    host: Option<String>,
    node: Option<String>,
    availability_zone: Option<String>,
    reservation_id: String,
    key_name: Option<String>,
    access_ip_v4: Option<String>,
    access_ip_v6: Option<String>,
    root_device_name: Option<String>,
    ip4: String,
    ip6: String,
}

/// The columns of [`Searched`].
const COLUMNS: [Column; 14] = [
    Column::Id,
    Column::Name,
    Column::Hostname,
    Column::Description,
    Column::Host,
    Column::Node,
    Column::AvailabilityZone,
    Column::ReservationId,
    Column::KeyName,
    Column::AccessIpV4,
    Column::AccessIpV6,
    Column::RootDeviceName,
    Column::Ip4,
    Column::Ip6,
];

impl Searched {
    fn text(&self, column: Column) -> Option<&str> {
        match column {
            Column::Name => Some(&self.name),
            Column::Hostname => Some(&self.hostname),
            Column::ReservationId => Some(&self.reservation_id),
            Column::Ip4 => Some(&self.ip4),
            Column::Ip6 => Some(&self.ip6),
            Column::Description => self.description.as_deref(),
            Column::Host => self.host.as_deref(),
            Column::Node => self.node.as_deref(),
            Column::AvailabilityZone => self.availability_zone.as_deref(),
            Column::KeyName => self.key_name.as_deref(),
            Column::AccessIpV4 => self.access_ip_v4.as_deref(),
            Column::AccessIpV6 => self.access_ip_v6.as_deref(),
            Column::RootDeviceName => self.root_device_name.as_deref(),
            _ => None,
        }
    }
}

impl Patterns {
    /// Compiles the patterns of a filter.
    ///
    /// # Errors
    /// [`DbError::Pattern`] for one that is broken, too long, or too large when it is compiled.
    pub fn of(wanted: &ServerFilter) -> Result<Self> {
        let mut patterns = Patterns::default();
        for (column, pattern) in &wanted.matches {
            let compiled = compiled(pattern)?;
            patterns.all.push((text_column(*column), compiled));
        }
        // As Nova does, an address of either version satisfies when both filters are given.
        for (column, pattern) in [(Column::Ip4, &wanted.ip4), (Column::Ip6, &wanted.ip6)] {
            if let Some(pattern) = pattern {
                patterns.any.push((column, compiled(pattern)?));
            }
        }
        if patterns.all.len() + patterns.any.len() > MOST {
            return Err(DbError::Pattern(format!("more than {MOST} patterns")));
        }
        Ok(patterns)
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    fn matches(&self, row: &Searched) -> bool {
        let fits = |(column, pattern): &(Column, Regex)| {
            row.text(*column).is_some_and(|text| pattern.is_match(text))
        };
        self.all.iter().all(fits) && (self.any.is_empty() || self.any.iter().any(fits))
    }

    /// The ids of the first `limit` rows of `query`, in its order, that match.
    pub async fn first(
        &self,
        conn: &impl ConnectionTrait,
        query: Select<Entity>,
        limit: u64,
    ) -> Result<Vec<String>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for chunk in 0.. {
            let rows = query
                .clone()
                .select_only()
                .columns(COLUMNS)
                .offset(chunk * CHUNK)
                .limit(CHUNK)
                .into_model::<Searched>()
                .all(conn)
                .await?;
            let last = (rows.len() as u64) < CHUNK;
            let matching = rows.into_iter().filter(|row| self.matches(row));
            found.extend(matching.map(|row| row.id).take(limit - found.len()));
            if last || found.len() == limit {
                break;
            }
        }
        Ok(found)
    }
}

/// A regular expression, not anchored, without regard to case.
fn compiled(pattern: &str) -> Result<Regex> {
    let refused = || DbError::Pattern(pattern.chars().take(LONGEST).collect());
    if pattern.chars().count() > LONGEST {
        return Err(refused());
    }
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(COMPILED)
        .build()
        .map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_are_broken_or_too_costly_are_refused() {
        let longest = "ж".repeat(LONGEST);
        for good in [
            "",
            "web",
            "^web-[0-9]+$",
            "a(b|c)?",
            r"10\.0\.0\..*",
            "[*]",
            &longest,
        ] {
            assert!(compiled(good).is_ok(), "{good}");
        }
        let long = "a".repeat(LONGEST + 1);
        for bad in [
            "(",
            "a)",
            "[a",
            "*a",
            r"a\",
            "(+b)",
            "(a{999}){999}",
            r"(a)\1",
            "(?=a)",
            &long,
        ] {
            assert!(compiled(bad).is_err(), "{bad}");
        }
    }
}
