//! Moves of servers between hosts. Nothing moves servers yet: the list is empty.

use std::sync::Arc;

use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Limit;

/// `GET /os-migrations`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    compute_control::policy::allow(&api.control, &call.cx)?;
    let asked: ListMigrations = call.admit_query()?;
    if let Some(marker) = asked.marker {
        return Err(Fault::bad_request(format!(
            "Marker {marker} could not be found."
        )));
    }
    call.render(&Migrations {
        migrations: Vec::new(),
    })
}

/// Filters: whatever they say, no migration passes.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.59")]
pub struct ListMigrations {
    pub hidden: Option<String>,
    pub host: Option<String>,
    pub instance_uuid: Option<String>,
    pub source_compute: Option<String>,
    pub status: Option<String>,
    pub migration_type: Option<String>,
    #[mv(since = "2.59")]
    pub limit: Option<Limit>,
    #[mv(since = "2.59")]
    pub marker: Option<String>,
    #[mv(since = "2.59", wire = "changes-since", format = "date_time")]
    pub changes_since: Option<String>,
    #[mv(since = "2.66", wire = "changes-before", format = "date_time")]
    pub changes_before: Option<String>,
    #[mv(since = "2.80")]
    pub user_id: Option<String>,
    #[mv(since = "2.80")]
    pub project_id: Option<String>,
}

#[derive(Serialize, Versioned)]
pub struct Migrations {
    pub migrations: Vec<MigrationView>,
}

/// A migration, once there are any.
#[derive(Serialize, Versioned)]
pub struct MigrationView {}
