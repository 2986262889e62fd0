//! Servers of groups; a server is in one group at most.

use sql::sea_orm::{self, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "server_group_members")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    pub group_id: String,
    #[sea_orm(unique)]
    pub server_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
