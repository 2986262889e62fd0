//! How backups are shown.

use microversion::Versioned;
use serde::Serialize;
use sql::sea_orm::ConnectionTrait;

use crate::api::Call;
use crate::api::words::{Link, links};
use crate::db::backups;
use crate::db::properties::{self, Properties};
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::backup::Model;
use crate::tables::{Owner, Word};

/// A page of the list with details.
#[derive(Debug, Serialize, Versioned)]
pub struct Page<'v> {
    pub backups: Vec<BackupView<'v>>,
    #[mv(wire = "backups_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A page of the list without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Briefs<'v> {
    pub backups: Vec<Brief<'v>>,
    #[mv(wire = "backups_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A backup without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Brief<'v> {
    pub id: &'v str,
    pub name: Option<&'v str>,
    pub links: Vec<Link>,
}

/// A backup.
#[derive(Debug, Serialize, Versioned)]
pub struct BackupView<'v> {
    pub id: &'v str,
    pub status: String,
    pub size: i64,
    pub object_count: i64,
    pub availability_zone: Option<&'v str>,
    pub container: Option<&'v str>,
    pub created_at: String,
    pub updated_at: Option<String>,
    pub name: Option<&'v str>,
    pub description: Option<&'v str>,
    pub fail_reason: Option<&'v str>,
    pub volume_id: &'v str,
    pub links: Vec<Link>,
    pub is_incremental: bool,
    pub has_dependent_backups: bool,
    pub snapshot_id: Option<&'v str>,
    pub data_timestamp: String,
    #[mv(since = "3.43")]
    pub metadata: &'v Properties,
    /// For administrators.
    #[mv(wire = "os-backup-project-attr:project_id", since = "3.18")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<&'v str>,
    /// For administrators.
    #[mv(since = "3.56")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'v str>,
}

/// A backup with what belongs to it.
pub struct Found {
    row: Model,
    metadata: Properties,
    /// Whether others build upon it.
    is_parent: bool,
}

/// Adds what belongs to rows, in one query each for all.
pub async fn gather(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<Vec<Found>, Fault> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut metadata = properties::of_many(db, Owner::Backup, &ids).await?;
    let parents = backups::parents(db, &ids).await?;
    let found = rows.into_iter().map(|row| Found {
        metadata: metadata.remove(&row.id).unwrap_or_default(),
        is_parent: parents.contains(&row.id),
        row,
    });
    Ok(found.collect())
}

pub fn brief<'v>(call: &Call, row: &'v Model) -> Brief<'v> {
    Brief {
        id: &row.id,
        name: row.name.as_deref(),
        links: links(call, &format!("backups/{}", row.id)),
    }
}

/// A backup as the caller may see it.
pub fn detail<'v>(volumes: &Volumes, call: &Call, one: &'v Found) -> BackupView<'v> {
    let row = &one.row;
    let target = policy::target(&row.project_id, &row.user_id);
    let rule = "backup:backup_project_attribute";
    let more = volumes.may(rule, &call.cx.caller, &target);
    BackupView {
        id: &row.id,
        status: row.status.word(),
        size: row.size,
        object_count: row.object_count,
        availability_zone: row.availability_zone.as_deref(),
        container: row.container.as_deref(),
        created_at: web::time::naive_micros(row.created_at),
        updated_at: row.updated_at.map(web::time::naive_micros),
        name: row.name.as_deref(),
        description: row.description.as_deref(),
        fail_reason: row.fail_reason.as_deref(),
        volume_id: &row.volume_id,
        links: links(call, &format!("backups/{}", row.id)),
        is_incremental: row.parent_id.is_some(),
        has_dependent_backups: one.is_parent,
        snapshot_id: row.snapshot_id.as_deref(),
        data_timestamp: web::time::naive_micros(row.data_timestamp),
        metadata: &one.metadata,
        project_id: more.then_some(&row.project_id),
        user_id: more.then_some(&row.user_id),
    }
}
