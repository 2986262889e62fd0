//! Bindings prepared for a live migration; the active one lives in `ports`.

use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

use crate::words::{VifType, VnicType};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_port_bindings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub port_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub host: String,
    pub vnic_type: VnicType,
    pub vif_type: VifType,
    #[sea_orm(column_type = "Text")]
    pub vif_details: String,
    #[sea_orm(column_type = "Text")]
    pub profile: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
