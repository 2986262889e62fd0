//! Layer-2 networks. Who else may use one is in `rbac_policies`.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

use crate::words::{NetworkType, Status};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_networks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub admin_state_up: bool,
    pub status: Status,
    pub mtu: i32,
    pub port_security_enabled: bool,
    pub is_default: bool,
    pub network_type: NetworkType,
    pub physical_network: Option<String>,
    pub segmentation_id: Option<i32>,
    pub dns_domain: String,
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

#[cfg(test)]
impl Model {
    /// A network that tests put in.
    pub fn plain(id: &str) -> Self {
        let now = sql::micros(Utc::now());
        Model {
            id: id.to_owned(),
            project_id: "p".to_owned(),
            name: String::new(),
            description: String::new(),
            admin_state_up: true,
            status: Status::Active,
            mtu: 1500,
            port_security_enabled: true,
            is_default: false,
            network_type: NetworkType::Local,
            physical_network: None,
            segmentation_id: None,
            dns_domain: String::new(),
            availability_zone_hints: "[]".to_owned(),
            tags: "[]".to_owned(),
            created_at: now,
            updated_at: now,
            revision: 1,
        }
    }
}
