//! Services that report themselves.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sql::SqlError;
use sql::sea_orm::sea_query::{Expr, OnConflict};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
};

use crate::tables::service::{Binary, Column, Entity, Model};

/// A service that said nothing for so long is down [service_down_time].
pub const DOWN_AFTER: Duration = Duration::from_secs(60);

/// Whether a service is up, by the database's clock.
pub fn is_up(service: &Model, now: DateTime<Utc>) -> bool {
    let silent = now - service.seen_at;
    silent.to_std().is_ok_and(|silent| silent <= DOWN_AFTER) || silent < chrono::TimeDelta::zero()
}

/// Writes that a service is there, and what its pool has. What operators decided about it stays.
pub async fn report(db: &impl ConnectionTrait, mut row: Model) -> Result<(), SqlError> {
    row.seen_at = sql::now(db).await?;
    row.created_at = row.seen_at;
    let again = OnConflict::columns([Column::Binary, Column::Host])
        .update_columns([Column::Pool, Column::Zone, Column::SeenAt])
        .to_owned();
    Entity::insert(row.into_active_model())
        .on_conflict(again)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Services, as asked for.
pub async fn list(
    db: &impl ConnectionTrait,
    binary: Option<Binary>,
    host: Option<&str>,
) -> Result<Vec<Model>, DbErr> {
    let on_host = host.map(|host| {
        Condition::any()
            .add(Column::Host.eq(host))
            .add(Column::Host.starts_with(format!("{host}@")))
    });
    Entity::find()
        .filter(Condition::all().add_option(binary.map(|binary| Column::Binary.eq(binary))))
        .filter(Condition::all().add_option(on_host))
        .order_by_asc(Column::Binary)
        .order_by_asc(Column::Host)
        .all(db)
        .await
}

/// One service.
pub async fn find(
    db: &impl ConnectionTrait,
    binary: Binary,
    host: &str,
) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id((binary, host.to_owned())).one(db).await
}

/// What operators decide about a service; whether it is there.
pub async fn enable(
    db: &impl ConnectionTrait,
    (binary, host): (Binary, &str),
    disabled: bool,
    reason: Option<&str>,
) -> Result<bool, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::Disabled, Expr::value(disabled))
        .col_expr(
            Column::DisabledReason,
            Expr::value(reason.map(str::to_owned)),
        )
        .filter(Column::Binary.eq(binary))
        .filter(Column::Host.eq(host))
        .exec(db)
        .await?;
    // MariaDB counts rows that changed.
    Ok(done.rows_affected > 0 || find(db, binary, host).await?.is_some())
}

/// Freezes a back end, or thaws it; whether it changed.
pub async fn freeze(db: &impl ConnectionTrait, host: &str, frozen: bool) -> Result<bool, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::Frozen, Expr::value(frozen))
        .filter(Column::Binary.eq(Binary::Volume))
        .filter(Column::Host.eq(host))
        .filter(Column::Frozen.eq(!frozen))
        .exec(db)
        .await?;
    Ok(done.rows_affected > 0)
}
