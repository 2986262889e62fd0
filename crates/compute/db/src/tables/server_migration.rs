//! The ways of servers to another size or host.

use sql::sea_orm::{self, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "server_migrations")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    #[sea_orm(unique)]
    pub id: String,
    pub server_id: String,
    pub kind: String,
    pub status: String,
    pub source_host: String,
    pub source_node: String,
    pub dest_host: String,
    pub dest_node: String,
    pub dest_ip: Option<String>,
    pub old_flavor: i64,
    pub new_flavor: i64,
    pub user_id: String,
    pub project_id: String,
    pub created_at: ChronoDateTimeUtc,
    pub updated_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
