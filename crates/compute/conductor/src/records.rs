//! Changing a server's row within a workflow, with the record of the action beside it.

use chrono::{DateTime, Utc};
use compute_db::{DbError, actions, servers};
use compute_model::action::{ActionEvent, ActionRecord, event_of};
use compute_model::{Fault, PowerState, Server, TaskState};
use compute_rpc::workflows::Asked;
use serde::Serialize;
use sql::sea_orm::DatabaseTransaction;
use std::time::Duration;
use workflow::{StepContext, StepError, WorkflowError};

use crate::env::Env;
use crate::why::FailureText;

/// A server's row that a step changed, or that had been taken over or deleted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Yes,
    Overtaken,
}

/// Locks a server, lets `change` decide, and saves it. `change` answers false to leave it alone.
///
/// # Errors
/// A database that does not answer: the step is tried again. A lease that was lost: the step is let go.
pub async fn change(
    cx: &StepContext,
    server_id: &str,
    event: Option<(&Asked, ActionEvent)>,
    change: impl Fn(&mut Server) -> bool + Send + Sync,
) -> Result<Changed, StepError> {
    write(cx, None, server_id, event, &change).await
}

/// The same as the last thing that a step does: what it changes, and `state` with the step's good end, are one
/// transaction. When the server is left alone, the step's end is not saved here.
///
/// # Errors
/// As of [`change`]; or the workflow was asked to turn round, and nothing was changed.
pub async fn finish<S: Serialize + Sync>(
    cx: &StepContext,
    state: &S,
    server_id: &str,
    event: Option<(&Asked, ActionEvent)>,
    change: impl Fn(&mut Server) -> bool + Send + Sync,
) -> Result<Changed, StepError> {
    let state = serde_json::to_string(state)
        .map_err(|error| StepError::Fatal(format!("the state cannot be written: {error}")))?;
    write(cx, Some(state), server_id, event, &change).await
}

/// What is done to a server's row; false leaves it alone.
type Change<'a> = &'a (dyn Fn(&mut Server) -> bool + Send + Sync);

/// One transaction that ends the step, if it is given the state to end it with.
async fn write(
    cx: &StepContext,
    ending: Option<String>,
    server_id: &str,
    event: Option<(&Asked, ActionEvent)>,
    change: Change<'_>,
) -> Result<Changed, StepError> {
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        let changed = change_in(&tx, server_id, event.as_ref(), change).await?;
        match (changed, &ending) {
            (Changed::Yes, Some(state)) => drop(tx.finish_with(state.clone()).await?),
            (Changed::Yes, None) | (Changed::Overtaken, _) => tx.commit().await?,
        }
        Ok::<Changed, DbError>(changed)
    })
    .await;
    done.map_err(database)
}

async fn change_in(
    tx: &DatabaseTransaction,
    server_id: &str,
    event: Option<&(&Asked, ActionEvent)>,
    change: Change<'_>,
) -> Result<Changed, DbError> {
    let mut server = match servers::lock(tx, server_id).await {
        Err(DbError::NotFound(_)) => return Ok(Changed::Overtaken),
        other => other?,
    };
    if !change(&mut server) {
        if let Some((asked, _)) = event {
            actions::abandon_events(tx, server_id, Some(&asked.request_id), now()).await?;
        }
        return Ok(Changed::Overtaken);
    }
    servers::save(tx, &mut server).await?;
    if let Some((asked, event)) = event {
        actions::end_event(tx, server_id, &asked.request_id, event).await?;
    }
    Ok(Changed::Yes)
}

/// The server, or nothing when it is gone.
pub async fn load(env: &Env, server_id: &str) -> Result<Option<Server>, StepError> {
    match servers::find(env.db.read(), server_id).await {
        Ok(server) => Ok(Some(server)),
        Err(DbError::NotFound(_)) => Ok(None),
        Err(error) => Err(database(error)),
    }
}

/// A database failure as a step's: it is waited for.
pub fn database(error: DbError) -> StepError {
    match error {
        DbError::Sql(error) => error.into(),
        DbError::Unreadable { .. } => StepError::Fatal(error.to_string()),
        other => StepError::retry(Duration::from_secs(1), other),
    }
}

/// A workflow that could not be written into the journal, as a database failure.
pub fn unwritten(server_id: &str, error: WorkflowError) -> DbError {
    match error {
        WorkflowError::Sql(error) => DbError::Sql(error),
        WorkflowError::State(source) => DbError::Unreadable {
            id: server_id.to_owned(),
            source,
        },
    }
}

/// Begins the record of what nobody asked for, as what falls due after a while; in whose name its workflow goes on.
///
/// # Errors
/// The database fails.
pub async fn begin_unasked(
    tx: &DatabaseTransaction,
    server: &Server,
    action: &str,
) -> Result<Asked, DbError> {
    let start_time = now();
    let asked = Asked {
        request_id: format!("req-{}", uuid::Uuid::new_v4()),
        accepted_at: Some(start_time),
        ..Asked::default()
    };
    let record = ActionRecord {
        server_id: server.id.clone(),
        action: action.to_owned(),
        request_id: asked.request_id.clone(),
        user_id: None,
        project_id: None,
        start_time,
        updated_at: None,
        message: None,
    };
    actions::start(tx, &record).await?;
    let (event, host) = (event_of(action), server.host.as_deref());
    let (id, request) = (&server.id, &asked.request_id);
    actions::begin_event(tx, id, request, &event, host, start_time).await?;
    Ok(asked)
}

/// An event that ended now, well or badly, and began when it was asked for.
pub fn event(
    asked: &Asked,
    name: &str,
    host: Option<&str>,
    failed: Option<&FailureText>,
) -> ActionEvent {
    ActionEvent {
        event: name.to_owned(),
        start_time: asked.accepted_at.map_or_else(now, sql::micros),
        finish_time: Some(now()),
        result: Some(if failed.is_some() { "Error" } else { "Success" }.to_owned()),
        traceback: failed.map(|told| told.details.clone()),
        host: host.map(str::to_owned),
        details: failed.map(|told| told.message.clone()),
    }
}

/// A fault of now.
pub fn fault(told: &FailureText) -> Fault {
    Fault::new(&told.message, Some(told.details.clone()), now())
}

/// The present moment as our tables keep it.
pub fn now() -> DateTime<Utc> {
    sql::micros(Utc::now())
}

/// The power state that a host's answer left in a workflow's state.
pub fn power(number: Option<u8>) -> PowerState {
    let power = number.and_then(|number| PowerState::try_from(number).ok());
    power.unwrap_or_default()
}

/// Whether an operation that claimed the server with this epoch still holds it: with one of its tasks. Its way back
/// raises the epoch by one.
pub fn holds(server: &Server, epoch: i64, tasks: &[TaskState]) -> bool {
    let ours = [epoch, epoch + 1].contains(&server.epoch);
    ours && server.task_state.is_some_and(|task| tasks.contains(&task))
}
