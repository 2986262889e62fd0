//! What operators do to workflows: set going again, turn round, give up.

use std::time::Duration;

use serde_json::{Value, json};
use sql::sea_orm::sea_query::{Condition, Expr};
use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::entity::{Status, workflow};
use crate::journal::{Record, WorkflowError, WorkflowId, get};

/// Sets a stuck workflow going again, at the step where it got stuck, or has one that waits for its next attempt
/// make it now, with all its attempts before it. False when it is neither: it ended, or is at work.
///
/// # Errors
/// The database refuses.
pub async fn resume(tx: &impl ConnectionTrait, id: WorkflowId) -> Result<bool, WorkflowError> {
    set_going(tx, id, false).await
}

/// Turns a workflow round, a stuck one too: it undoes what it did. Whoever calls this knows that its kind can be
/// cancelled. False when it ended, or is past the point of no return.
///
/// # Errors
/// The database refuses.
pub async fn undo(tx: &impl ConnectionTrait, id: WorkflowId) -> Result<bool, WorkflowError> {
    let asked = workflow::Entity::update_many()
        .col_expr(workflow::Column::Cancel, Expr::value(true))
        .filter(workflow::Column::Id.eq(id.to_string()))
        .filter(workflow::Column::Status.is_in([Status::Running, Status::Stuck]))
        .filter(workflow::Column::ForwardFrom.is_null())
        .exec(tx)
        .await?;
    if asked.rows_affected == 0 {
        return Ok(false);
    }
    set_going(tx, id, true).await?;
    Ok(true)
}

async fn set_going(
    tx: &impl ConnectionTrait,
    id: WorkflowId,
    cancelled: bool,
) -> Result<bool, WorkflowError> {
    let waiting = Condition::all()
        .add(workflow::Column::Status.eq(Status::Running))
        .add(workflow::Column::Owner.eq(""));
    let going = Condition::any()
        .add(workflow::Column::Status.eq(Status::Stuck))
        .add(waiting);
    let mut change = workflow::Entity::update_many();
    if !cancelled {
        change = change.col_expr(workflow::Column::Attempts, Expr::value(0));
    }
    let changed = change
        .col_expr(workflow::Column::Status, Expr::value(Status::Running))
        .col_expr(
            workflow::Column::LeaseUntil,
            sql::from_now(tx.get_database_backend(), Duration::ZERO),
        )
        .filter(workflow::Column::Id.eq(id.to_string()))
        .filter(going)
        .exec(tx)
        .await?;
    Ok(changed.rows_affected == 1)
}

/// Gives a stuck workflow up, as part of the caller's own transaction, which sees to what it was about. What it
/// made stays. The record of before; nothing when it is not stuck.
///
/// # Errors
/// The database refuses.
pub async fn abandon(
    tx: &impl ConnectionTrait,
    id: WorkflowId,
    why: &Value,
) -> Result<Option<Record>, WorkflowError> {
    let Some(before) = get(tx, id).await? else {
        return Ok(None);
    };
    let error = json!({ "abandoned": why, "before": before.error });
    let changed = workflow::Entity::update_many()
        .col_expr(workflow::Column::Status, Expr::value(Status::Abandoned))
        .col_expr(workflow::Column::Owner, Expr::value(""))
        .col_expr(workflow::Column::Error, Expr::value(error.to_string()))
        .col_expr(
            workflow::Column::UpdatedAt,
            sql::from_now(tx.get_database_backend(), Duration::ZERO),
        )
        .filter(workflow::Column::Id.eq(id.to_string()))
        .filter(workflow::Column::Status.eq(Status::Stuck))
        .exec(tx)
        .await?;
    Ok((changed.rows_affected == 1).then_some(before))
}
