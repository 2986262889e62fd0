//! Quotas of a project, or of one user in it.

use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::words::Flag;

/// A quota of every resource that a quota set has: limits in one view, limits with their use in another. -1 means no
/// limit.
#[derive(Debug, Clone, Serialize, Versioned)]
pub struct QuotaSet<T> {
    /// The project; left out in the answer to an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub cores: T,
    #[mv(until = "2.35")]
    pub fixed_ips: T,
    #[mv(until = "2.35")]
    pub floating_ips: T,
    #[mv(until = "2.56")]
    pub injected_file_content_bytes: T,
    #[mv(until = "2.56")]
    pub injected_file_path_bytes: T,
    #[mv(until = "2.56")]
    pub injected_files: T,
    pub instances: T,
    pub key_pairs: T,
    pub metadata_items: T,
    pub ram: T,
    #[mv(until = "2.35")]
    pub security_group_rules: T,
    #[mv(until = "2.35")]
    pub security_groups: T,
    pub server_group_members: T,
    pub server_groups: T,
}

/// A limit and how much of it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Versioned)]
pub struct QuotaUse {
    pub in_use: i64,
    pub limit: i64,
    pub reserved: i64,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateQuotaSet {
    pub quota_set: QuotaUpdate,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct QuotaUpdate {
    pub cores: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub fixed_ips: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub floating_ips: Option<NewLimit>,
    #[mv(until = "2.56")]
    pub injected_file_content_bytes: Option<NewLimit>,
    #[mv(until = "2.56")]
    pub injected_file_path_bytes: Option<NewLimit>,
    #[mv(until = "2.56")]
    pub injected_files: Option<NewLimit>,
    pub instances: Option<NewLimit>,
    pub key_pairs: Option<NewLimit>,
    pub metadata_items: Option<NewLimit>,
    pub ram: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub security_group_rules: Option<NewLimit>,
    #[mv(until = "2.35")]
    pub security_groups: Option<NewLimit>,
    pub server_group_members: Option<NewLimit>,
    pub server_groups: Option<NewLimit>,
    /// Below what is in use already, too.
    pub force: Option<Flag>,
}

/// A limit; -1 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[mv(lenient, pattern = "^-?[0-9]+$", minimum = -1, maximum = 0x7FFF_FFFF)]
pub struct NewLimit(pub i64);

/// Whose quotas: the project's, or one user's in it.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct OfUser {
    pub user_id: Option<String>,
}
