//! Ids of deleted images. An id is a promise: hosts keep an image's data under it, and users name it
//! in their tools. A stranger who took the id of a deleted image would be handed its data by a host
//! that still has it, or would slip their own data to those who still ask for it.

use chrono::Utc;
use sql::sea_orm::sea_query::OnConflict;
use sql::sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel};

use crate::tables::gone;

/// Notes that the image is gone for good.
pub async fn add<C: ConnectionTrait>(db: &C, id: &str) -> Result<(), DbErr> {
    let row = gone::Model {
        id: id.to_owned(),
        deleted_at: sql::micros(Utc::now()),
    };
    let again = OnConflict::column(gone::Column::Id)
        .update_column(gone::Column::DeletedAt)
        .to_owned();
    gone::Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Whether an image of this id was deleted.
pub async fn is_gone<C: ConnectionTrait>(db: &C, id: &str) -> Result<bool, DbErr> {
    Ok(gone::Entity::find_by_id(id).one(db).await?.is_some())
}
