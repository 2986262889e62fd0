//! The sequence of events: how a change of a server's row gets into it, and how it is read.
//!
//! A change writes its event into the outbox, in its own transaction, and waits for nobody. [`publish`] moves what was
//! committed into the sequence, one transaction after another under a lock: a number never becomes visible after a
//! higher one, and none is left out. See `docs/decisions/0020-one-sequence-of-events.md`.

use chrono::{DateTime, TimeDelta, Utc};
use compute_model::event::{EventKind, ServerEvent, States};
use compute_model::state::UnknownState;
use compute_model::{PowerState, Server, TaskState};
use sql::Database;
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::{Expr, ExprTrait, Query, SimpleExpr};
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    DatabaseTransaction, QueryOrder, QuerySelect,
};

use crate::tables::{event_position, outbox, server, server_event};
use crate::{DbError, Result};

/// Events that get their numbers in one transaction.
const SLICE: u64 = 200;

/// How far the clock of a process may be ahead of the database's. What says that it happened later than that is taken
/// to have happened when it got its number: it would keep itself and all behind it from being forgotten until then.
const AHEAD: TimeDelta = TimeDelta::hours(1);

/// The key of the one row that holds the position.
const ONLY: i32 = 1;

/// Notes a server that was inserted in this transaction.
pub(crate) async fn created(tx: &DatabaseTransaction, server: &Server) -> Result<()> {
    let row = outbox::ActiveModel {
        seq: NotSet,
        kind: Set(EventKind::Create.as_str().to_owned()),
        server_id: Set(server.id.clone()),
        project_id: Set(server.project_id.clone()),
        user_id: Set(server.user_id.clone()),
        host: Set(server.host.clone()),
        old_vm_state: Set(None),
        old_task_state: Set(None),
        old_power_state: Set(None),
        vm_state: Set(server.vm_state.as_str().to_owned()),
        task_state: Set(server.task_state.map(|task| task.as_str().to_owned())),
        power_state: Set(i32::from(server.power_state.number())),
        at: Set(server.updated_at),
    };
    outbox::Entity::insert(row)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Notes a server that is about to be written in this transaction: the states before are those of its row.
pub(crate) async fn changed(tx: &DatabaseTransaction, server: &Server) -> Result<()> {
    let kind = match server.deleted_at {
        None => EventKind::Update,
        Some(_) => EventKind::Delete,
    };
    let after = After {
        host: Expr::value(server.host.clone()),
        vm_state: Expr::value(server.vm_state.as_str()),
        task_state: Expr::value(server.task_state.map(TaskState::as_str)),
        power_state: Expr::value(i32::from(server.power_state.number())),
    };
    let of = Expr::col(server::Column::Id).eq(server.id.as_str());
    append(tx, kind, after, server.updated_at, of).await
}

/// Notes that the living servers of a node are about to bear another host's name.
pub(crate) async fn renamed(tx: &DatabaseTransaction, node_id: &str, name: &str) -> Result<()> {
    let after = After {
        host: Expr::value(name),
        vm_state: Expr::col(server::Column::VmState),
        task_state: Expr::col(server::Column::TaskState),
        power_state: Expr::col(server::Column::PowerState),
    };
    let of = Expr::col(server::Column::NodeId)
        .eq(node_id)
        .and(Expr::col(server::Column::DeletedAt).is_null());
    // A change under way may commit between the two statements: the event would say what was before it, behind its own.
    let _: Vec<String> = server::Entity::find()
        .select_only()
        .column(server::Column::Id)
        .filter(of.clone())
        .order_by_asc(server::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(tx)
        .await?;
    let now = sql::now(tx).await?;
    append(tx, EventKind::Update, after, now, of).await
}

/// What rows are after a change, as values or columns.
struct After {
    host: SimpleExpr,
    vm_state: SimpleExpr,
    task_state: SimpleExpr,
    power_state: SimpleExpr,
}

/// Writes an event for each server's row that `of` finds, in one statement, which reads what the row is before.
async fn append(
    tx: &DatabaseTransaction,
    kind: EventKind,
    after: After,
    at: DateTime<Utc>,
    of: SimpleExpr,
) -> Result<()> {
    let was = |column: server::Column| Expr::col(column);
    let values = [
        (outbox::Column::Kind, Expr::value(kind.as_str())),
        (outbox::Column::ServerId, was(server::Column::Id)),
        (outbox::Column::ProjectId, was(server::Column::ProjectId)),
        (outbox::Column::UserId, was(server::Column::UserId)),
        (outbox::Column::Host, after.host),
        (outbox::Column::OldVmState, was(server::Column::VmState)),
        (outbox::Column::OldTaskState, was(server::Column::TaskState)),
        (
            outbox::Column::OldPowerState,
            was(server::Column::PowerState),
        ),
        (outbox::Column::VmState, after.vm_state),
        (outbox::Column::TaskState, after.task_state),
        (outbox::Column::PowerState, after.power_state),
        (outbox::Column::At, Expr::value(at)),
    ];
    let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    let mut rows = Query::select();
    rows.exprs(values).from(server::Entity).and_where(of);
    let mut insert = Query::insert();
    insert
        .into_table(outbox::Entity)
        .columns(columns)
        .select_from(rows)
        .expect("as many values as columns");
    tx.execute(&insert).await?;
    Ok(())
}

/// Gives events that were committed their numbers; gives how many. Several processes may do so at once: one after the
/// other.
///
/// # Errors
/// The database fails: what has no number gets one at the next call.
pub async fn publish(db: &Database) -> Result<u64> {
    let mut all = 0;
    while some_wait(db.read()).await? {
        let count = publish_slice(db).await?;
        metrics::counter!("kilonova_events_total").increment(count);
        all += count;
        if count < SLICE {
            break;
        }
    }
    Ok(all)
}

async fn some_wait(conn: &impl ConnectionTrait) -> Result<bool> {
    let first: Option<i64> = outbox::Entity::find()
        .select_only()
        .column(outbox::Column::Seq)
        .limit(1)
        .into_tuple()
        .one(conn)
        .await?;
    Ok(first.is_some())
}

async fn publish_slice(db: &Database) -> Result<u64> {
    sql::retry(|| async {
        let tx = db.begin().await?;
        // Whoever has this row is alone, and sees all that the one before did.
        let position = event_position::Entity::find_by_id(ONLY)
            .lock_exclusive()
            .one(&tx)
            .await?
            .ok_or_else(no_position)?;
        let waiting = outbox::Entity::find()
            .order_by_asc(outbox::Column::Seq)
            .limit(SLICE)
            .all(&tx)
            .await?;
        let count = waiting.len();
        if count == 0 {
            return Ok(0);
        }
        let now = sql::now(&tx).await?;
        let moved: Vec<i64> = waiting.iter().map(|row| row.seq).collect();
        let rows = waiting.into_iter().zip(position.number + 1..);
        let rows = rows.map(|(row, number)| numbered(row, number, now));
        server_event::Entity::insert_many(rows)
            .exec_without_returning(&tx)
            .await?;
        outbox::Entity::delete_many()
            .filter(outbox::Column::Seq.is_in(moved))
            .exec(&tx)
            .await?;
        let last = position.number + i64::try_from(count).unwrap_or(i64::MAX);
        event_position::Entity::update_many()
            .col_expr(event_position::Column::Number, Expr::value(last))
            .filter(event_position::Column::Id.eq(ONLY))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok::<u64, DbError>(count as u64)
    })
    .await
}

fn numbered(row: outbox::Model, number: i64, now: DateTime<Utc>) -> server_event::ActiveModel {
    let at = match row.at > now + AHEAD {
        true => now,
        false => row.at,
    };
    server_event::ActiveModel {
        number: Set(number),
        kind: Set(row.kind),
        server_id: Set(row.server_id),
        project_id: Set(row.project_id),
        user_id: Set(row.user_id),
        host: Set(row.host),
        old_vm_state: Set(row.old_vm_state),
        old_task_state: Set(row.old_task_state),
        old_power_state: Set(row.old_power_state),
        vm_state: Set(row.vm_state),
        task_state: Set(row.task_state),
        power_state: Set(row.power_state),
        at: Set(at),
    }
}

fn no_position() -> DbError {
    DbError::NotFound("the position of the sequence of events".to_owned())
}

/// What of the sequence there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first number that is not forgotten; one after the last when all are.
    pub first: i64,
    /// The last number that was given; 0 before the first event.
    pub last: i64,
}

/// The number of the last event.
pub async fn last(conn: &impl ConnectionTrait) -> Result<i64> {
    let row = event_position::Entity::find_by_id(ONLY).one(conn).await?;
    row.map(|row| row.number).ok_or_else(no_position)
}

/// What of the sequence there is.
pub async fn bounds(conn: &impl ConnectionTrait) -> Result<Bounds> {
    let last = last(conn).await?;
    let first: Option<i64> = server_event::Entity::find()
        .select_only()
        .column(server_event::Column::Number)
        .order_by_asc(server_event::Column::Number)
        .limit(1)
        .into_tuple()
        .one(conn)
        .await?;
    Ok(Bounds {
        first: first.unwrap_or(last + 1),
        last,
    })
}

/// What follows a place of the sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Events {
        /// Without those that this release cannot read.
        events: Vec<ServerEvent>,
        /// No other event that was asked for has a number up to this one: where to read on.
        upto: i64,
    },
    /// What follows was forgotten, or the place was never reached.
    Outside(Bounds),
}

/// The first events behind number `after`, at most `limit`, of one project or of all.
pub async fn after(
    conn: &impl ConnectionTrait,
    after: i64,
    project_id: Option<&str>,
    limit: u64,
) -> Result<Found> {
    let last = last(conn).await?;
    if after > last {
        return Ok(Found::Outside(bounds(conn).await?));
    }
    let mut query = server_event::Entity::find()
        .filter(server_event::Column::Number.gt(after))
        .filter(server_event::Column::Number.lte(last))
        .order_by_asc(server_event::Column::Number)
        .limit(limit);
    if let Some(project) = project_id {
        query = query.filter(server_event::Column::ProjectId.eq(project));
    }
    let rows = query.all(conn).await?;
    // Afterwards: some may have been forgotten while they were read.
    let kept = bounds(conn).await?;
    if after + 1 < kept.first {
        return Ok(Found::Outside(kept));
    }
    let upto = match rows.last() {
        Some(row) if rows.len() as u64 == limit => row.number,
        _ => last,
    };
    let events = rows.into_iter().filter_map(readable).collect();
    Ok(Found::Events { events, upto })
}

/// The event of a row; none of one that this release cannot read, as those of a newer one during an upgrade: all who
/// watch would wait behind it.
fn readable(row: server_event::Model) -> Option<ServerEvent> {
    let number = row.number;
    let event = read(row);
    event
        .inspect_err(
            |error| tracing::error!(number, %error, "an event is left out: it cannot be read"),
        )
        .ok()
}

fn read(row: server_event::Model) -> std::result::Result<ServerEvent, UnknownState> {
    let before = match (&row.old_vm_state, row.old_power_state) {
        (Some(vm), Some(power)) => Some(states(vm, row.old_task_state.as_deref(), power)?),
        _ => None,
    };
    Ok(ServerEvent {
        number: row.number,
        kind: row.kind.parse()?,
        after: states(&row.vm_state, row.task_state.as_deref(), row.power_state)?,
        before,
        server_id: row.server_id,
        project_id: row.project_id,
        user_id: row.user_id,
        host: row.host,
        at: row.at,
    })
}

fn states(vm: &str, task: Option<&str>, power: i32) -> std::result::Result<States, UnknownState> {
    let power = u8::try_from(power).unwrap_or(u8::MAX);
    Ok(States {
        vm_state: vm.parse()?,
        task_state: task.map(str::parse).transpose()?,
        power_state: PowerState::try_from(power)?,
    })
}
