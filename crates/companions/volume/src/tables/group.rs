//! Groups of volumes.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// Where a group or a snapshot of one is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
pub enum GroupStatus {
    #[sea_orm(string_value = "creating")]
    Creating,
    #[sea_orm(string_value = "available")]
    Available,
    #[sea_orm(string_value = "updating")]
    Updating,
    #[sea_orm(string_value = "in-use")]
    InUse,
    #[sea_orm(string_value = "deleting")]
    Deleting,
    #[sea_orm(string_value = "deleted")]
    Deleted,
    #[sea_orm(string_value = "error")]
    Error,
    #[sea_orm(string_value = "error_deleting")]
    ErrorDeleting,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "volume_groups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub group_type_id: String,
    pub status: GroupStatus,
    pub availability_zone: Option<String>,
    /// `HOST@BACKEND#POOL`, where all its volumes are; none until it was placed.
    pub host: Option<String>,
    /// What it was made of.
    pub group_snapshot_id: Option<String>,
    pub source_group_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
