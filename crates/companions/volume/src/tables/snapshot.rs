//! Snapshots of volumes.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// Where a snapshot is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
pub enum SnapshotStatus {
    #[sea_orm(string_value = "creating")]
    Creating,
    #[sea_orm(string_value = "available")]
    Available,
    #[sea_orm(string_value = "deleting")]
    Deleting,
    #[sea_orm(string_value = "restoring")]
    Restoring,
    #[sea_orm(string_value = "backing-up")]
    BackingUp,
    #[sea_orm(string_value = "unmanaging")]
    Unmanaging,
    #[sea_orm(string_value = "error")]
    Error,
    #[sea_orm(string_value = "error_deleting")]
    ErrorDeleting,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "snapshots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub volume_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: SnapshotStatus,
    /// Percent, where others make its bytes and said so.
    pub progress: Option<i32>,
    /// GiB of its volume when it was made.
    pub size: i64,
    /// The type of its volume when it was made: its gigabytes count against that.
    pub type_id: String,
    pub group_snapshot_id: Option<String>,
    /// Whether it counts against the quota of its project.
    pub consumes_quota: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
