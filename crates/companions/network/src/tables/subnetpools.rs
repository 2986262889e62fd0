//! Pools that subnets take their ranges from.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_subnetpools")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub ip_version: i32,
    #[sea_orm(column_type = "Text")]
    pub prefixes: String,
    pub default_prefixlen: i32,
    pub min_prefixlen: i32,
    pub max_prefixlen: i32,
    pub default_quota: Option<i32>,
    pub address_scope_id: Option<String>,
    pub shared: bool,
    pub is_default: bool,
    #[sea_orm(column_type = "Text")]
    pub tags: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
