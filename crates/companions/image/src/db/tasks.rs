//! Tasks: imports under way and finished.

use std::time::Duration;

use chrono::Utc;
use sql::sea_orm::sea_query::{Expr, ExprTrait};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait,
    Order, QueryFilter, QueryOrder, QuerySelect,
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

/// Which tasks are listed, and in which order.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Columns of texts, with what they must hold.
    pub equal: Vec<(task::Column, &'a str)>,
    pub status: Option<TaskStatus>,
    /// A column that holds something in every row: what is sorted by before the age.
    pub sorted_by: Option<task::Column>,
    /// Upwards: the oldest first.
    pub ascending: bool,
    /// At most so many, behind this one.
    pub limit: Option<u64>,
    pub marker: Option<&'a task::Model>,
}

/// Tasks, newest first if no other order is asked for.
pub async fn list<C: ConnectionTrait>(
    db: &C,
    wanted: &Wanted<'_>,
) -> Result<Vec<task::Model>, DbErr> {
    use task::Column as T;
    let columns = wanted.sorted_by.into_iter().chain([T::CreatedAt, T::Id]);
    let columns: Vec<T> = columns.collect();
    let behind = wanted
        .marker
        .map(|marker| behind(&columns, wanted.ascending, marker));
    let equal = wanted.equal.iter().map(|(column, text)| column.eq(*text));
    let conditions = equal
        .fold(Condition::all(), Condition::add)
        .add_option(wanted.status.map(|status| T::Status.eq(status)))
        .add_option(behind);
    let order = || match wanted.ascending {
        true => Order::Asc,
        false => Order::Desc,
    };
    let rows = task::Entity::find().filter(conditions);
    let rows = columns
        .iter()
        .fold(rows, |rows, column| rows.order_by(*column, order()));
    rows.limit(wanted.limit).all(db).await
}

/// Tasks behind the marker: alike in the first columns and beyond it in the next, for each beginning of the order.
fn behind(columns: &[task::Column], ascending: bool, marker: &task::Model) -> Condition {
    let mut any = Condition::any();
    for (at, column) in columns.iter().enumerate() {
        let value = marker.get(*column);
        let beyond = match ascending {
            true => column.gt(value),
            false => column.lt(value),
        };
        let earlier = columns[..at].iter();
        let alike = earlier.fold(beyond, |all, earlier| {
            all.and(earlier.eq(marker.get(*earlier)))
        });
        any = any.add(alike);
    }
    any
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
