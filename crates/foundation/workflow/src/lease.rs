//! The lease that a runner holds on one workflow, and the saves that only its holder may make.

use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use sql::sea_orm::sea_query::{Condition, Expr, ExprTrait, LikeExpr};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use sql::{Database, SqlError};

use crate::WorkflowId;
use crate::entity::{Direction, Status, step, workflow};

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
        .col_expr(
            workflow::Column::LeaseUntil,
            Expr::value(sql::micros(Utc::now())),
        )
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

/// The right to work on one workflow, good for one epoch.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    db: Database,
    id: String,
    owner: String,
    epoch: i64,
    length: Duration,
}

/// What a save changes besides the state.
#[derive(Debug)]
pub(crate) struct Save {
    pub state: String,
    pub direction: Direction,
    pub position: String,
    pub back_to: Option<String>,
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
    /// Takes the workflow if nobody holds it, raising its epoch; `None` when somebody does or it has ended.
    pub async fn take(
        db: &Database,
        id: WorkflowId,
        owner: &str,
        length: Duration,
    ) -> Result<Option<(Lease, workflow::Model)>, SqlError> {
        let now = sql::micros(Utc::now());
        let free = Condition::any()
            .add(workflow::Column::Owner.eq(""))
            .add(workflow::Column::LeaseUntil.lt(now));
        let taken = workflow::Entity::update_many()
            .col_expr(workflow::Column::Owner, Expr::value(owner))
            .col_expr(
                workflow::Column::Epoch,
                Expr::col(workflow::Column::Epoch).add(1),
            )
            .col_expr(workflow::Column::LeaseUntil, Expr::value(now + length))
            .filter(workflow::Column::Id.eq(id.to_string()))
            .filter(workflow::Column::Status.eq(Status::Running))
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
        };
        Ok(Some((lease, row)))
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.unsigned_abs()
    }

    pub fn length(&self) -> Duration {
        self.length
    }

    fn mine(&self) -> Condition {
        Condition::all()
            .add(workflow::Column::Id.eq(&self.id))
            .add(workflow::Column::Epoch.eq(self.epoch))
            .add(workflow::Column::Owner.eq(&self.owner))
            .add(workflow::Column::Status.eq(Status::Running))
    }

    /// Holds the lease for another length; false when it is lost.
    pub async fn renew(&self) -> Result<bool, SqlError> {
        let until = sql::micros(Utc::now()) + self.length;
        let renewed = workflow::Entity::update_many()
            .col_expr(workflow::Column::LeaseUntil, Expr::value(until))
            .filter(self.mine())
            .exec(self.db.write())
            .await?;
        Ok(renewed.rows_affected == 1)
    }

    /// Gives the workflow up untouched; whoever wants it may take it.
    pub async fn let_go(&self) -> Result<(), SqlError> {
        workflow::Entity::update_many()
            .col_expr(workflow::Column::Owner, Expr::value(""))
            .col_expr(
                workflow::Column::LeaseUntil,
                Expr::value(sql::micros(Utc::now())),
            )
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
        let now = sql::micros(Utc::now());
        let saved = workflow::Entity::update_many()
            .col_expr(workflow::Column::State, Expr::value(json))
            .col_expr(workflow::Column::UpdatedAt, Expr::value(now))
            .col_expr(workflow::Column::LeaseUntil, Expr::value(now + self.length))
            .filter(self.mine())
            .exec(self.db.write())
            .await?;
        Ok(saved.rows_affected == 1)
    }

    /// Writes everything a finished step changed, in one short transaction.
    pub async fn save(&self, save: &Save) -> Result<Saved, SqlError> {
        sql::retry(|| self.try_save(save)).await
    }

    async fn try_save(&self, save: &Save) -> Result<Saved, SqlError> {
        let now = sql::micros(Utc::now());
        let kept = save.release.is_none() && save.status == Status::Running;
        let owner = if kept { self.owner.as_str() } else { "" };
        let until = now
            + save
                .release
                .unwrap_or(if kept { self.length } else { Duration::ZERO });
        let mut mine = self.mine();
        if save.unless_cancelled {
            mine = mine.add(workflow::Column::Cancel.eq(false));
        }
        let tx = self.db.begin().await?;
        let saved = workflow::Entity::update_many()
            .col_expr(workflow::Column::State, Expr::value(save.state.as_str()))
            .col_expr(workflow::Column::Direction, Expr::value(save.direction))
            .col_expr(
                workflow::Column::Position,
                Expr::value(save.position.as_str()),
            )
            .col_expr(workflow::Column::BackTo, Expr::value(save.back_to.clone()))
            .col_expr(workflow::Column::Status, Expr::value(save.status))
            .col_expr(workflow::Column::Seq, Expr::value(save.seq))
            .col_expr(workflow::Column::Owner, Expr::value(owner))
            .col_expr(workflow::Column::LeaseUntil, Expr::value(until))
            .col_expr(
                workflow::Column::Attempts,
                Expr::value(i64::from(save.attempts)),
            )
            .col_expr(
                workflow::Column::Error,
                Expr::value(save.error.as_ref().map(Value::to_string)),
            )
            .col_expr(workflow::Column::UpdatedAt, Expr::value(now))
            .filter(mine)
            .exec(&tx)
            .await?;
        if saved.rows_affected == 0 {
            tx.rollback().await?;
            let cancelled =
                save.unless_cancelled && self.renew().await? && self.is_cancelled().await?;
            return Ok(if cancelled {
                Saved::Cancelled
            } else {
                Saved::Lost
            });
        }
        if !save.steps.is_empty() {
            step::Entity::insert_many(save.steps.clone())
                .exec_without_returning(&tx)
                .await?;
        }
        tx.commit().await?;
        Ok(Saved::Yes)
    }
}
