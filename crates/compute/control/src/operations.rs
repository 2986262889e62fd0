//! The operations of the journal, for operators: what runs, what is stuck, and three ways to get on.
//!
//! What they do is a change of rows that fits a running cloud: a conductor that has the operation in hand finds out
//! at its next write. So the program's own verbs use the same functions beside a running cloud.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use compute_db::{Database, DbError, actions, claims, servers};
use compute_model::action::{ActionEvent, event_of};
use compute_model::{Fault, Server, VmState};
use compute_rpc::workflows::{DELETE, can_undo};
use serde_json::{Value, json};
use workflow::{Filter, Outcome, Record, Status, StepRecord, WorkflowId};

use crate::{ControlError, Result};

/// An operation as operators see it. Its state is not shown: it holds what only the guest should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub id: String,
    /// `build`, `delete`, `act`.
    pub kind: String,
    pub server_id: String,
    /// `running`, `stuck`, `done`, `undone`, `abandoned`.
    pub status: &'static str,
    /// `forward` or `undo`.
    pub direction: &'static str,
    /// The step that is next or under way; none when all is undone and only that is to be said.
    pub step: Option<String>,
    /// Attempts at this step that failed or wait.
    pub attempts: u32,
    /// The host of the conductor that has it in hand.
    pub owner: Option<String>,
    /// Taken up so many times.
    pub epoch: u64,
    /// Somebody asked it to turn round.
    pub cancelled: bool,
    /// It only goes forward.
    pub forward_only: bool,
    pub last_error: Option<String>,
    pub request_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One attempt at a step that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub step: String,
    /// `done`, `back`, `retry`, `failed`, `undone`, `undo failed`.
    pub outcome: &'static str,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    pub error: Option<String>,
}

/// Which operations [`list`] gives.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    pub server_id: Option<&'a str>,
    pub stuck: bool,
    /// Those that ended too.
    pub ended: bool,
}

/// The most that a list gives.
const MOST: u64 = 1000;

impl From<Record> for Operation {
    fn from(record: Record) -> Self {
        let request = record.state["asked"]["request_id"].as_str();
        let forward_only = record.forward_from.is_some() || !can_undo(&record.kind);
        Operation {
            id: record.id.to_string(),
            server_id: record.subject,
            status: status(record.status),
            direction: match record.direction {
                workflow::Direction::Forward => "forward",
                workflow::Direction::Undo => "undo",
            },
            step: Some(record.position).filter(|step| !step.is_empty()),
            attempts: record.attempts,
            owner: Some(record.owner).filter(|owner| !owner.is_empty()),
            epoch: record.epoch,
            cancelled: record.cancel,
            forward_only,
            last_error: record.error.as_ref().map(text),
            request_id: request.map(str::to_owned),
            created_at: record.created_at,
            updated_at: record.updated_at,
            kind: record.kind,
        }
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Done => "done",
        Status::Undone => "undone",
        Status::Stuck => "stuck",
        Status::Abandoned => "abandoned",
    }
}

fn attempt(record: StepRecord) -> Attempt {
    Attempt {
        step: record.name,
        outcome: match record.outcome {
            Outcome::Done => "done",
            Outcome::Back => "back",
            Outcome::Retry => "retry",
            Outcome::Failed => "failed",
            Outcome::Undone => "undone",
            Outcome::UndoFailed => "undo failed",
        },
        started_at: record.started_at,
        ended_at: record.ended_at,
        error: record.error.as_ref().map(text),
    }
}

fn text(document: &Value) -> String {
    match document {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Operations, the newest first: those that have not ended, unless more is wanted.
///
/// # Errors
/// The database fails.
pub async fn list(db: &Database, wanted: Wanted<'_>) -> Result<Vec<Operation>> {
    let of = async |status: Option<Status>| {
        let filter = Filter {
            subject: wanted.server_id.map(str::to_owned),
            status,
            limit: MOST,
            ..Filter::default()
        };
        workflow::list(db.read(), &filter).await
    };
    let mut found = match wanted {
        Wanted { stuck: true, .. } => of(Some(Status::Stuck)).await?,
        Wanted { ended: true, .. } => of(None).await?,
        _ => {
            let mut found = of(Some(Status::Running)).await?;
            found.extend(of(Some(Status::Stuck)).await?);
            found
        }
    };
    found.sort_by_key(|record| std::cmp::Reverse(record.created_at));
    Ok(found.into_iter().map(Operation::from).collect())
}

/// An operation, and what its steps did.
///
/// # Errors
/// 404.
pub async fn show(db: &Database, id: &str) -> Result<(Operation, Vec<Attempt>)> {
    let id = parse(id)?;
    let record = workflow::get(db.read(), id).await?;
    let record = record.ok_or_else(|| missing(&id.to_string()))?;
    let steps = workflow::history(db.read(), id).await?;
    Ok((record.into(), steps.into_iter().map(attempt).collect()))
}

/// Sets a stuck operation going again where it got stuck; one that waits makes its next attempt now.
///
/// # Errors
/// 404; 409 when it is at work or has ended.
pub async fn retry(db: &Database, id: &str) -> Result<()> {
    let id = parse(id)?;
    match workflow::resume(db.write(), id).await? {
        true => Ok(()),
        false => Err(in_the_way(db, id, "is not stuck and does not wait").await),
    }
}

/// Turns an operation round, a stuck one too.
///
/// # Errors
/// 404; 409 when it has ended or only goes forward.
pub async fn undo(db: &Database, id: &str) -> Result<()> {
    let id = parse(id)?;
    let record = workflow::get(db.read(), id).await?;
    let record = record.ok_or_else(|| missing(&id.to_string()))?;
    let why = "has ended or only goes forward";
    if !can_undo(&record.kind) || !workflow::undo(db.write(), id).await? {
        return Err(in_the_way(db, id, why).await);
    }
    Ok(())
}

/// Gives a stuck operation up: its server is left in ERROR with no task, so that its owner can delete it. What
/// the operation made stays, and is named in the answer.
///
/// # Errors
/// 404; 409 when it is not stuck.
pub async fn abandon(db: &Database, id: &str, reason: Option<&str>) -> Result<Vec<String>> {
    let id = parse(id)?;
    let reason = reason.unwrap_or("an operator gave it up");
    let left = sql::retry(|| async {
        let tx = db.begin().await?;
        let record = workflow::get(&tx, id).await?;
        let record = record.ok_or_else(|| missing(&id.to_string()))?;
        // The server before the workflow, as everybody locks them.
        let server = match servers::lock(&tx, &record.subject).await {
            Ok(server) => Some(server),
            Err(DbError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        if workflow::abandon(&tx, id, &json!(reason)).await?.is_none() {
            let why = format!("Operation {id} is {}, not stuck.", status(record.status));
            return Err(ControlError::Conflict { why });
        }
        let steps = workflow::history(&tx, id).await?;
        let mut left = standing(&steps);
        if let Some(mut server) = server {
            left.extend(belongings(&server));
            for (node, _) in claims::of_consumer(&tx, &server.id).await? {
                left.push(format!("the server's claim on node {node}"));
            }
            let others = workflow::find(&tx, &server.id).await?;
            if others.is_empty() {
                release(&mut server, &record, reason, &left);
                servers::save(&tx, &mut server).await?;
                if let Some(request) = record.state["asked"]["request_id"].as_str() {
                    let event = event(&record, reason);
                    actions::end_event(&tx, &server.id, request, &event).await?;
                }
            }
        }
        tx.commit().await?;
        Ok::<_, ControlError>(left)
    })
    .await?;
    tracing::warn!(operation = %id, reason, ?left, "an operator gave an operation up");
    Ok(left)
}

/// Steps whose work nothing took back.
fn standing(steps: &[StepRecord]) -> Vec<String> {
    let mut last: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for step in steps {
        if !order.contains(&step.name.as_str()) {
            order.push(&step.name);
        }
        last.insert(&step.name, step.outcome);
    }
    let stands = |name: &&&str| last.get(**name) != Some(&Outcome::Undone);
    let names = order.iter().filter(stands);
    names
        .map(|name| format!("what step '{name}' did"))
        .collect()
}

fn belongings(server: &Server) -> Vec<String> {
    let mut left = Vec::new();
    if let Some(host) = &server.host {
        left.push(format!(
            "a guest of the server on host {host}, if it was made"
        ));
    }
    for vif in &server.vifs {
        left.push(format!("port {}", vif.port_id));
    }
    left
}

fn release(server: &mut Server, record: &Record, reason: &str, left: &[String]) {
    server.task_state = None;
    server.vm_state = VmState::Error;
    server.epoch += 1;
    let message = "An operation on the server failed and was given up by an operator.";
    let details = format!(
        "{} {}: {reason}. Left: {}",
        record.kind,
        record.id,
        left.join("; ")
    );
    let now = sql::micros(Utc::now());
    server.fault = Some(Fault::new(message, Some(details), now));
}

fn event(record: &Record, reason: &str) -> ActionEvent {
    let now = sql::micros(Utc::now());
    ActionEvent {
        event: match record.kind.as_str() {
            DELETE => event_of("delete"),
            kind => format!("conductor_{kind}"),
        },
        start_time: now,
        finish_time: Some(now),
        result: Some("Error".to_owned()),
        traceback: Some(reason.to_owned()),
        host: None,
        details: Some("The operation was given up by an operator.".to_owned()),
    }
}

fn parse(id: &str) -> Result<WorkflowId> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> ControlError {
    ControlError::NotFound {
        why: format!("Operation {id} could not be found."),
    }
}

/// Why nothing changed: it does not exist, or is as it is.
async fn in_the_way(db: &Database, id: WorkflowId, why: &str) -> ControlError {
    match workflow::get(db.read(), id).await {
        Ok(Some(record)) => ControlError::Conflict {
            why: format!("Operation {id} is {}: it {why}.", status(record.status)),
        },
        Ok(None) => missing(&id.to_string()),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests;
