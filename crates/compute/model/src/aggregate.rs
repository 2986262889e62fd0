//! Groups of hosts that operators make.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// The metadata key that makes a zone of an aggregate.
pub const ZONE: &str = "availability_zone";

/// A group of hosts with metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// The number that the API shows as `id`.
    pub seq: i64,
    /// Its UUID.
    pub id: String,
    pub name: String,
    /// Names of hosts, sorted.
    pub hosts: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Aggregate {
    /// The zone that its hosts are in by it.
    pub fn zone(&self) -> Option<&str> {
        self.metadata.get(ZONE).map(String::as_str)
    }
}
