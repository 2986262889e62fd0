//! Ports, each with its active binding (host, VNIC and VIF type, profile).

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

use crate::words::{Status, VifType, VnicType};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_ports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub network_id: String,
    pub name: String,
    pub description: String,
    pub mac_address: String,
    pub admin_state_up: bool,
    pub status: Status,
    pub device_id: String,
    pub device_owner: String,
    pub port_security_enabled: bool,
    pub dns_name: String,
    pub dns_domain: String,
    #[sea_orm(column_type = "Text")]
    pub allowed_address_pairs: String,
    #[sea_orm(column_type = "Text")]
    pub extra_dhcp_opts: String,
    pub host: String,
    pub vnic_type: VnicType,
    pub vif_type: VifType,
    #[sea_orm(column_type = "Text")]
    pub vif_details: String,
    #[sea_orm(column_type = "Text")]
    pub profile: String,
    #[sea_orm(column_type = "Text")]
    pub tags: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
