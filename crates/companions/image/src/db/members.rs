//! Members: the projects that an image is shared with.

use sql::sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::tables::{MemberStatus, member};

/// The membership of `project`, if there is one.
pub async fn find<C: ConnectionTrait>(
    db: &C,
    image: &str,
    project: &str,
) -> Result<Option<member::Model>, DbErr> {
    member::Entity::find_by_id((image.to_owned(), project.to_owned()))
        .one(db)
        .await
}

/// All members of an image, oldest first.
pub async fn list<C: ConnectionTrait>(db: &C, image: &str) -> Result<Vec<member::Model>, DbErr> {
    member::Entity::find()
        .filter(member::Column::ImageId.eq(image))
        .order_by_asc(member::Column::CreatedAt)
        .order_by_asc(member::Column::Member)
        .all(db)
        .await
}

/// How many members an image has.
pub async fn count<C: ConnectionTrait>(db: &C, image: &str) -> Result<u64, DbErr> {
    member::Entity::find()
        .filter(member::Column::ImageId.eq(image))
        .count(db)
        .await
}

/// Adds a member; a duplicate breaks the primary key.
pub async fn add<C: ConnectionTrait>(db: &C, member: &member::Model) -> Result<(), DbErr> {
    member::Entity::insert(member.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Writes the member's answer.
pub async fn answer<C: ConnectionTrait>(
    db: &C,
    mut row: member::Model,
    status: MemberStatus,
) -> Result<member::Model, DbErr> {
    row.status = status;
    row.updated_at = sql::micros(chrono::Utc::now());
    let mut changed: member::ActiveModel = row.clone().into();
    changed.reset(member::Column::Status);
    changed.reset(member::Column::UpdatedAt);
    changed.update(db).await?;
    Ok(row)
}

/// Removes a member; whether it was there.
pub async fn remove<C: ConnectionTrait>(db: &C, image: &str, project: &str) -> Result<bool, DbErr> {
    let gone = member::Entity::delete_by_id((image.to_owned(), project.to_owned()))
        .exec(db)
        .await?;
    Ok(gone.rows_affected == 1)
}
