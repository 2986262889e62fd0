//! QoS specs.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// Who enforces them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Consumer {
    /// The hypervisor.
    #[sea_orm(string_value = "front-end")]
    FrontEnd,
    /// What keeps the bytes.
    #[sea_orm(string_value = "back-end")]
    BackEnd,
    #[sea_orm(string_value = "both")]
    Both,
}

impl Consumer {
    /// Whether hosts enforce the specs, alone or too.
    pub fn has_hosts(self) -> bool {
        self != Consumer::BackEnd
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "qos_specs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Unique.
    pub name: String,
    pub consumer: Consumer,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
