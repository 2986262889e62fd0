//! `/os-kilonova-operations`: what the journal has under way, for operators. Nova has no such call.

use std::sync::Arc;

use compute_control::operations::{self, Attempt, Operation, Wanted};
use compute_control::policy;
use microversion::{Patch, Versioned};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// `GET /os-kilonova-operations`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListOperations = call.admit_query()?;
    policy::allow(&api.control, &call.cx)?;
    let wanted = Wanted {
        server_id: asked.server_id.as_deref(),
        stuck: asked.status.as_deref() == Some("stuck"),
        ended: asked.status.as_deref() == Some("all"),
    };
    let found = operations::list(&api.control.db, wanted).await?;
    let views: Vec<_> = found.iter().map(|found| view(found, None)).collect();
    call.render_under("operations", &views)
}

/// `GET /os-kilonova-operations/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    policy::allow(&api.control, &call.cx)?;
    let (found, steps) = operations::show(&api.control.db, call.path("id")).await?;
    call.render_under("operation", &view(&found, Some(&steps)))
}

/// The action `retry`.
pub async fn retry(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    policy::allow(&api.control, &call.cx)?;
    operations::retry(&api.control.db, call.path("id")).await?;
    Ok(Answer::empty())
}

/// The action `undo`.
pub async fn undo(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    policy::allow(&api.control, &call.cx)?;
    operations::undo(&api.control.db, call.path("id")).await?;
    Ok(Answer::empty())
}

/// The action `abandon`.
pub async fn abandon(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let asked: AbandonOperation = call.admit()?;
    policy::allow(&api.control, &call.cx)?;
    let reason = match asked.abandon {
        Patch::Value(reason) => reason.reason,
        Patch::Absent | Patch::Null => None,
    };
    let left = operations::abandon(&api.control.db, call.path("id"), reason.as_deref()).await?;
    call.render(&AbandonedView { left })
}

fn view<'v>(operation: &'v Operation, steps: Option<&'v [Attempt]>) -> OperationView<'v> {
    OperationView {
        id: &operation.id,
        kind: &operation.kind,
        server_id: &operation.server_id,
        status: operation.status,
        direction: operation.direction,
        step: operation.step.as_deref(),
        attempts: operation.attempts,
        owner: operation.owner.as_deref(),
        epoch: operation.epoch,
        cancelled: operation.cancelled,
        forward_only: operation.forward_only,
        last_error: operation.last_error.as_deref(),
        request_id: operation.request_id.as_deref(),
        created_at: web::time::naive_micros(operation.created_at),
        updated_at: web::time::naive_micros(operation.updated_at),
        steps: steps.map(|steps| steps.iter().map(step).collect()),
    }
}

fn step(attempt: &Attempt) -> AttemptView<'_> {
    AttemptView {
        step: &attempt.step,
        outcome: attempt.outcome,
        started_at: web::time::naive_micros(attempt.started_at),
        ended_at: web::time::naive_micros(attempt.ended_at),
        error: attempt.error.as_deref(),
    }
}

/// An operation; with its steps where one is shown.
#[derive(Serialize, Versioned)]
pub struct OperationView<'v> {
    pub id: &'v str,
    pub kind: &'v str,
    pub server_id: &'v str,
    pub status: &'static str,
    pub direction: &'static str,
    pub step: Option<&'v str>,
    pub attempts: u32,
    pub owner: Option<&'v str>,
    pub epoch: u64,
    pub cancelled: bool,
    pub forward_only: bool,
    pub last_error: Option<&'v str>,
    pub request_id: Option<&'v str>,
    pub created_at: String,
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<AttemptView<'v>>>,
}

/// One attempt at a step.
#[derive(Serialize, Versioned)]
pub struct AttemptView<'v> {
    pub step: &'v str,
    pub outcome: &'static str,
    pub started_at: String,
    pub ended_at: String,
    pub error: Option<&'v str>,
}

/// What an operation that was given up leaves behind.
#[derive(Serialize, Versioned)]
pub struct AbandonedView {
    pub left: Vec<String>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.0")]
pub struct ListOperations {
    pub server_id: Option<String>,
    /// `stuck`, or `all` for those that ended too.
    #[mv(one_of("stuck", "all"))]
    pub status: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AbandonOperation {
    #[mv(nullable, required_since = "2.0")]
    #[serde(default)]
    pub abandon: Patch<Reason>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Reason {
    #[mv(min_length = 1, max_length = 255)]
    pub reason: Option<String>,
}
