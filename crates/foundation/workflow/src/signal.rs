//! Signals: what others say to a workflow in its middle, with a payload. A confirmation, a revert, an event of
//! another service.
//!
//! A signal is a row, written in the transaction of whoever sends it; the nudge after the commit only makes it
//! quick. It stays until a step's transaction takes it, so it is neither lost nor taken twice, whatever dies.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sql::SqlError;
use sql::sea_orm::sea_query::{CaseStatement, Expr};
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
};

use crate::entity::{Status, signal, workflow};
use crate::journal::{WorkflowError, WorkflowId};

/// Something that was said to a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    pub(crate) id: i64,
    pub name: String,
    pub payload: Value,
}

impl Signal {
    /// The payload as what the sender gave.
    ///
    /// # Errors
    /// It is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.payload)
    }
}

/// Says something to a workflow, as part of the caller's own transaction; nudge it after the commit. False when
/// it has ended: nobody would hear it. Until the transaction ends, the workflow cannot end.
///
/// # Errors
/// The payload is no JSON, or the database refuses.
pub async fn signal<P: Serialize>(
    tx: &impl ConnectionTrait,
    id: WorkflowId,
    name: &str,
    payload: &P,
) -> Result<bool, WorkflowError> {
    let now = || sql::from_now(tx.get_database_backend(), std::time::Duration::ZERO);
    // One that waits for its next attempt is to make it now; one in work keeps its lease.
    let until = CaseStatement::new()
        .case(workflow::Column::Owner.eq(""), now())
        .finally(Expr::col(workflow::Column::LeaseUntil));
    let heard = workflow::Entity::update_many()
        .col_expr(workflow::Column::Signalled, Expr::value(true))
        .col_expr(workflow::Column::LeaseUntil, until.into())
        .filter(workflow::Column::Id.eq(id.to_string()))
        .filter(workflow::Column::Status.is_in([Status::Running, Status::Stuck]))
        .exec(tx)
        .await?;
    if heard.rows_affected == 0 {
        return Ok(false);
    }
    let row = signal::ActiveModel {
        id: NotSet,
        workflow_id: Set(id.to_string()),
        name: Set(name.to_owned()),
        payload: Set(serde_json::to_string(payload).map_err(WorkflowError::State)?),
        created_at: Set(sql::now(tx).await?),
    };
    signal::Entity::insert(row)
        .exec_without_returning(tx)
        .await?;
    Ok(true)
}

/// The oldest signal of one of these names.
pub(crate) async fn oldest(
    conn: &impl ConnectionTrait,
    id: WorkflowId,
    names: &[&str],
) -> Result<Option<Signal>, SqlError> {
    let row = signal::Entity::find()
        .filter(signal::Column::WorkflowId.eq(id.to_string()))
        .filter(signal::Column::Name.is_in(names.iter().copied()))
        .order_by_asc(signal::Column::Id)
        .one(conn)
        .await?;
    Ok(row.map(|row| Signal {
        payload: serde_json::from_str(&row.payload).unwrap_or(Value::String(row.payload)),
        id: row.id,
        name: row.name,
    }))
}

/// Removes it; false when it is gone already.
pub(crate) async fn remove(tx: &impl ConnectionTrait, signal: &Signal) -> Result<bool, SqlError> {
    let gone = signal::Entity::delete_many()
        .filter(signal::Column::Id.eq(signal.id))
        .exec(tx)
        .await?;
    Ok(gone.rows_affected == 1)
}
