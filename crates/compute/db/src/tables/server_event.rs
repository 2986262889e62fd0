//! The sequence of events.

use sql::sea_orm::{self, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "server_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub kind: String,
    pub server_id: String,
    pub project_id: String,
    pub user_id: String,
    pub host: Option<String>,
    pub old_vm_state: Option<String>,
    pub old_task_state: Option<String>,
    pub old_power_state: Option<i32>,
    pub vm_state: String,
    pub task_state: Option<String>,
    pub power_state: i32,
    pub at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
