//! The record of what was asked of servers, and of the steps it took.

use chrono::{DateTime, Utc};
use compute_model::action::{ActionEvent, ActionRecord};
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    QueryOrder, QuerySelect, UpdateMany,
};

use crate::tables::{action, action_event};
use crate::{DbError, Result};

/// Notes that an action begins; in the transaction that claims the server for it.
pub async fn start(conn: &impl ConnectionTrait, record: &ActionRecord) -> Result<()> {
    let row = action::ActiveModel {
        seq: NotSet,
        server_id: Set(record.server_id.clone()),
        request_id: Set(record.request_id.clone()),
        action: Set(record.action.clone()),
        user_id: Set(record.user_id.clone()),
        project_id: Set(record.project_id.clone()),
        start_time: Set(record.start_time),
        // A filter by change must find what has just begun.
        updated_at: Set(record.updated_at.or(Some(record.start_time))),
        message: Set(None),
    };
    action::Entity::insert(row)
        .exec_without_returning(conn)
        .await?;
    Ok(())
}

/// Notes that an event of an action begins on a host. One that is under way goes on, on that host.
pub async fn begin_event(
    conn: &impl ConnectionTrait,
    server_id: &str,
    request_id: &str,
    event: &str,
    host: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    let under_way = open_events(server_id)
        .filter(action_event::Column::RequestId.eq(request_id))
        .filter(action_event::Column::Event.eq(event))
        .col_expr(action_event::Column::Host, Expr::value(host))
        .exec(conn)
        .await?;
    if under_way.rows_affected > 0 {
        return Ok(());
    }
    let begun = ActionEvent {
        event: event.to_owned(),
        start_time: now,
        finish_time: None,
        result: None,
        traceback: None,
        host: host.map(str::to_owned),
        details: None,
    };
    insert_event(conn, server_id, request_id, &begun).await
}

/// Notes an event that ended, and touches its action; an event with result `Error` marks it.
/// Whatever is under way of the action ends with it.
pub async fn end_event(
    conn: &impl ConnectionTrait,
    server_id: &str,
    request_id: &str,
    event: &ActionEvent,
) -> Result<()> {
    let ended = open_events(server_id)
        .filter(action_event::Column::RequestId.eq(request_id))
        .filter(action_event::Column::Event.eq(&event.event))
        .set(outcome(event))
        .exec(conn)
        .await?;
    if ended.rows_affected == 0 {
        insert_event(conn, server_id, request_id, event).await?;
    }
    end_all(
        open_events(server_id).filter(action_event::Column::RequestId.eq(request_id)),
        event.finish_time,
        event.result.as_deref(),
    )
    .exec(conn)
    .await?;
    let mut touch = action::Entity::update_many()
        .col_expr(
            action::Column::UpdatedAt,
            Expr::value(event.finish_time.or(Some(event.start_time))),
        )
        .filter(action::Column::ServerId.eq(server_id))
        .filter(action::Column::RequestId.eq(request_id));
    if event.result.as_deref() == Some("Error") {
        touch = touch.col_expr(action::Column::Message, Expr::value("Error"));
    }
    touch.exec(conn).await?;
    Ok(())
}

/// Ends, as failed, all that is under way of one action of a server that others took over, or of all its actions.
pub async fn abandon_events(
    conn: &impl ConnectionTrait,
    server_id: &str,
    request_id: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    let mut open = open_events(server_id);
    if let Some(request_id) = request_id {
        open = open.filter(action_event::Column::RequestId.eq(request_id));
    }
    end_all(open, Some(now), Some("Error")).exec(conn).await?;
    Ok(())
}

fn open_events(server_id: &str) -> UpdateMany<action_event::Entity> {
    action_event::Entity::update_many()
        .filter(action_event::Column::ServerId.eq(server_id))
        .filter(action_event::Column::FinishTime.is_null())
}

fn end_all(
    open: UpdateMany<action_event::Entity>,
    at: Option<DateTime<Utc>>,
    result: Option<&str>,
) -> UpdateMany<action_event::Entity> {
    open.col_expr(action_event::Column::FinishTime, Expr::value(at))
        .col_expr(action_event::Column::Result, Expr::value(result))
}

/// What is known of an event only when it ends.
fn outcome(event: &ActionEvent) -> action_event::ActiveModel {
    let details = event.details.as_ref();
    action_event::ActiveModel {
        finish_time: Set(event.finish_time),
        result: Set(event.result.clone()),
        traceback: Set(event.traceback.clone()),
        host: event.host.clone().map_or(NotSet, |host| Set(Some(host))),
        details: Set(details.map(|text| text.chars().take(255).collect())),
        ..Default::default()
    }
}

async fn insert_event(
    conn: &impl ConnectionTrait,
    server_id: &str,
    request_id: &str,
    event: &ActionEvent,
) -> Result<()> {
    let row = action_event::ActiveModel {
        server_id: Set(server_id.to_owned()),
        request_id: Set(request_id.to_owned()),
        event: Set(event.event.clone()),
        start_time: Set(event.start_time),
        ..outcome(event)
    };
    action_event::Entity::insert(row)
        .exec_without_returning(conn)
        .await?;
    Ok(())
}

/// What to list of a server's actions.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub limit: Option<u64>,
    /// Request id of the last action already seen.
    pub marker: Option<String>,
    pub changes_since: Option<DateTime<Utc>>,
    pub changes_before: Option<DateTime<Utc>>,
}

/// The actions of a server, newest first.
///
/// # Errors
/// [`DbError::Marker`].
pub async fn list(
    conn: &impl ConnectionTrait,
    server_id: &str,
    page: &Page,
) -> Result<Vec<ActionRecord>> {
    let mut query = action::Entity::find()
        .filter(action::Column::ServerId.eq(server_id))
        .order_by_desc(action::Column::Seq);
    if let Some(since) = page.changes_since {
        query = query.filter(action::Column::UpdatedAt.gte(since));
    }
    if let Some(before) = page.changes_before {
        query = query.filter(action::Column::UpdatedAt.lte(before));
    }
    if let Some(marker) = &page.marker {
        let at = row(conn, server_id, marker).await?;
        let at = at.ok_or_else(|| DbError::Marker(marker.clone()))?;
        query = query.filter(action::Column::Seq.lt(at.seq));
    }
    if let Some(limit) = page.limit {
        query = query.limit(limit);
    }
    Ok(query.all(conn).await?.into_iter().map(record).collect())
}

/// One action with its events, oldest first.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn find(
    conn: &impl ConnectionTrait,
    server_id: &str,
    request_id: &str,
) -> Result<(ActionRecord, Vec<ActionEvent>)> {
    let found = row(conn, server_id, request_id).await?;
    let found = found.ok_or_else(|| DbError::NotFound(request_id.to_owned()))?;
    let events = action_event::Entity::find()
        .filter(action_event::Column::ServerId.eq(server_id))
        .filter(action_event::Column::RequestId.eq(request_id))
        .order_by_asc(action_event::Column::Seq)
        .all(conn)
        .await?;
    let events = events.into_iter().map(|row| ActionEvent {
        event: row.event,
        start_time: row.start_time,
        finish_time: row.finish_time,
        result: row.result,
        traceback: row.traceback,
        host: row.host,
        details: row.details,
    });
    Ok((record(found), events.collect()))
}

async fn row(
    conn: &impl ConnectionTrait,
    server_id: &str,
    request_id: &str,
) -> Result<Option<action::Model>> {
    Ok(action::Entity::find()
        .filter(action::Column::ServerId.eq(server_id))
        .filter(action::Column::RequestId.eq(request_id))
        .one(conn)
        .await?)
}

fn record(row: action::Model) -> ActionRecord {
    ActionRecord {
        server_id: row.server_id,
        action: row.action,
        request_id: row.request_id,
        user_id: row.user_id,
        project_id: row.project_id,
        start_time: row.start_time,
        updated_at: row.updated_at,
        message: row.message,
    }
}
