//! Tasks: imports under way and finished.

use std::time::Duration;

use chrono::Utc;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use crate::tables::{TaskStatus, task};

/// Writes a new task, and forgets those whose time is over.
pub async fn add<C: ConnectionTrait>(db: &C, task: &task::Model) -> Result<(), DbErr> {
    forget_expired(db).await?;
    task::Entity::insert(task.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// The task.
pub async fn find<C: ConnectionTrait>(db: &C, id: &str) -> Result<Option<task::Model>, DbErr> {
    task::Entity::find_by_id(id).one(db).await
}

/// Tasks, newest first; only those of an image when one is named.
pub async fn list<C: ConnectionTrait>(
    db: &C,
    image: Option<&str>,
) -> Result<Vec<task::Model>, DbErr> {
    let mut query = task::Entity::find()
        .order_by_desc(task::Column::CreatedAt)
        .order_by_desc(task::Column::Id);
    if let Some(image) = image {
        query = query.filter(task::Column::ImageId.eq(image));
    }
    query.all(db).await
}

/// Tasks that have not ended.
pub async fn unfinished<C: ConnectionTrait>(db: &C) -> Result<Vec<task::Model>, DbErr> {
    task::Entity::find()
        .filter(task::Column::Status.is_in([TaskStatus::Pending, TaskStatus::Processing]))
        .all(db)
        .await
}

/// Ends a task with a message, unless it ended before.
pub async fn end<C: ConnectionTrait>(
    db: &C,
    id: &str,
    status: TaskStatus,
    message: &str,
    ttl: Duration,
) -> Result<(), DbErr> {
    let now = sql::micros(Utc::now());
    let ttl = chrono::Duration::from_std(ttl).unwrap_or(chrono::Duration::days(2));
    task::Entity::update_many()
        .col_expr(task::Column::Status, Expr::value(status))
        .col_expr(task::Column::Message, Expr::value(message))
        .col_expr(task::Column::UpdatedAt, Expr::value(now))
        .col_expr(task::Column::ExpiresAt, Expr::value(now + ttl))
        .filter(task::Column::Id.eq(id))
        .filter(task::Column::Status.is_in([TaskStatus::Pending, TaskStatus::Processing]))
        .exec(db)
        .await?;
    Ok(())
}

/// Forgets tasks whose time is over.
pub async fn forget_expired<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    task::Entity::delete_many()
        .filter(task::Column::ExpiresAt.lt(sql::micros(Utc::now())))
        .exec(db)
        .await?;
    Ok(())
}
