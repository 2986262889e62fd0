//! The record of a server's way to another size or host: `os-migrations`.

use chrono::{DateTime, Utc};

use crate::state::MigrationStatus;

/// One such way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Counts up; 0 before it is kept.
    pub seq: i64,
    pub id: String,
    pub server_id: String,
    /// Nova's word: `resize`, `migration`, …
    pub kind: String,
    pub status: MigrationStatus,
    pub source_host: String,
    pub source_node: String,
    pub dest_host: String,
    pub dest_node: String,
    /// The address of the destination.
    pub dest_ip: Option<String>,
    /// Numbers of flavors; 0 for one that is gone.
    pub old_flavor: i64,
    pub new_flavor: i64,
    pub user_id: String,
    pub project_id: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}
