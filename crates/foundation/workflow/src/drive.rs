//! A kind of workflow at work: its table of steps, and driving a row of its kind.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sql::SqlError;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::course::Course;
use crate::cursor::{self, Cursor};
use crate::entity::{Direction, Status, workflow};
use crate::journal::WorkflowId;
use crate::lease::{Lease, Readable, Save};
use crate::runner::{Driving, Inner};
use crate::step::{Step, Workflow};

/// How long a row is left alone that was saved by a program with other steps: another runner may know them.
const UNKNOWN_STEP: Duration = Duration::from_secs(60);

/// The ending's name in the history.
const ENDING: &str = "undone";

/// How driving ended.
pub(crate) enum Ended {
    /// Done, undone or stuck. `wake` waited for that.
    Finished { wake: Vec<WorkflowId> },
    /// To be taken again after so long.
    Later(Duration),
    /// Another's, or nobody's, concern now.
    LetGo,
}

/// A kind of workflow without its type.
pub(crate) trait Driver<E>: Send + Sync {
    /// The rows that it can continue.
    fn readable(&self) -> Readable;

    /// Drives the workflow of `row` on.
    fn drive<'a>(
        &'a self,
        inner: &'a Inner<E>,
        lease: Lease,
        row: workflow::Model,
        bell: Arc<Notify>,
    ) -> Driving<'a>;
}

/// The steps of a kind.
pub(crate) struct Table<W: Workflow> {
    /// Its name in the journal.
    pub kind: &'static str,
    pub steps: Vec<Step<W::Env, W::State>>,
}

impl<W: Workflow> Table<W> {
    pub fn new(kind: &'static str) -> Self {
        let steps = W::steps();
        let names: HashSet<_> = steps.iter().map(|step| step.name).collect();
        assert!(!steps.is_empty(), "workflow {} has no steps", W::KIND);
        assert!(
            names.len() == steps.len(),
            "workflow {} has two steps of one name",
            W::KIND
        );
        assert!(
            !names.contains(""),
            "workflow {} has a step without a name",
            W::KIND
        );
        Table { kind, steps }
    }

    pub fn index(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    pub fn cursor(&self, row: &workflow::Model) -> Option<Cursor> {
        let at = match (row.direction, row.position.as_str()) {
            (Direction::Forward, "") => return Some(Cursor::Run(0)),
            (Direction::Undo, "") => return Some(Cursor::Ending),
            (_, name) => self.index(name)?,
        };
        let until = match &row.back_to {
            Some(name) => Some(self.index(name)?),
            None => None,
        };
        Some(match row.direction {
            Direction::Forward => Cursor::Run(at),
            Direction::Undo => Cursor::Undo { at, until },
        })
    }

    /// Passes over steps that have nothing to undo.
    pub fn skip(&self, mut cursor: Cursor) -> Cursor {
        while let Cursor::Undo { at, until } = cursor
            && self.steps[at].undo.is_none()
        {
            cursor = cursor::after_undo(at, until);
        }
        cursor
    }

    pub fn name(&self, cursor: Cursor) -> &'static str {
        match cursor {
            Cursor::Run(at) | Cursor::Undo { at, .. } => self.steps[at].name,
            Cursor::Ending => ENDING,
        }
    }

    /// Attempts at what is under the cursor before it counts as failed, or as stuck on the way back.
    pub fn attempts(&self, cursor: Cursor) -> u32 {
        match cursor {
            Cursor::Run(at) => self.steps[at].attempts,
            Cursor::Undo { at, .. } => self.steps[at].undo_attempts,
            // Who waits for the news waits for ever if it is not told.
            Cursor::Ending => u32::MAX,
        }
    }
}

impl<W: Workflow> Driver<W::Env> for Table<W> {
    fn readable(&self) -> Readable {
        Readable {
            kind: self.kind,
            oldest: W::OLDEST,
            newest: W::VERSION,
        }
    }

    fn drive<'a>(
        &'a self,
        inner: &'a Inner<W::Env>,
        lease: Lease,
        row: workflow::Model,
        bell: Arc<Notify>,
    ) -> Driving<'a> {
        let span = tracing::info_span!(
            "workflow",
            kind = W::KIND,
            id = row.id,
            subject = row.subject,
            request_id = tracing::field::Empty,
            global_id = tracing::field::Empty,
        );
        let drive = async move {
            match Course::<W>::begin(self, inner, &lease, &row, bell) {
                Ok(mut course) => {
                    let asked = W::request(&course.state);
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
                    unreadable(W::KIND, &lease, row, &why).await?;
                    Ok(Ended::LetGo)
                }
            }
        };
        Box::pin(drive.instrument(span))
    }
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

pub(crate) fn read_state<W: Workflow>(row: &workflow::Model) -> Result<W::State, String> {
    let broken = |error: serde_json::Error| format!("its state cannot be read: {error}");
    match u16::try_from(row.version) {
        Ok(version) if version == W::VERSION => serde_json::from_str(&row.state).map_err(broken),
        Ok(version) if version < W::VERSION => {
            let state = serde_json::from_str(&row.state).map_err(broken)?;
            W::upgrade(version, state).map_err(broken)
        }
        // Not taken, see `readable`.
        _ => Err(format!("its state has version {}", row.version)),
    }
}

/// The reason for going back, also out of what was noted when the workflow got stuck.
pub(crate) fn read_why(text: &str) -> Option<Value> {
    let error: Value = serde_json::from_str(text).ok()?;
    match error.get("stuck") {
        Some(_) => error.get("why").filter(|why| !why.is_null()).cloned(),
        None => Some(error),
    }
}
