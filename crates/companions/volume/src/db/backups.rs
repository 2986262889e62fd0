//! Backups and what depends on them.

use std::collections::HashSet;

use sql::sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
};

use crate::db::properties;
use crate::db::store::{self, Tx};
use crate::tables::backup::{Column, Entity};
use crate::tables::{BackupStatus, Owner, backup};

/// Those of these backups that others build upon.
pub async fn parents(db: &impl ConnectionTrait, ids: &[&str]) -> Result<HashSet<String>, DbErr> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let found: Vec<Option<String>> = Entity::find()
        .select_only()
        .column(Column::ParentId)
        .filter(Column::ParentId.is_in(ids.iter().copied()))
        .distinct()
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Whether others build upon a backup.
pub async fn has_children(db: &impl ConnectionTrait, id: &str) -> Result<bool, DbErr> {
    let count = Entity::find()
        .filter(Column::ParentId.eq(id))
        .count(db)
        .await?;
    Ok(count > 0)
}

/// A project's backups of a volume.
pub async fn of_volume(
    db: &impl ConnectionTrait,
    project_id: &str,
    volume_id: &str,
) -> Result<Vec<backup::Model>, DbErr> {
    Entity::find()
        .filter(Column::ProjectId.eq(project_id))
        .filter(Column::VolumeId.eq(volume_id))
        .all(db)
        .await
}

/// Removes the row of a backup and what belongs to it.
pub async fn forget(tx: &Tx, id: &str) -> Result<(), DbErr> {
    properties::forget(tx, Owner::Backup, id).await?;
    store::remove::<Entity>(tx, id).await?;
    Ok(())
}

/// A backup, which was locked, ends with an error.
pub async fn fail(tx: &Tx, mut row: backup::Model, why: &str) -> Result<(), DbErr> {
    row.status = BackupStatus::Error;
    row.fail_reason = Some(why.to_owned());
    row.updated_at = Some(store::now());
    store::save(tx, row).await
}
