//! The lease that a runner holds on one workflow, and the saves that only its holder may make.
//!
//! Its times are the database's, computed in the statement that writes or compares them: clocks of processes do
//! not matter, and a statement that waited for a connection or a lock gives no lease that is over already.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sql::sea_orm::sea_query::{CaseStatement, Condition, Expr, ExprTrait, LikeExpr, SimpleExpr};
use sql::sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait,
    QueryFilter, QuerySelect,
};
use sql::{Database, SqlError};
use tokio::time::Instant;

use crate::WorkflowId;
use crate::entity::{Direction, Status, step, workflow};
use crate::meddle::{Meddler, Point};

/// Frees leases, so that whoever comes first may take the workflows; gives how many.
pub(crate) async fn free_leases(db: &Database, owner: LeaseOwner<'_>) -> Result<u64, SqlError> {
    let whose = match owner {
        LeaseOwner::Exactly(owner) => Condition::all().add(workflow::Column::Owner.eq(owner)),
        LeaseOwner::EarlierLivesOf { prefix, now } => Condition::all()
            .add(Expr::col(workflow::Column::Owner).like(starting_with(prefix)))
            .add(workflow::Column::Owner.ne(now)),
    };
    let freed = workflow::Entity::update_many()
        .col_expr(workflow::Column::Owner, Expr::value(""))
        .col_expr(workflow::Column::LeaseUntil, now(db))
        .filter(whose)
        .filter(workflow::Column::Status.eq(Status::Running))
        .exec(db.write())
        .await?;
    Ok(freed.rows_affected)
}

/// A pattern for texts that start with `prefix`, whatever characters it has.
fn starting_with(prefix: &str) -> LikeExpr {
    let escaped = prefix
        .replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_");
    LikeExpr::new(format!("{escaped}%")).escape('!')
}

/// Whose leases [`free_leases`] frees.
pub(crate) enum LeaseOwner<'a> {
    Exactly(&'a str),
    EarlierLivesOf { prefix: &'a str, now: &'a str },
}

fn engine(db: &Database) -> DbBackend {
    db.read().get_database_backend()
}

fn now(db: &Database) -> SimpleExpr {
    sql::from_now(engine(db), Duration::ZERO)
}

/// A kind of workflow, and the versions of it that a runner can continue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readable {
    pub kind: &'static str,
    pub oldest: u16,
    pub newest: u16,
}

/// Workflows that a runner of these kinds can continue; others are left to others.
pub(crate) fn readable(kinds: &[Readable]) -> Condition {
    kinds.iter().fold(Condition::any(), |any, readable| {
        any.add(
            Condition::all()
                .add(workflow::Column::Kind.eq(readable.kind))
                .add(workflow::Column::Version.gte(i32::from(readable.oldest)))
                .add(workflow::Column::Version.lte(i32::from(readable.newest))),
        )
    })
}

/// The right to work on one workflow, good for one epoch.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    db: Database,
    id: String,
    owner: String,
    epoch: i64,
    length: Duration,
    /// When it is over by this process's reckoning, which is never later than it is: others may work on the
    /// workflow from then on. Clones are one lease.
    over: Arc<Mutex<Instant>>,
    meddler: Meddler,
}

/// What a save changes besides the state.
#[derive(Debug, Clone)]
pub(crate) struct Save {
    pub version: u16,
    pub state: String,
    pub direction: Direction,
    pub position: String,
    pub back_to: Option<String>,
    pub forward_from: Option<String>,
    pub status: Status,
    pub attempts: u32,
    pub error: Option<Value>,
    pub seq: i32,
    pub steps: Vec<step::ActiveModel>,
    /// Keep working, or let go until a moment from now.
    pub release: Option<Duration>,
    /// Refuse when somebody asked to cancel since.
    pub unless_cancelled: bool,
}

impl Save {
    /// The same with this state, the last step having ended at this moment.
    pub fn ending(&self, state: String, at: DateTime<Utc>) -> Self {
        let mut save = self.clone();
        save.state = state;
        if let Some(last) = save.steps.last_mut() {
            last.ended_at = Set(sql::micros(at));
        }
        save
    }
}

/// What a transaction did with the lease, to be [told](Lease::committed) when it is committed.
#[derive(Debug)]
#[must_use]
pub(crate) struct Written {
    /// When the statement that renewed it was sent; none when it was left as it is.
    renewed: Option<Instant>,
}

/// How a save went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    Yes,
    /// Nothing was written: turn round first.
    Cancelled,
    /// Nothing was written: another runner has it, or it is gone.
    Lost,
}

impl Lease {
    /// Takes the workflow if nobody holds it and it is one of these kinds, raising its epoch; `None` otherwise,
    /// or when it has ended.
    pub async fn take(
        db: &Database,
        id: WorkflowId,
        owner: &str,
        length: Duration,
        kinds: &[Readable],
    ) -> Result<Option<(Lease, workflow::Model)>, SqlError> {
        let asked = Instant::now();
        let free = Condition::any()
            .add(workflow::Column::Owner.eq(""))
            .add(Expr::col(workflow::Column::LeaseUntil).lt(now(db)));
        let taken = workflow::Entity::update_many()
            .col_expr(workflow::Column::Owner, Expr::value(owner))
            .col_expr(
                workflow::Column::Epoch,
                Expr::col(workflow::Column::Epoch).add(1),
            )
            .col_expr(
                workflow::Column::LeaseUntil,
                sql::from_now(engine(db), length),
            )
            .filter(workflow::Column::Id.eq(id.to_string()))
            .filter(workflow::Column::Status.eq(Status::Running))
            .filter(readable(kinds))
            .filter(free)
            .exec(db.write())
            .await?;
        if taken.rows_affected == 0 {
            return Ok(None);
        }
        let row = workflow::Entity::find_by_id(id.to_string())
            .one(db.read())
            .await?;
        // Taken again by another between the two statements: theirs.
        let Some(row) = row.filter(|row| row.owner == owner) else {
            return Ok(None);
        };
        let lease = Lease {
            db: db.clone(),
            id: row.id.clone(),
            owner: owner.to_owned(),
            epoch: row.epoch,
            length,
            over: Arc::new(Mutex::new(asked + length)),
            meddler: Meddler::default(),
        };
        Ok(Some((lease, row)))
    }

    /// The same, disturbed as a test asks.
    pub fn meddled(mut self, meddler: &Meddler) -> Self {
        self.meddler = meddler.clone();
        self
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.unsigned_abs()
    }

    pub fn length(&self) -> Duration {
        self.length
    }

    pub fn db(&self) -> &Database {
        &self.db
    }

    /// The end of a lease that begins now.
    fn until(&self, length: Duration) -> SimpleExpr {
        sql::from_now(engine(&self.db), length)
    }

    fn mine(&self) -> Condition {
        Condition::all()
            .add(workflow::Column::Id.eq(&self.id))
            .add(workflow::Column::Epoch.eq(self.epoch))
            .add(workflow::Column::Owner.eq(&self.owner))
            .add(workflow::Column::Status.eq(Status::Running))
    }

    /// When others may have taken the workflow, unless the lease is renewed before.
    pub fn over(&self) -> Instant {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the lease was renewed by a statement that was sent at `asked`.
    fn renewed(&self, asked: Instant) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        *over = (*over).max(asked + self.length);
    }

    /// Whether the lease was renewed so lately that a save need not renew it again: the index over ends of leases is
    /// left alone, and on PostgreSQL with it all others.
    fn is_fresh(&self) -> bool {
        self.over() > Instant::now() + self.length * 5 / 6
    }

    /// Holds the lease for another length; false when it is lost.
    pub async fn renew(&self) -> Result<bool, SqlError> {
        let asked = Instant::now();
        let renewed = workflow::Entity::update_many()
            .col_expr(workflow::Column::LeaseUntil, self.until(self.length))
            .filter(self.mine())
            .exec(self.db.write())
            .await?;
        let renewed = renewed.rows_affected == 1;
        if renewed {
            self.renewed(asked);
        }
        Ok(renewed)
    }

    /// Whether the workflow is still this runner's, and remains so until the transaction ends: its row is locked.
    pub async fn fence(&self, tx: &DatabaseTransaction) -> Result<Option<Written>, SqlError> {
        if !self.is_fresh() {
            let asked = Instant::now();
            let renewed = workflow::Entity::update_many()
                .col_expr(workflow::Column::LeaseUntil, self.until(self.length))
                .filter(self.mine())
                .exec(tx)
                .await?;
            let written = Written {
                renewed: Some(asked),
            };
            return Ok((renewed.rows_affected == 1).then_some(written));
        }
        let mine: Option<String> = workflow::Entity::find()
            .select_only()
            .column(workflow::Column::Id)
            .filter(self.mine())
            .lock_exclusive()
            .into_tuple()
            .one(tx)
            .await?;
        Ok(mine.map(|_| Written { renewed: None }))
    }

    /// To be told when the transaction of a [`Lease::fence`] or a [`Lease::write`] is committed.
    pub fn committed(&self, written: Written) {
        if let Some(asked) = written.renewed {
            self.renewed(asked);
        }
    }

    /// Gives the workflow up untouched, so that nobody takes it for this long.
    pub async fn let_go(&self, after: Duration) -> Result<(), SqlError> {
        workflow::Entity::update_many()
            .col_expr(workflow::Column::Owner, Expr::value(""))
            .col_expr(workflow::Column::LeaseUntil, self.until(after))
            .filter(self.mine())
            .exec(self.db.write())
            .await?;
        Ok(())
    }

    /// Whether somebody asked to cancel.
    pub async fn is_cancelled(&self) -> Result<bool, SqlError> {
        let flag: Option<bool> = workflow::Entity::find()
            .select_only()
            .column(workflow::Column::Cancel)
            .filter(workflow::Column::Id.eq(&self.id))
            .into_tuple()
            .one(self.db.read())
            .await?;
        Ok(flag == Some(true))
    }

    /// Writes the state alone; false when the lease is lost.
    pub async fn save_state(&self, json: String) -> Result<bool, SqlError> {
        let saved = workflow::Entity::update_many()
            .col_expr(workflow::Column::State, Expr::value(json))
            .col_expr(workflow::Column::UpdatedAt, now(&self.db))
            .col_expr(workflow::Column::LeaseUntil, self.until(self.length))
            .filter(self.mine())
            .exec(self.db.write())
            .await?;
        Ok(saved.rows_affected == 1)
    }

    /// Writes the state, and that there is no way back from `step`, unless somebody asked to cancel.
    pub async fn save_forward(&self, json: String, step: &str) -> Result<Saved, SqlError> {
        let saved = workflow::Entity::update_many()
            .col_expr(workflow::Column::State, Expr::value(json))
            .col_expr(workflow::Column::ForwardFrom, Expr::value(step))
            .col_expr(workflow::Column::UpdatedAt, now(&self.db))
            .col_expr(workflow::Column::LeaseUntil, self.until(self.length))
            .filter(self.mine())
            .filter(
                Condition::any()
                    .add(workflow::Column::Cancel.eq(false))
                    .add(workflow::Column::ForwardFrom.is_not_null()),
            )
            .exec(self.db.write())
            .await?;
        match saved.rows_affected {
            0 => self.why_refused(true).await,
            _ => Ok(Saved::Yes),
        }
    }

    /// Writes everything a finished step changed, in one short transaction.
    pub async fn save(&self, save: &Save) -> Result<Saved, SqlError> {
        self.meddler.point(Point::Outside).await;
        let saved = sql::retry(|| self.try_save(save)).await?;
        self.meddler.point(Point::Outside).await;
        Ok(saved)
    }

    async fn try_save(&self, save: &Save) -> Result<Saved, SqlError> {
        let inside = self.meddler.enter();
        let tx = self.db.begin().await?;
        let Some(written) = self.write(&tx, save).await? else {
            tx.rollback().await?;
            return self.refusal(save).await;
        };
        self.meddler.point(Point::Inside).await;
        tx.commit().await?;
        drop(inside);
        self.committed(written);
        Ok(Saved::Yes)
    }

    /// Why [`Lease::write`] wrote nothing.
    pub async fn refusal(&self, save: &Save) -> Result<Saved, SqlError> {
        self.why_refused(save.unless_cancelled).await
    }

    async fn why_refused(&self, unless_cancelled: bool) -> Result<Saved, SqlError> {
        let cancelled = unless_cancelled && self.renew().await? && self.is_cancelled().await?;
        Ok(match cancelled {
            true => Saved::Cancelled,
            false => Saved::Lost,
        })
    }

    /// Writes a save as a part of a transaction; none when it is refused, and then nothing was written.
    pub async fn write(
        &self,
        tx: &DatabaseTransaction,
        save: &Save,
    ) -> Result<Option<Written>, SqlError> {
        let kept = save.release.is_none() && save.status == Status::Running;
        let asked = Instant::now();
        let mut mine = self.mine();
        if save.unless_cancelled {
            mine = mine.add(workflow::Column::Cancel.eq(false));
        }
        let mut update = workflow::Entity::update_many()
            .col_expr(
                workflow::Column::Version,
                Expr::value(i32::from(save.version)),
            )
            .col_expr(workflow::Column::State, Expr::value(save.state.as_str()))
            .col_expr(workflow::Column::Direction, Expr::value(save.direction))
            .col_expr(
                workflow::Column::Position,
                Expr::value(save.position.as_str()),
            )
            .col_expr(workflow::Column::BackTo, Expr::value(save.back_to.clone()))
            .col_expr(
                workflow::Column::ForwardFrom,
                Expr::value(save.forward_from.clone()),
            )
            .col_expr(workflow::Column::Seq, Expr::value(save.seq))
            .col_expr(
                workflow::Column::Attempts,
                Expr::value(i64::from(save.attempts)),
            )
            .col_expr(
                workflow::Column::Error,
                Expr::value(save.error.as_ref().map(Value::to_string)),
            )
            .col_expr(workflow::Column::UpdatedAt, now(&self.db));
        if !kept {
            update = update
                .col_expr(workflow::Column::Status, Expr::value(save.status))
                .col_expr(workflow::Column::Owner, Expr::value(""));
        }
        let renews = kept && !self.is_fresh();
        if renews || !kept {
            update = update.col_expr(workflow::Column::LeaseUntil, self.end_of(save, kept));
        }
        let saved = update.filter(mine).exec(tx).await?;
        if saved.rows_affected == 0 {
            return Ok(None);
        }
        if !save.steps.is_empty() {
            step::Entity::insert_many(save.steps.clone())
                .exec_without_returning(tx)
                .await?;
        }
        Ok(Some(Written {
            renewed: renews.then_some(asked),
        }))
    }

    /// When the lease ends by this save: one that is kept, or one that is let go for a while.
    fn end_of(&self, save: &Save, kept: bool) -> SimpleExpr {
        let length = match save.release {
            None if kept => self.length,
            other => other.unwrap_or_default(),
        };
        let until = self.until(length);
        if save.release.is_none() {
            return until;
        }
        // A signal came while the step gave up waiting for it.
        let signalled = Expr::col(workflow::Column::Signalled).eq(true);
        CaseStatement::new()
            .case(signalled, self.until(Duration::ZERO))
            .finally(until)
            .into()
    }

    /// Notes that a step is about to look for signals: those that come from now on end its wait in the journal.
    pub async fn listen(&self) -> Result<(), SqlError> {
        workflow::Entity::update_many()
            .col_expr(workflow::Column::Signalled, Expr::value(false))
            .filter(self.mine())
            .filter(workflow::Column::Signalled.eq(true))
            .exec(self.db.write())
            .await?;
        Ok(())
    }
}
