//! What users asked of servers.

use sql::sea_orm::{self, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "instance_actions")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    pub server_id: String,
    pub request_id: String,
    pub action: String,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub start_time: ChronoDateTimeUtc,
    pub updated_at: Option<ChronoDateTimeUtc>,
    pub message: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
