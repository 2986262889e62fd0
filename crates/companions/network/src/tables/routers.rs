//! Routers; their interfaces are ports that name them as device.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

use crate::words::Status;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_routers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub admin_state_up: bool,
    pub status: Status,
    pub gateway_network_id: Option<String>,
    pub gateway_port_id: Option<String>,
    pub enable_snat: bool,
    #[sea_orm(column_type = "Text")]
    pub routes: String,
    #[sea_orm(column_type = "Text")]
    pub availability_zone_hints: String,
    #[sea_orm(column_type = "Text")]
    pub tags: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
