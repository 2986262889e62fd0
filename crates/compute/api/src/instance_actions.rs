//! What was done to a server, by whom, and how it went.

use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::words::Limit;

/// An action. In a list without its events.
#[derive(Serialize, Versioned)]
pub struct ActionView<'v> {
    pub action: &'v str,
    pub instance_uuid: &'v str,
    pub request_id: &'v str,
    pub user_id: Option<&'v str>,
    pub project_id: Option<&'v str>,
    pub start_time: String,
    /// `Error` when it failed.
    pub message: Option<&'v str>,
    #[mv(since = "2.58")]
    pub updated_at: Option<String>,
    /// Until 2.50 for administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventView<'v>>>,
}

/// A step of an action.
#[derive(Serialize, Versioned)]
pub struct EventView<'v> {
    pub event: &'v str,
    pub start_time: String,
    pub finish_time: Option<String>,
    /// `Success` or `Error`, once finished.
    pub result: Option<&'v str>,
    /// For administrators.
    #[serde(skip_serializing_if = "microversion::Patch::is_absent")]
    pub traceback: microversion::Patch<&'v str>,
    #[mv(since = "2.62", wire = "hostId")]
    pub host_id: String,
    /// For administrators.
    #[mv(since = "2.62")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<&'v str>,
    /// For those who may see them.
    #[mv(since = "2.84")]
    #[serde(skip_serializing_if = "microversion::Patch::is_absent")]
    pub details: microversion::Patch<&'v str>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.58")]
pub struct ListActions {
    #[mv(since = "2.58", max_items = 1)]
    pub limit: Option<Limit>,
    #[mv(since = "2.58", max_items = 1)]
    pub marker: Option<String>,
    #[mv(
        since = "2.58",
        wire = "changes-since",
        format = "date_time",
        max_items = 1
    )]
    pub changes_since: Option<String>,
    #[mv(
        since = "2.66",
        wire = "changes-before",
        format = "date_time",
        max_items = 1
    )]
    pub changes_before: Option<String>,
}
