//! Projects that private types are open to.

use sql::sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::tables::access::{Column, Entity};

/// Whether a type is open to a project.
pub async fn is_open(
    db: &impl ConnectionTrait,
    type_id: &str,
    project_id: &str,
) -> Result<bool, DbErr> {
    let found = Entity::find_by_id((type_id.to_owned(), project_id.to_owned()));
    Ok(found.one(db).await?.is_some())
}

/// The projects that a type is open to.
pub async fn projects(db: &impl ConnectionTrait, type_id: &str) -> Result<Vec<String>, DbErr> {
    let rows = Entity::find()
        .filter(Column::TypeId.eq(type_id))
        .order_by_asc(Column::ProjectId)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.project_id).collect())
}

/// Closes a type to a project; whether it was open.
pub async fn close(
    tx: &impl ConnectionTrait,
    type_id: &str,
    project_id: &str,
) -> Result<bool, DbErr> {
    let gone = Entity::delete_by_id((type_id.to_owned(), project_id.to_owned()))
        .exec(tx)
        .await?;
    Ok(gone.rows_affected > 0)
}

/// Closes a type to all.
pub async fn forget(tx: &impl ConnectionTrait, type_id: &str) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::TypeId.eq(type_id))
        .exec(tx)
        .await?;
    Ok(())
}
