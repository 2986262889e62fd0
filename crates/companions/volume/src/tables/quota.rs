//! Limits that were set for a project, or for a class of projects.

use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// Whom a limit holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Whom {
    #[sea_orm(string_value = "project")]
    Project,
    /// The class `default` holds for all projects without a limit of their own.
    #[sea_orm(string_value = "class")]
    Class,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quotas")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub whom: Whom,
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner: String,
    /// `volumes`, or `volumes_TYPE` for those of one type.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    /// Negative: without limit.
    pub most: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
