//! What users are told of work that failed after it was accepted.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    /// The request that asked for the work.
    pub request_id: String,
    /// `VOLUME`, `VOLUME_SNAPSHOT` or `VOLUME_BACKUP`.
    pub resource_type: String,
    pub resource_uuid: Option<String>,
    /// What was being done, by Cinder's number.
    pub action_id: String,
    /// What happened, by Cinder's number.
    pub detail_id: String,
    pub event_id: String,
    pub message_level: String,
    pub created_at: DateTime<Utc>,
    /// It is kept until then at least.
    pub expires_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
