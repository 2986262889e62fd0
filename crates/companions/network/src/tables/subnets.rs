//! Address ranges of networks.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_subnets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub network_id: String,
    pub name: String,
    pub description: String,
    pub ip_version: i32,
    pub cidr: String,
    pub gateway_ip: Option<String>,
    pub enable_dhcp: bool,
    pub ipv6_ra_mode: Option<String>,
    pub ipv6_address_mode: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub allocation_pools: String,
    #[sea_orm(column_type = "Text")]
    pub dns_nameservers: String,
    #[sea_orm(column_type = "Text")]
    pub host_routes: String,
    #[sea_orm(column_type = "Text")]
    pub service_types: String,
    pub subnetpool_id: Option<String>,
    pub dns_publish_fixed_ip: bool,
    #[sea_orm(column_type = "Text")]
    pub tags: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
