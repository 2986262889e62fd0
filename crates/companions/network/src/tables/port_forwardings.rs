//! Ports of floating addresses that lead to a port of a guest. The keys keep both ends unique.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

use crate::words::Transport;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_port_forwardings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub floatingip_id: String,
    pub protocol: Transport,
    pub external_port: i32,
    pub internal_port_id: String,
    pub internal_ip_address: String,
    pub internal_port: i32,
    pub description: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
