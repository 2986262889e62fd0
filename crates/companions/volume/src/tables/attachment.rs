//! Attachments of volumes to servers and hosts.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

use super::Status;

/// How far an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum AttachStatus {
    /// No connector is known yet.
    #[sea_orm(string_value = "reserved")]
    Reserved,
    #[sea_orm(string_value = "attaching")]
    Attaching,
    #[sea_orm(string_value = "attached")]
    Attached,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attachments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub volume_id: String,
    /// The project of the volume.
    pub project_id: String,
    pub status: AttachStatus,
    /// The server that attaches it; none for a host that does so itself.
    pub instance_id: Option<String>,
    pub host: Option<String>,
    pub mountpoint: Option<String>,
    /// `rw`, `ro`, or `null` where nobody said.
    pub mode: Option<String>,
    /// JSON: the connector of the host.
    #[sea_orm(column_type = "Text", nullable)]
    pub connector: Option<String>,
    /// JSON: how the host reaches the volume. Tells where data lies: for services and whose it is.
    #[sea_orm(column_type = "Text", nullable)]
    pub connection: Option<String>,
    pub attached_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
impl Model {
    /// One of a server to a volume.
    pub fn sample(volume_id: &str, status: AttachStatus) -> Self {
        Model {
            id: uuid::Uuid::new_v4().to_string(),
            volume_id: volume_id.to_owned(),
            project_id: "project".to_owned(),
            status,
            instance_id: Some(uuid::Uuid::new_v4().to_string()),
            host: None,
            mountpoint: None,
            mode: None,
            connector: None,
            connection: None,
            attached_at: None,
            created_at: sql::micros(Utc::now()),
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The status of a volume that is at rest, by its attachments.
pub fn at_rest(attachments: &[Model]) -> Status {
    let any = |status| attachments.iter().any(|one| one.status == status);
    if any(AttachStatus::Attached) {
        Status::InUse
    } else if any(AttachStatus::Attaching) {
        Status::Attaching
    } else if any(AttachStatus::Reserved) {
        Status::Reserved
    } else {
        Status::Available
    }
}
