//! Tasks: imports under way and finished.

use std::time::Duration;

use chrono::Utc;
use sql::sea_orm::sea_query::{Expr, ExprTrait};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
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

/// Which tasks are listed.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    pub kind: Option<&'a str>,
    pub status: Option<TaskStatus>,
    pub image: Option<&'a str>,
    pub owner: Option<&'a str>,
    /// At most so many, behind this one.
    pub limit: Option<u64>,
    pub marker: Option<&'a task::Model>,
}

/// Tasks, newest first.
pub async fn list<C: ConnectionTrait>(
    db: &C,
    wanted: &Wanted<'_>,
) -> Result<Vec<task::Model>, DbErr> {
    use task::Column as T;
    let behind = wanted.marker.map(|marker| {
        let as_old = T::CreatedAt
            .eq(marker.created_at)
            .and(T::Id.lt(marker.id.as_str()));
        T::CreatedAt.lt(marker.created_at).or(as_old)
    });
    let conditions = Condition::all()
        .add_option(wanted.kind.map(|kind| T::Kind.eq(kind)))
        .add_option(wanted.status.map(|status| T::Status.eq(status)))
        .add_option(wanted.image.map(|image| T::ImageId.eq(image)))
        .add_option(wanted.owner.map(|owner| T::Owner.eq(owner)))
        .add_option(behind);
    task::Entity::find()
        .filter(conditions)
        .order_by_desc(T::CreatedAt)
        .order_by_desc(T::Id)
        .limit(wanted.limit)
        .all(db)
        .await
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
