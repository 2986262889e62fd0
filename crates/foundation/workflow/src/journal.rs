//! The journal's rows: writing and reading them.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sql::sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sql::sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use sql::{Database, SqlError};

use crate::entity::{Direction, Outcome, Status, signal, step, workflow};
use crate::identity;
use crate::lease::{Readable, readable};

/// A workflow could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    #[error("the state of a workflow cannot be written as JSON")]
    State(#[source] serde_json::Error),
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl From<DbErr> for WorkflowError {
    fn from(error: DbErr) -> Self {
        WorkflowError::Sql(error.into())
    }
}

impl sql::AsConflict for WorkflowError {
    fn as_conflict(&self) -> bool {
        matches!(self, WorkflowError::Sql(error) if error.is_conflict())
    }
}

/// Names one workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkflowId(uuid::Uuid);

impl fmt::Display for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WorkflowId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(WorkflowId(text.parse()?))
    }
}

/// The kind to insert: its name, and the version of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    pub version: u16,
}

impl Kind {
    /// The kind of `W`.
    pub fn of<W: crate::Workflow>() -> Self {
        Kind::from((W::KIND, W::VERSION))
    }
}

impl From<(&'static str, u16)> for Kind {
    fn from((name, version): (&'static str, u16)) -> Self {
        Kind { name, version }
    }
}

/// A workflow as the journal has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub id: WorkflowId,
    pub kind: String,
    pub version: u16,
    pub subject: String,
    pub status: Status,
    pub direction: Direction,
    /// The step to do next; empty at the ending.
    pub position: String,
    pub state: Value,
    /// Attempts at this step that asked to be retried.
    pub attempts: u32,
    /// Where the runner is that holds the lease; empty when nobody does.
    pub owner: String,
    pub epoch: u64,
    pub lease_until: DateTime<Utc>,
    pub cancel: bool,
    /// The step from which it only goes forward, once it was reached.
    pub forward_from: Option<String>,
    /// Why it is undone or stuck, or what the last attempt complained of.
    pub error: Option<Value>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One attempt at a step that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    pub seq: u32,
    pub name: String,
    pub outcome: Outcome,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    pub error: Option<Value>,
}

impl From<step::Model> for StepRecord {
    fn from(row: step::Model) -> Self {
        StepRecord {
            seq: row.seq.unsigned_abs(),
            name: row.name,
            outcome: row.outcome,
            started_at: row.started_at,
            ended_at: row.ended_at,
            error: row.error.map(document),
        }
    }
}

impl From<workflow::Model> for Record {
    fn from(row: workflow::Model) -> Self {
        Record {
            id: WorkflowId(row.id.parse().unwrap_or_default()),
            kind: row.kind,
            version: u16::try_from(row.version).unwrap_or_default(),
            subject: row.subject,
            status: row.status,
            direction: row.direction,
            position: row.position,
            state: document(row.state),
            attempts: row.attempts.unsigned_abs(),
            owner: identity::place(&row.owner).to_owned(),
            epoch: row.epoch.unsigned_abs(),
            lease_until: row.lease_until,
            cancel: row.cancel,
            forward_from: row.forward_from,
            error: row.error.map(document),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Text that is not JSON (nobody but us writes these columns) is shown as it is.
fn document(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Writes a workflow into the journal, as part of the caller's own transaction; [`Runner::nudge`] it
/// after the commit. It starts at its first step.
///
/// [`Runner::nudge`]: crate::Runner::nudge
///
/// # Errors
/// The state is no JSON, or the database refuses.
pub async fn insert<S: Serialize>(
    tx: &impl ConnectionTrait,
    kind: impl Into<Kind>,
    subject: &str,
    state: &S,
) -> Result<WorkflowId, WorkflowError> {
    let state = serde_json::to_string(state).map_err(WorkflowError::State)?;
    insert_row(tx, kind.into(), subject, state).await
}

async fn insert_row(
    tx: &impl ConnectionTrait,
    kind: Kind,
    subject: &str,
    state: String,
) -> Result<WorkflowId, WorkflowError> {
    let id = WorkflowId(uuid::Uuid::new_v4());
    let now = sql::micros(Utc::now());
    let row = workflow::ActiveModel {
        id: Set(id.to_string()),
        kind: Set(kind.name.to_owned()),
        version: Set(i32::from(kind.version)),
        subject: Set(subject.to_owned()),
        state: Set(state),
        direction: Set(Direction::Forward),
        // Only the runner knows the steps; empty and forward is "the first".
        position: Set(String::new()),
        back_to: Set(None),
        status: Set(Status::Running),
        seq: Set(0),
        owner: Set(String::new()),
        epoch: Set(0),
        // Free since ever: the clock of who inserts it may be ahead.
        lease_until: Set(DateTime::UNIX_EPOCH),
        attempts: Set(0),
        cancel: Set(false),
        forward_from: Set(None),
        signalled: Set(false),
        error: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    workflow::Entity::insert(row)
        .exec_without_returning(tx)
        .await?;
    Ok(id)
}

/// Which workflows [`list`] gives; every condition that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub subject: Option<String>,
    pub kind: Option<String>,
    pub status: Option<Status>,
    /// At most so many, the newest first; 0 is no limit.
    pub limit: u64,
}

/// Workflows of `filter`, the newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &Filter,
) -> Result<Vec<Record>, WorkflowError> {
    let mut query = workflow::Entity::find().order_by_desc(workflow::Column::CreatedAt);
    if let Some(subject) = &filter.subject {
        query = query.filter(workflow::Column::Subject.eq(subject));
    }
    if let Some(kind) = &filter.kind {
        query = query.filter(workflow::Column::Kind.eq(kind));
    }
    if let Some(status) = filter.status {
        query = query.filter(workflow::Column::Status.eq(status));
    }
    if filter.limit > 0 {
        query = query.limit(filter.limit);
    }
    Ok(query.all(db).await?.into_iter().map(Record::from).collect())
}

/// Workflows about `subject` that have not ended (running or stuck), the newest first.
pub async fn find(db: &impl ConnectionTrait, subject: &str) -> Result<Vec<Record>, WorkflowError> {
    let rows = workflow::Entity::find()
        .filter(workflow::Column::Subject.eq(subject))
        .filter(workflow::Column::Status.is_in([Status::Running, Status::Stuck]))
        .order_by_desc(workflow::Column::CreatedAt)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Record::from).collect())
}

/// One workflow.
pub async fn get(
    db: &impl ConnectionTrait,
    id: WorkflowId,
) -> Result<Option<Record>, WorkflowError> {
    let row = workflow::Entity::find_by_id(id.to_string()).one(db).await?;
    Ok(row.map(Record::from))
}

/// The attempts at steps of a workflow, in order.
pub async fn history(
    db: &impl ConnectionTrait,
    id: WorkflowId,
) -> Result<Vec<StepRecord>, WorkflowError> {
    let rows = step::Entity::find()
        .filter(step::Column::WorkflowId.eq(id.to_string()))
        .order_by_asc(step::Column::Seq)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(StepRecord::from).collect())
}

/// Asks every running workflow about `subject` to turn round and undo, and gives their ids: nudge
/// them after the commit, so that a runner that is in the middle of a step hears of it at once.
/// Kinds that are not [cancellable](crate::Workflow::CANCELLABLE) go on.
pub async fn request_cancel(
    tx: &impl ConnectionTrait,
    subject: &str,
) -> Result<Vec<WorkflowId>, WorkflowError> {
    let running = Condition::all()
        .add(workflow::Column::Subject.eq(subject))
        .add(workflow::Column::Status.eq(Status::Running));
    let changed = workflow::Entity::update_many()
        .col_expr(workflow::Column::Cancel, Expr::value(true))
        .filter(running.clone())
        .exec(tx)
        .await?;
    if changed.rows_affected == 0 {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = workflow::Entity::find()
        .select_only()
        .column(workflow::Column::Id)
        .filter(running)
        .into_tuple()
        .all(tx)
        .await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Asks one workflow to turn round and undo, if it still runs; nudge it after the commit.
pub async fn request_cancel_of(
    tx: &impl ConnectionTrait,
    id: WorkflowId,
) -> Result<(), WorkflowError> {
    workflow::Entity::update_many()
        .col_expr(workflow::Column::Cancel, Expr::value(true))
        .filter(workflow::Column::Id.eq(id.to_string()))
        .filter(workflow::Column::Status.eq(Status::Running))
        .exec(tx)
        .await?;
    Ok(())
}

/// Where nothing comes any more.
const ENDED: [Status; 3] = [Status::Done, Status::Undone, Status::Abandoned];

/// Forgets workflows that ended before `before`, with their history; gives how many. At most 1000
/// at a time, so that the transaction stays short.
pub async fn purge(db: &Database, before: DateTime<Utc>) -> Result<u64, WorkflowError> {
    let ids: Vec<String> = workflow::Entity::find()
        .select_only()
        .column(workflow::Column::Id)
        .filter(workflow::Column::Status.is_in(ENDED))
        .filter(workflow::Column::UpdatedAt.lt(sql::micros(before)))
        .limit(1000)
        .into_tuple()
        .all(db.read())
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let tx = db.begin().await?;
    step::Entity::delete_many()
        .filter(step::Column::WorkflowId.is_in(ids.clone()))
        .exec(&tx)
        .await?;
    signal::Entity::delete_many()
        .filter(signal::Column::WorkflowId.is_in(ids.clone()))
        .exec(&tx)
        .await?;
    let gone = workflow::Entity::delete_many()
        .filter(workflow::Column::Id.is_in(ids))
        .exec(&tx)
        .await?;
    tx.commit().await?;
    Ok(gone.rows_affected)
}

/// How many workflows of each kind are stuck.
pub(crate) async fn count_stuck(
    conn: &impl ConnectionTrait,
) -> Result<HashMap<String, i64>, SqlError> {
    let counts: Vec<(String, i64)> = workflow::Entity::find()
        .select_only()
        .column(workflow::Column::Kind)
        .column_as(workflow::Column::Id.count(), "count")
        .filter(workflow::Column::Status.eq(Status::Stuck))
        .group_by(workflow::Column::Kind)
        .into_tuple()
        .all(conn)
        .await?;
    Ok(counts.into_iter().collect())
}

/// Running workflows of `kinds` that nobody works on, the longest waiting first.
pub(crate) async fn abandoned(
    db: &Database,
    kinds: &[Readable],
    limit: u64,
) -> Result<Vec<WorkflowId>, SqlError> {
    let ids: Vec<String> = workflow::Entity::find()
        .select_only()
        .column(workflow::Column::Id)
        .filter(workflow::Column::Status.eq(Status::Running))
        .filter(Expr::col(workflow::Column::LeaseUntil).lte(sql::from_now(
            db.read().get_database_backend(),
            Duration::ZERO,
        )))
        .filter(readable(kinds))
        .order_by_asc(workflow::Column::LeaseUntil)
        .order_by_asc(workflow::Column::CreatedAt)
        .limit(limit)
        .into_tuple()
        .all(db.read())
        .await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Running workflows about `subject` other than `id`.
pub(crate) async fn others(
    db: &Database,
    subject: &str,
    id: WorkflowId,
) -> Result<Vec<WorkflowId>, SqlError> {
    let ids: Vec<String> = workflow::Entity::find()
        .select_only()
        .column(workflow::Column::Id)
        .filter(workflow::Column::Subject.eq(subject))
        .filter(workflow::Column::Status.eq(Status::Running))
        .filter(workflow::Column::Id.ne(id.to_string()))
        .into_tuple()
        .all(db.read())
        .await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}
