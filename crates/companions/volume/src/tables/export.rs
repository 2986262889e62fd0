//! Volumes that are served to hosts. A row is there before anything serves its volume, and goes before that ends: what
//! serves a volume without a row is ended.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "exports")]
pub struct Model {
    /// The attachment's; where there is none, made from the volume and the host.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub volume_id: String,
    /// Whether an attachment has this id.
    pub attached: bool,
    /// Name of the machine that serves the volume.
    pub machine: String,
    /// `HOST@BACKEND` of the volume.
    pub backend: String,
    /// What serves the volume, as `target_helper` says it.
    pub helper: String,
    pub read_only: bool,
    /// A random text, new for each export: what the host must know to reach the volume, or a part of its name.
    pub token: String,
    /// The TCP port that serves nothing else; none where all exports of a machine have one port.
    pub port: Option<i32>,
    /// The name of the host's iSCSI initiator, which alone is let in.
    #[sea_orm(column_type = "Text", nullable)]
    pub initiator: Option<String>,
    /// The password of this export, sealed.
    #[sea_orm(column_type = "Text", nullable)]
    pub secret: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
impl Model {
    /// One of an attachment to a volume, of a back end that serves nothing.
    pub fn sample(id: &str, volume_id: &str) -> Self {
        Model {
            id: id.to_owned(),
            volume_id: volume_id.to_owned(),
            attached: true,
            machine: "here".to_owned(),
            backend: "here@file".to_owned(),
            helper: "local".to_owned(),
            read_only: false,
            token: String::new(),
            port: None,
            initiator: None,
            secret: None,
            created_at: sql::micros(Utc::now()),
        }
    }
}

impl std::fmt::Debug for Model {
    /// Without what opens the export.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("id", &self.id)
            .field("volume_id", &self.volume_id)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
