//! Names with values that belong to something: metadata, extra specs and the like.

use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// What a set of names belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Owner {
    /// Metadata of a volume.
    #[sea_orm(string_value = "volume")]
    Volume,
    /// What a volume knows of its image.
    #[sea_orm(string_value = "image")]
    Image,
    /// Metadata of a snapshot.
    #[sea_orm(string_value = "snapshot")]
    Snapshot,
    /// What a snapshot knows of the image of its volume.
    #[sea_orm(string_value = "snapshot-image")]
    SnapshotImage,
    /// Extra specs of a type.
    #[sea_orm(string_value = "type")]
    Type,
    /// QoS specs.
    #[sea_orm(string_value = "qos")]
    Qos,
    /// Metadata of a backup.
    #[sea_orm(string_value = "backup")]
    Backup,
    /// Specs of a type of groups.
    #[sea_orm(string_value = "group-type")]
    GroupType,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "properties")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Owner,
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub value: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
