//! Services that report themselves: the scheduler, the back ends with their capacity, backups.

#![allow(clippy::enum_variant_names)] // names that the derive makes of Cinder's words

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// What a service does, in the words of Cinder's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
pub enum Binary {
    #[sea_orm(string_value = "cinder-scheduler")]
    Scheduler,
    #[sea_orm(string_value = "cinder-volume")]
    Volume,
    #[sea_orm(string_value = "cinder-backup")]
    Backup,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "services")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub binary: Binary,
    /// `HOST`, or `HOST@BACKEND` of a back end.
    #[sea_orm(primary_key, auto_increment = false)]
    pub host: String,
    /// For `service_uuid` of volumes.
    pub id: String,
    pub zone: String,
    pub disabled: bool,
    pub disabled_reason: Option<String>,
    /// Whether no new volumes and snapshots may be made on it.
    pub frozen: bool,
    /// JSON: what a back end says of its one pool; empty for others.
    #[sea_orm(column_type = "Text")]
    pub pool: String,
    pub created_at: DateTime<Utc>,
    /// By the database's clock.
    pub seen_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
