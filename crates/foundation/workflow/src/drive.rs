//! Driving the row of a workflow: read, followed to its end or its next wait, or set aside when it is damaged.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sql::SqlError;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::course::Course;
use crate::entity::{Status, workflow};
use crate::journal::WorkflowId;
use crate::kind::Driver;
use crate::lease::{Lease, Save};
use crate::runner::Inner;

/// How long a row is left alone that was saved by a program with other steps: another runner may know them.
const UNKNOWN_STEP: Duration = Duration::from_secs(60);

/// How driving ended.
pub(crate) enum Ended {
    /// Done, undone or stuck. `wake` waited for that.
    Finished { wake: Vec<WorkflowId> },
    /// To be taken again after so long.
    Later(Duration),
    /// Another's, or nobody's, concern now.
    LetGo,
}

/// Drives the workflow of `row` on.
pub(crate) fn drive<'a>(
    driver: &'a dyn Driver,
    inner: &'a Inner,
    lease: Lease,
    row: workflow::Model,
    bell: Arc<Notify>,
) -> BoxFuture<'a, Result<Ended, SqlError>> {
    let kind = driver.table().kind;
    let span = tracing::info_span!(
        "workflow",
        kind,
        id = row.id,
        subject = row.subject,
        request_id = tracing::field::Empty,
        global_id = tracing::field::Empty,
    );
    let drive = async move {
        match Course::begin(driver, inner, &lease, &row, bell) {
            Ok(mut course) => {
                let asked = course.taken.request();
                let driven = inner.meddler.hold(course.drive());
                let driven = match asked {
                    Some(asked) => {
                        let span = tracing::Span::current();
                        span.record("request_id", asked.local.as_str());
                        span.record("global_id", asked.shown_global());
                        telemetry::request::follow(asked, span, driven).await
                    }
                    None => driven.await,
                };
                driven.unwrap_or(Ok(Ended::LetGo))
            }
            Err(Unreadable::Step(step)) => {
                tracing::error!(step, "not a step of this program: left to another one");
                lease.let_go(UNKNOWN_STEP).await?;
                Ok(Ended::LetGo)
            }
            Err(Unreadable::State(why)) => {
                unreadable(kind, &lease, row, &why).await?;
                Ok(Ended::LetGo)
            }
        }
    };
    drive.instrument(span).boxed()
}

/// Why a row cannot be continued.
pub(crate) enum Unreadable {
    /// It is at a step of this name, which its kind does not have here.
    Step(String),
    /// It is damaged: why.
    State(String),
}

/// A row that is damaged is left as it is, marked stuck.
async fn unreadable(
    kind: &'static str,
    lease: &Lease,
    row: workflow::Model,
    why: &str,
) -> Result<(), SqlError> {
    report_stuck(kind, why);
    let save = Save {
        version: u16::try_from(row.version).unwrap_or(u16::MAX),
        state: row.state,
        direction: row.direction,
        position: row.position,
        back_to: row.back_to,
        forward_from: row.forward_from,
        status: Status::Stuck,
        attempts: 0,
        error: Some(json!({ "stuck": why })),
        seq: row.seq,
        steps: Vec::new(),
        release: None,
        unless_cancelled: false,
    };
    lease.save(&save).await.map(drop)
}

pub(crate) fn report_stuck(kind: &'static str, why: &str) {
    metrics::counter!("kilonova_workflow_stuck_total", "kind" => kind).increment(1);
    tracing::error!(
        why,
        "workflow is STUCK: an operator must look, then resume it"
    );
}

/// The reason for going back, also out of what was noted when the workflow got stuck.
pub(crate) fn read_why(text: &str) -> Option<Value> {
    let error: Value = serde_json::from_str(text).ok()?;
    match error.get("stuck") {
        Some(_) => error.get("why").filter(|why| !why.is_null()).cloned(),
        None => Some(error),
    }
}
