//! Hosts whose data plane reported, as agents.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// An agent that was silent for longer is down (Neutron's `agent_down_time`).
pub const DOWN_AFTER_SECONDS: i64 = 75;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_agents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub host: String,
    pub agent_type: String,
    pub binary_name: String,
    pub topic: String,
    pub availability_zone: String,
    pub admin_state_up: bool,
    pub description: String,
    #[sea_orm(column_type = "Text")]
    pub configurations: String,
    pub created_at: DateTime<Utc>,
    pub started_at: DateTime<Utc>,
    pub heartbeat_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
