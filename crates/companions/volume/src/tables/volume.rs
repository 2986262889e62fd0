//! Volumes.

use chrono::{DateTime, Utc};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// Where a volume is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
pub enum Status {
    #[sea_orm(string_value = "creating")]
    Creating,
    #[sea_orm(string_value = "available")]
    Available,
    /// An attachment is being made.
    #[sea_orm(string_value = "reserved")]
    Reserved,
    #[sea_orm(string_value = "attaching")]
    Attaching,
    #[sea_orm(string_value = "detaching")]
    Detaching,
    #[sea_orm(string_value = "in-use")]
    InUse,
    #[sea_orm(string_value = "maintenance")]
    Maintenance,
    #[sea_orm(string_value = "deleting")]
    Deleting,
    #[sea_orm(string_value = "awaiting-transfer")]
    AwaitingTransfer,
    #[sea_orm(string_value = "downloading")]
    Downloading,
    #[sea_orm(string_value = "uploading")]
    Uploading,
    /// It moves to another back end and shows as before; `maintenance` where an administrator locked one that no server has.
    #[sea_orm(string_value = "migrating")]
    Migrating,
    #[sea_orm(string_value = "retyping")]
    Retyping,
    #[sea_orm(string_value = "extending")]
    Extending,
    #[sea_orm(string_value = "reverting")]
    Reverting,
    #[sea_orm(string_value = "backing-up")]
    BackingUp,
    #[sea_orm(string_value = "restoring-backup")]
    RestoringBackup,
    #[sea_orm(string_value = "managing")]
    Managing,
    #[sea_orm(string_value = "error")]
    Error,
    #[sea_orm(string_value = "error_deleting")]
    ErrorDeleting,
    #[sea_orm(string_value = "error_extending")]
    ErrorExtending,
    #[sea_orm(string_value = "error_restoring")]
    ErrorRestoring,
    #[sea_orm(string_value = "error_backing-up")]
    ErrorBackingUp,
    #[sea_orm(string_value = "error_managing")]
    ErrorManaging,
}

impl Status {
    /// Whether something went wrong with it.
    pub fn is_error(self) -> bool {
        matches!(
            self,
            Status::Error
                | Status::ErrorDeleting
                | Status::ErrorExtending
                | Status::ErrorRestoring
                | Status::ErrorBackingUp
                | Status::ErrorManaging
        )
    }

    /// Whether its bytes are being replaced: who opened it now would keep those of before.
    pub fn is_rewritten(self) -> bool {
        matches!(
            self,
            Status::Downloading | Status::Reverting | Status::RestoringBackup
        )
    }
}

/// How far a volume is that moves to another back end, or how its last move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(32))")]
pub enum MigrationStatus {
    #[sea_orm(string_value = "starting")]
    Starting,
    /// It is copied.
    #[sea_orm(string_value = "migrating")]
    Migrating,
    /// It is on the other back end; the old copy goes.
    #[sea_orm(string_value = "completing")]
    Completing,
    #[sea_orm(string_value = "success")]
    Success,
    #[sea_orm(string_value = "error")]
    Error,
}

impl MigrationStatus {
    /// Whether it has not ended.
    pub fn is_passing(self) -> bool {
        matches!(
            self,
            MigrationStatus::Starting | MigrationStatus::Migrating | MigrationStatus::Completing
        )
    }
}

impl Model {
    /// Whether it moves to another back end, or is that to which another one moves.
    pub fn is_moving(&self) -> bool {
        self.target_of.is_some()
            || self
                .migration_status
                .is_some_and(MigrationStatus::is_passing)
    }

    /// The id by which its back end has it.
    pub fn on_back_end(&self) -> &str {
        self.target_of.as_deref().unwrap_or(&self.id)
    }

    /// Gives it the status that an administrator says. A move that is under way sees that it may not go on, and takes its copy
    /// back.
    pub fn reset(&mut self, status: Status) {
        if self.is_moving() {
            self.migration_status = Some(MigrationStatus::Error);
        }
        self.status = status;
        self.previous = None;
    }

    /// One of 1 GiB, of `user` in `project`, that is on no back end.
    #[cfg(test)]
    pub fn sample(status: Status) -> Self {
        Model {
            id: uuid::Uuid::new_v4().to_string(),
            project_id: "project".to_owned(),
            user_id: "user".to_owned(),
            name: None,
            description: None,
            status,
            previous: None,
            size: 1,
            type_id: "kind".to_owned(),
            availability_zone: None,
            host: None,
            migration_status: None,
            target_of: None,
            bootable: false,
            multiattach: false,
            readonly: None,
            snapshot_id: None,
            source_volid: None,
            group_id: None,
            consumes_quota: true,
            created_at: sql::micros(Utc::now()),
            updated_at: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "volumes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: Status,
    /// What it was before an operation that leads back to it.
    pub previous: Option<Status>,
    /// GiB.
    pub size: i64,
    pub type_id: String,
    pub availability_zone: Option<String>,
    /// `HOST@BACKEND#POOL`; none until it was placed.
    pub host: Option<String>,
    pub migration_status: Option<MigrationStatus>,
    /// The volume whose place it is to take, which a server has. It is on its back end by the id of that one.
    pub target_of: Option<String>,
    pub bootable: bool,
    /// Whether several servers may attach it.
    pub multiattach: bool,
    /// Whether attachments may only read.
    pub readonly: Option<bool>,
    pub snapshot_id: Option<String>,
    pub source_volid: Option<String>,
    pub group_id: Option<String>,
    /// Whether it counts against the quota of its project.
    pub consumes_quota: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
