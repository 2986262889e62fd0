//! Forgetting what is old enough: deleted servers with all that was kept of them, actions of servers
//! that live, events, tokens for consoles that expired.
//!
//! Everything goes in slices, each a short transaction, by ways that have an index. A deleted server's
//! row is the proof that a host may remove its guest, so it stays while a guest may be left: until the
//! host was heard of for a while after the deletion, when it was told of it.

use chrono::{DateTime, TimeDelta, Utc};
use sql::Database;
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr};
use sql::sea_orm::{ActiveValue::Set, Condition, QueryOrder, QuerySelect};

use crate::hosts::COMPUTE;
use crate::tables::{
    action, action_event, claim, console_token, letting_go, quarantine, server, server_event,
    server_group_member, server_migration, server_password, service, turn,
};
use crate::{DbError, Result};

/// Rows that go in one transaction: it takes milliseconds.
pub const SLICE: u64 = 200;

/// How long a host must have been heard of since a server was deleted: several of its full reports,
/// which name all guests and are answered with those that are to go.
const TOLD: TimeDelta = TimeDelta::hours(1);

/// Takes the turn to do `name` until `length` from now, by the database's clock; false while
/// somebody else has it.
pub async fn take_turn(db: &Database, name: &str, length: TimeDelta) -> Result<bool> {
    sql::retry(|| async {
        let tx = db.begin().await?;
        let now = sql::now(&tx).await?;
        let first = turn::ActiveModel {
            name: Set(name.to_owned()),
            until: Set(now),
        };
        turn::Entity::insert(first)
            .on_conflict(
                OnConflict::column(turn::Column::Name)
                    // Changes nothing, and locks the row.
                    .update_column(turn::Column::Name)
                    .to_owned(),
            )
            .exec_without_returning(&tx)
            .await?;
        let taken = turn::Entity::update_many()
            .col_expr(turn::Column::Until, Expr::value(sql::micros(now + length)))
            .filter(turn::Column::Name.eq(name))
            .filter(turn::Column::Until.lte(now))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok(taken.rows_affected == 1)
    })
    .await
}

/// Forgets a slice of the servers that were deleted before `before` and that no host can still have;
/// gives how many.
pub async fn deleted_servers(db: &Database, before: DateTime<Utc>) -> Result<u64> {
    let ids: Vec<String> = server::Entity::find()
        .select_only()
        .column(server::Column::Id)
        .filter(server::Column::DeletedAt.lt(before))
        .filter(left_by_its_host(before))
        .order_by_asc(server::Column::DeletedAt)
        .limit(SLICE)
        .into_tuple()
        .all(db.read())
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    sql::retry(|| async {
        let tx = db.begin().await?;
        macro_rules! forget {
            ($table:ident, $column:ident) => {
                $table::Entity::delete_many()
                    .filter($table::Column::$column.is_in(ids.iter().map(String::as_str)))
                    .exec(&tx)
                    .await?
                    .rows_affected
            };
        }
        forget!(action_event, ServerId);
        forget!(action, ServerId);
        forget!(console_token, ServerId);
        forget!(server_password, ServerId);
        forget!(server_group_member, ServerId);
        forget!(server_migration, ServerId);
        let gone = forget!(server, Id);
        tx.commit().await?;
        Ok::<u64, DbError>(gone)
    })
    .await
}

/// No claim is left, no host is still to let the server go or has a guest of it in quarantine, and the server was on no
/// host, or on one that is forgotten, or on one that was
/// heard of since it was told of the deletion (which was before `before` at the latest).
fn left_by_its_host(before: DateTime<Utc>) -> Condition {
    macro_rules! of_server {
        ($table:ident, $column:ident) => {
            Expr::exists(
                Query::select()
                    .expr(Expr::val(1))
                    .from($table::Entity)
                    .and_where(
                        Expr::col(($table::Entity, $table::Column::$column))
                            .equals((server::Entity, server::Column::Id)),
                    )
                    .to_owned(),
            )
        };
    }
    let held = of_server!(claim, ConsumerId)
        .or(of_server!(letting_go, ServerId))
        .or(of_server!(quarantine, ServerId));
    let agent = |more: Option<SimpleExpr>| {
        let mut agent = Query::select();
        agent
            .expr(Expr::val(1))
            .from(service::Entity)
            .and_where(Expr::col((service::Entity, service::Column::Binary)).eq(COMPUTE))
            .and_where(
                Expr::col((service::Entity, service::Column::Host))
                    .equals((server::Entity, server::Column::Host)),
            );
        if let Some(more) = more {
            agent.and_where(more);
        }
        agent.to_owned()
    };
    let silent = Expr::col((service::Entity, service::Column::LastSeen))
        .lt(sql::micros(before + TOLD))
        .or(Expr::col((service::Entity, service::Column::LastSeen)).is_null());
    Condition::all().add(held.not()).add(
        Condition::any()
            .add(server::Column::Host.is_null())
            .add(Expr::exists(agent(Some(silent))).not()),
    )
}

/// Forgets a slice of the actions, with their events, that nothing happened to since `before`; gives
/// how many. Those of the last request of a server go, too.
pub async fn actions(db: &Database, before: DateTime<Utc>) -> Result<u64> {
    let old: Vec<(i64, String, String)> = action::Entity::find()
        .select_only()
        .columns([
            action::Column::Seq,
            action::Column::ServerId,
            action::Column::RequestId,
        ])
        .filter(action::Column::UpdatedAt.lt(before))
        .order_by_asc(action::Column::UpdatedAt)
        .limit(SLICE)
        .into_tuple()
        .all(db.read())
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    sql::retry(|| async {
        let tx = db.begin().await?;
        let mut events = Condition::any();
        for (_, server_id, request_id) in &old {
            events = events.add(
                Condition::all()
                    .add(action_event::Column::ServerId.eq(server_id))
                    .add(action_event::Column::RequestId.eq(request_id)),
            );
        }
        action_event::Entity::delete_many()
            .filter(events)
            .exec(&tx)
            .await?;
        let gone = action::Entity::delete_many()
            .filter(action::Column::Seq.is_in(old.iter().map(|(seq, _, _)| *seq)))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok::<u64, DbError>(gone.rows_affected)
    })
    .await
}

/// Forgets a slice of the events that are older than `before`, from the beginning of the sequence: what is left is
/// without gaps. Gives how many.
pub async fn events(db: &Database, before: DateTime<Utc>) -> Result<u64> {
    let first: Vec<(i64, DateTime<Utc>)> = server_event::Entity::find()
        .select_only()
        .columns([server_event::Column::Number, server_event::Column::At])
        .order_by_asc(server_event::Column::Number)
        .limit(SLICE)
        .into_tuple()
        .all(db.read())
        .await?;
    let old = first.iter().take_while(|(_, at)| *at < before);
    let Some((number, _)) = old.last() else {
        return Ok(0);
    };
    let gone = server_event::Entity::delete_many()
        .filter(server_event::Column::Number.lte(*number))
        .exec(db.write())
        .await?;
    Ok(gone.rows_affected)
}

/// Forgets tokens for consoles that expired; gives how many.
pub async fn console_tokens(db: &Database) -> Result<u64> {
    let now = sql::now(db.read()).await?;
    let gone = console_token::Entity::delete_many()
        .filter(console_token::Column::ExpiresAt.lt(now))
        .exec(db.write())
        .await?;
    Ok(gone.rows_affected)
}
