//! Volumes that are offered to another project.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub volume_id: String,
    /// Who offers it.
    pub project_id: String,
    pub name: Option<String>,
    /// sha256 of salt and key: the key itself is told once.
    pub salt: String,
    pub digest: String,
    /// Whether snapshots stay with who offers.
    pub no_snapshots: bool,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
