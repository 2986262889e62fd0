//! Addresses in use. The key makes handing out one address twice impossible.

use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_allocations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub subnet_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub ip_address: String,
    pub port_id: String,
    pub network_id: String,
    pub position: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
