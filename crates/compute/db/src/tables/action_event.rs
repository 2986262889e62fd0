//! The steps of actions.

use sql::sea_orm::{self, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "instance_action_events")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    pub server_id: String,
    pub request_id: String,
    pub event: String,
    pub start_time: ChronoDateTimeUtc,
    pub finish_time: Option<ChronoDateTimeUtc>,
    pub result: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub traceback: Option<String>,
    pub host: Option<String>,
    pub details: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
