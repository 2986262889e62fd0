//! Backups of volumes.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// Where a backup is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
pub enum BackupStatus {
    #[sea_orm(string_value = "creating")]
    Creating,
    #[sea_orm(string_value = "available")]
    Available,
    /// A volume is made to hold what it holds.
    #[sea_orm(string_value = "restoring")]
    Restoring,
    #[sea_orm(string_value = "deleting")]
    Deleting,
    #[sea_orm(string_value = "error")]
    Error,
    #[sea_orm(string_value = "error_deleting")]
    ErrorDeleting,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "backups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    /// The volume that it is of, which may be gone.
    pub volume_id: String,
    /// The snapshot that it is of, which may be gone.
    pub snapshot_id: Option<String>,
    /// The backup that an incremental one builds upon.
    pub parent_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: BackupStatus,
    /// GiB of the volume.
    pub size: i64,
    /// Files of data.
    pub object_count: i64,
    /// A name that the client gave; nothing is called by it.
    pub container: Option<String>,
    pub availability_zone: Option<String>,
    /// The host in whose folder it is; none until it was placed.
    pub host: Option<String>,
    /// What keeps it; none until it was placed.
    pub service: Option<String>,
    pub fail_reason: Option<String>,
    /// The volume that it was restored to last.
    pub restore_volume_id: Option<String>,
    /// When the volume held what it holds.
    pub data_timestamp: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
