//! Regular expressions in a list's filter, matched here rather than by the database.
//!
//! Engines differ in what they understand, and one that backtracks can be kept busy for hours with a
//! short pattern (`(a+)+$`). This one takes time in proportion to pattern and text, whatever they are,
//! and refuses what grows large when it is compiled (`(a{999}){999}`).

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use compute_model::image::ServerImage;
use compute_model::listing::{Searched, ServerFilter};
use compute_model::server::DiskConfig;
use regex::{Regex, RegexBuilder};
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{self, FromQueryResult, QuerySelect, Select};

use super::row::{self, Details};
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
    all: Vec<(Searched, Regex)>,
    /// One of these must match, if there are any: addresses of either version.
    ip4: Option<Regex>,
    ip6: Option<Regex>,
}

/// What may be searched of a server.
#[derive(Debug, FromQueryResult)]
struct Row {
    id: String,
    name: String,
    hostname: String,
    description: Option<String>,
    node: Option<String>,
    availability_zone: Option<String>,
    reservation_id: String,
    key_name: Option<String>,
    access_ip_v4: Option<String>,
    access_ip_v6: Option<String>,
    root_device_name: Option<String>,
    locked_by: Option<String>,
    created_at: DateTime<Utc>,
    launched_at: Option<DateTime<Utc>>,
    terminated_at: Option<DateTime<Utc>>,
    ip4: String,
    ip6: String,
    /// Empty where no pattern searches it.
    document: String,
}

/// The columns of [`Row`] but for the document.
const COLUMNS: [Column; 17] = [
    Column::Id,
    Column::Name,
    Column::Hostname,
    Column::Description,
    Column::Node,
    Column::AvailabilityZone,
    Column::ReservationId,
    Column::KeyName,
    Column::AccessIpV4,
    Column::AccessIpV6,
    Column::RootDeviceName,
    Column::LockedBy,
    Column::CreatedAt,
    Column::LaunchedAt,
    Column::TerminatedAt,
    Column::Ip4,
    Column::Ip6,
];

impl Row {
    /// The text that a pattern is tried on. What is not there matches no pattern.
    fn text(&self, what: Searched) -> Result<Option<Cow<'_, str>>> {
        let text = match what {
            Searched::Name => Some(self.name.as_str()),
            Searched::Hostname => Some(self.hostname.as_str()),
            Searched::ReservationId => Some(self.reservation_id.as_str()),
            Searched::Description => self.description.as_deref(),
            Searched::Node => self.node.as_deref(),
            Searched::AvailabilityZone => self.availability_zone.as_deref(),
            Searched::KeyName => self.key_name.as_deref(),
            Searched::AccessIpV4 => self.access_ip_v4.as_deref(),
            Searched::AccessIpV6 => self.access_ip_v6.as_deref(),
            Searched::RootDeviceName => self.root_device_name.as_deref(),
            Searched::LockedBy => self.locked_by.as_deref(),
            Searched::CreatedAt => return Ok(Some(time(self.created_at))),
            Searched::LaunchedAt => return Ok(self.launched_at.map(time)),
            Searched::TerminatedAt => return Ok(self.terminated_at.map(time)),
            Searched::DiskConfig | Searched::KernelId | Searched::RamdiskId => {
                let details = row::details(&self.id, &self.document)?;
                return Ok(Some(Cow::Owned(in_document(what, &details))));
            }
        };
        Ok(text.map(Cow::Borrowed))
    }
}

fn time(time: DateTime<Utc>) -> Cow<'static, str> {
    Cow::Owned(time.format("%Y-%m-%d %H:%M:%S").to_string())
}

fn in_document(what: Searched, details: &Details) -> String {
    let image = details.image.as_ref().or(details.volume_image.as_ref());
    let text = match what {
        Searched::KernelId => image.map(ServerImage::kernel_id),
        Searched::RamdiskId => image.map(ServerImage::ramdisk_id),
        _ => Some(match details.disk_config {
            DiskConfig::Auto => "1",
            DiskConfig::Manual => "0",
        }),
    };
    text.unwrap_or_default().to_owned()
}

impl Patterns {
    /// Compiles the patterns of a filter.
    ///
    /// # Errors
    /// [`DbError::Pattern`] for one that is broken, too long, or too large when it is compiled.
    pub fn of(wanted: &ServerFilter) -> Result<Self> {
        let mut patterns = Patterns::default();
        for (what, pattern) in &wanted.matches {
            patterns.all.push((*what, compiled(pattern)?));
        }
        // As Nova does, an address of either version satisfies when both filters are given.
        patterns.ip4 = wanted.ip4.as_deref().map(compiled).transpose()?;
        patterns.ip6 = wanted.ip6.as_deref().map(compiled).transpose()?;
        let addresses = usize::from(patterns.ip4.is_some()) + usize::from(patterns.ip6.is_some());
        if patterns.all.len() + addresses > MOST {
            return Err(DbError::Pattern(format!("more than {MOST} patterns")));
        }
        Ok(patterns)
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.ip4.is_none() && self.ip6.is_none()
    }

    fn matches(&self, row: &Row) -> Result<bool> {
        for (what, pattern) in &self.all {
            let text = row.text(*what)?;
            if !text.is_some_and(|text| pattern.is_match(&text)) {
                return Ok(false);
            }
        }
        let fits = |pattern: &Option<Regex>, addresses: &str| {
            pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(addresses))
        };
        let any = self.ip4.is_none() && self.ip6.is_none();
        Ok(any || fits(&self.ip4, &row.ip4) || fits(&self.ip6, &row.ip6))
    }

    /// The ids of the first `limit` rows of `query`, in its order, that match.
    pub async fn first(
        &self,
        conn: &impl ConnectionTrait,
        query: Select<Entity>,
        limit: u64,
    ) -> Result<Vec<String>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let document = match self.all.iter().any(|(what, _)| what.is_in_document()) {
            true => Expr::col(Column::Document),
            false => Expr::cust("''"),
        };
        let mut found = Vec::new();
        for chunk in 0.. {
            let rows = query
                .clone()
                .select_only()
                .columns(COLUMNS)
                .expr_as(document.clone(), "document")
                .offset(chunk * CHUNK)
                .limit(CHUNK)
                .into_model::<Row>()
                .all(conn)
                .await?;
            let last = (rows.len() as u64) < CHUNK;
            for row in rows {
                if found.len() < limit && self.matches(&row)? {
                    found.push(row.id);
                }
            }
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
