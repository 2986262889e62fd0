//! Driving one workflow from where its row stands until it ends, waits, or is lost.

use std::any::Any;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sql::SqlError;
use sql::sea_orm::ActiveValue::Set;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cursor::{self, Cursor};
use crate::entity::{Direction, Outcome, Status, step, workflow};
use crate::journal::{self, Lease, Save, Saved, WorkflowId};
use crate::meddle::Crash;
use crate::runner::{Driving, Inner};
use crate::step::{Next, Step, StepContext, StepError, Workflow};

/// The ending's name in the history.
const ENDING: &str = "undone";

/// How often the ending is tried before the workflow is stuck.
const ENDING_ATTEMPTS: u32 = 10;

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
    steps: Vec<Step<W::Env, W::State>>,
}

impl<W: Workflow> Table<W> {
    pub fn new() -> Self {
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
        Table { steps }
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    fn cursor(&self, row: &workflow::Model) -> Option<Cursor> {
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
    fn skip(&self, mut cursor: Cursor) -> Cursor {
        while let Cursor::Undo { at, until } = cursor
            && self.steps[at].undo.is_none()
        {
            cursor = cursor::after_undo(at, until);
        }
        cursor
    }

    fn name(&self, cursor: Cursor) -> &'static str {
        match cursor {
            Cursor::Run(at) | Cursor::Undo { at, .. } => self.steps[at].name,
            Cursor::Ending => ENDING,
        }
    }

    fn attempts(&self, cursor: Cursor) -> u32 {
        match cursor {
            Cursor::Run(at) | Cursor::Undo { at, .. } => self.steps[at].attempts,
            Cursor::Ending => ENDING_ATTEMPTS,
        }
    }
}

impl<W: Workflow> Driver<W::Env> for Table<W> {
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
            subject = row.subject
        );
        let drive = async move {
            match Course::<W>::begin(self, inner, &lease, &row, bell) {
                Ok(mut course) => course.drive().await,
                Err(why) => {
                    unreadable(W::KIND, &lease, row, &why).await?;
                    Ok(Ended::LetGo)
                }
            }
        };
        Box::pin(drive.instrument(span))
    }
}

/// A row that this version of the program cannot continue is left as it is, marked stuck.
async fn unreadable(
    kind: &'static str,
    lease: &Lease,
    row: workflow::Model,
    why: &str,
) -> Result<(), SqlError> {
    report_stuck(kind, why);
    let save = Save {
        state: row.state,
        direction: row.direction,
        position: row.position,
        back_to: row.back_to,
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

fn report_stuck(kind: &'static str, why: &str) {
    metrics::counter!("kilonova_workflow_stuck_total", "kind" => kind).increment(1);
    tracing::error!(
        why,
        "workflow is STUCK: an operator must look, then resume it"
    );
}

/// How one attempt at a step came out.
enum Attempt {
    Ended(Result<Next, StepError>),
    /// The lease is lost or the runner is to die: drop everything.
    Abandoned,
}

/// One workflow on its way.
struct Course<'a, W: Workflow> {
    table: &'a Table<W>,
    inner: &'a Inner<W::Env>,
    lease: Lease,
    bell: Arc<Notify>,
    id: WorkflowId,
    subject: String,
    state: W::State,
    cursor: Cursor,
    attempts: u32,
    /// Why it goes back.
    why: Option<Value>,
    seq: i32,
    /// History that the next save writes.
    unsaved: Vec<step::ActiveModel>,
    /// Somebody asked to cancel, and we know.
    cancelled: CancellationToken,
}

impl<'a, W: Workflow> Course<'a, W> {
    fn begin(
        table: &'a Table<W>,
        inner: &'a Inner<W::Env>,
        lease: &Lease,
        row: &workflow::Model,
        bell: Arc<Notify>,
    ) -> Result<Self, String> {
        let id = row.id.parse().map_err(|_| "its id is no UUID".to_owned())?;
        let state = read_state::<W>(row)?;
        let cursor = table
            .cursor(row)
            .ok_or_else(|| format!("this version knows no step '{}'", row.position))?;
        let mut course = Course {
            table,
            inner,
            lease: lease.clone(),
            bell,
            id,
            subject: row.subject.clone(),
            state,
            cursor,
            attempts: row.attempts.unsigned_abs(),
            why: row.error.as_deref().and_then(read_why),
            seq: row.seq,
            unsaved: Vec::new(),
            cancelled: CancellationToken::new(),
        };
        if row.cancel {
            course.note_cancel();
        }
        Ok(course)
    }

    async fn drive(&mut self) -> Result<Ended, SqlError> {
        loop {
            if self.inner.stopping.is_cancelled() {
                return self.pause(Duration::ZERO).await.map(|_| Ended::LetGo);
            }
            if self.cancelled.is_cancelled() && !self.gives_up() {
                self.turn_round();
            }
            let started = Utc::now();
            let ended = match self.attempt_as_asked().await? {
                Attempt::Ended(result) => self.conclude(started, result).await?,
                Attempt::Abandoned => Some(Ended::LetGo),
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Whether everything is being undone already.
    fn gives_up(&self) -> bool {
        matches!(
            self.cursor,
            Cursor::Undo { until: None, .. } | Cursor::Ending
        )
    }

    fn note_cancel(&mut self) {
        if W::CANCELLABLE {
            self.cancelled.cancel();
        }
    }

    fn turn_round(&mut self) {
        self.cursor = self.table.skip(cursor::turned_round(self.cursor));
        self.why = Some(json!({ "cancelled": true }));
        self.attempts = 0;
    }

    /// One attempt; or two, when a test wants to see that it makes no difference.
    async fn attempt_as_asked(&mut self) -> Result<Attempt, SqlError> {
        let mut attempt = self.attempt().await?;
        if self.inner.meddler.twice() && matches!(attempt, Attempt::Ended(Ok(_))) {
            attempt = self.attempt().await?;
        }
        if let (Cursor::Run(at), Attempt::Ended(Ok(_))) = (self.cursor, &attempt)
            && self.inner.meddler.fails(self.table.steps[at].name)
        {
            return Ok(Attempt::Ended(Err(StepError::fail("injected by a test"))));
        }
        Ok(attempt)
    }

    /// Runs the step under the cursor while keeping the lease and listening to nudges.
    async fn attempt(&mut self) -> Result<Attempt, SqlError> {
        let undoing = !matches!(self.cursor, Cursor::Run(_));
        let limit = match self.cursor {
            Cursor::Run(at) | Cursor::Undo { at, .. } => self.table.steps[at].within,
            Cursor::Ending => None,
        };
        let cx = StepContext {
            id: self.id,
            subject: self.subject.clone(),
            attempt: self.attempts,
            undoing,
            deadline: limit.map(|limit| Instant::now() + limit),
            lease: self.lease.clone(),
            // An undo cannot be cancelled, and helpers shared with `run` must not think so.
            cancelled: if undoing {
                CancellationToken::new()
            } else {
                self.cancelled.clone()
            },
            nudged: Arc::new(Notify::new()),
        };
        let env: &W::Env = &self.inner.env;
        let null = Value::Null;
        let why = self.why.as_ref().unwrap_or(&null);
        let acting = act::<W>(self.table, self.cursor, env, &cx, &mut self.state, why);
        let mut acting = AssertUnwindSafe(acting).catch_unwind();
        let mut beat = tokio::time::interval_at(
            Instant::now() + self.lease.length() / 3,
            self.lease.length() / 3,
        );
        let far = Instant::now() + Duration::from_secs(86_400 * 365);
        let deadline = tokio::time::sleep_until(cx.deadline.unwrap_or(far));
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                result = &mut acting => {
                    return Ok(Attempt::Ended(result.unwrap_or_else(|panic| Err(panicked(&*panic)))));
                }
                () = self.inner.aborting.cancelled() => return Ok(Attempt::Abandoned),
                () = self.bell.notified() => {
                    if W::CANCELLABLE && self.lease.is_cancelled().await? {
                        self.cancelled.cancel();
                    }
                    cx.nudged.notify_one();
                }
                _ = beat.tick() => {
                    if !self.lease.renew().await? {
                        tracing::warn!("lease lost in the middle of a step; another runner has it");
                        return Ok(Attempt::Abandoned);
                    }
                    if W::CANCELLABLE && self.lease.is_cancelled().await? {
                        self.cancelled.cancel();
                    }
                }
                () = &mut deadline, if limit.is_some() => {
                    let seconds = limit.unwrap_or_default().as_secs_f64();
                    let why = json!({ "timeout": seconds });
                    return Ok(Attempt::Ended(Err(StepError::Fail(why))));
                }
            }
        }
    }

    /// Writes down how the step ended and moves the cursor; `None` to go on.
    async fn conclude(
        &mut self,
        started: DateTime<Utc>,
        result: Result<Next, StepError>,
    ) -> Result<Option<Ended>, SqlError> {
        measure(W::KIND, self.table.name(self.cursor), started);
        match self.cursor {
            Cursor::Run(at) => self.conclude_run(at, started, result).await,
            Cursor::Undo { at, until } => match result {
                Ok(_) => {
                    self.remember(started, Outcome::Undone, None);
                    self.go_to(cursor::after_undo(at, until)).await
                }
                Err(error) => self.conclude_failed_undo(started, error).await,
            },
            Cursor::Ending => match result {
                Ok(_) => {
                    self.remember(started, Outcome::Done, None);
                    self.finish(Status::Undone).await
                }
                Err(error) => self.conclude_failed_undo(started, error).await,
            },
        }
    }

    async fn conclude_run(
        &mut self,
        at: usize,
        started: DateTime<Utc>,
        result: Result<Next, StepError>,
    ) -> Result<Option<Ended>, SqlError> {
        match result {
            Ok(Next::Go) => {
                self.remember(started, Outcome::Done, None);
                self.why = None;
                match cursor::after_run(at, self.table.steps.len()) {
                    None => self.finish(Status::Done).await,
                    Some(next) if self.table.steps[at].pure => {
                        self.attempts = 0;
                        self.cursor = next;
                        Ok(None)
                    }
                    Some(next) => self.go_to(next).await,
                }
            }
            Ok(Next::Back { to, why }) => match self.table.index(to).filter(|to| *to <= at) {
                Some(to) => {
                    self.remember(started, Outcome::Back, Some(why.clone()));
                    self.why = Some(why);
                    self.go_to(Cursor::Undo {
                        at,
                        until: Some(to),
                    })
                    .await
                }
                None => {
                    self.get_stuck(&format!("no step '{to}' to go back to"))
                        .await
                }
            },
            Err(StepError::Retry { after, why })
                if self.attempts + 1 < self.table.attempts(self.cursor) =>
            {
                tracing::debug!(
                    step = self.table.name(self.cursor),
                    why,
                    "step will be tried again"
                );
                self.remember(started, Outcome::Retry, Some(json!(why)));
                self.why = Some(json!(why));
                self.attempts += 1;
                self.pause(after).await.map(Some)
            }
            Err(StepError::Fatal(why)) => {
                self.remember(started, Outcome::Failed, Some(json!(why)));
                self.get_stuck(&why).await
            }
            Err(StepError::Retry { why, .. }) => self.give_up(at, started, json!(why)).await,
            Err(StepError::Fail(why)) => self.give_up(at, started, why).await,
        }
    }

    async fn give_up(
        &mut self,
        at: usize,
        started: DateTime<Utc>,
        why: Value,
    ) -> Result<Option<Ended>, SqlError> {
        tracing::info!(step = self.table.name(self.cursor), %why, "step failed; undoing");
        self.remember(started, Outcome::Failed, Some(why.clone()));
        self.why = Some(why);
        self.go_to(Cursor::Undo { at, until: None }).await
    }

    async fn conclude_failed_undo(
        &mut self,
        started: DateTime<Utc>,
        error: StepError,
    ) -> Result<Option<Ended>, SqlError> {
        let (after, why, fatal) = match error {
            StepError::Retry { after, why } => (after, json!(why), false),
            // 1, 2, 4, … seconds, a minute at most: what refuses now is asked less and less often.
            StepError::Fail(why) => (
                Duration::from_secs((1 << self.attempts.min(6)).min(60)),
                why,
                false,
            ),
            StepError::Fatal(why) => (Duration::ZERO, json!(why), true),
        };
        let name = self.table.name(self.cursor);
        tracing::warn!(step = name, %why, "undo failed");
        self.remember(started, Outcome::UndoFailed, Some(why.clone()));
        self.attempts += 1;
        if fatal || self.attempts >= self.table.attempts(self.cursor) {
            return self
                .get_stuck(&format!("undo of {name} failed: {why}"))
                .await;
        }
        self.pause(after).await.map(Some)
    }

    /// Notes an attempt for the history; the next save writes it.
    fn remember(&mut self, started: DateTime<Utc>, outcome: Outcome, error: Option<Value>) {
        self.unsaved.push(step::ActiveModel {
            workflow_id: Set(self.id.to_string()),
            seq: Set(self.seq),
            name: Set(self.table.name(self.cursor).to_owned()),
            outcome: Set(outcome),
            started_at: Set(sql::micros(started)),
            ended_at: Set(sql::micros(Utc::now())),
            error: Set(error.map(|error| error.to_string())),
        });
        self.seq += 1;
    }

    /// Moves to `next` and saves that.
    async fn go_to(&mut self, next: Cursor) -> Result<Option<Ended>, SqlError> {
        let was = self.cursor;
        self.cursor = self.table.skip(next);
        self.attempts = 0;
        match self.save(Status::Running, None).await? {
            Saved::Yes => Ok(None),
            Saved::Lost => Ok(Some(self.lost())),
            Saved::Cancelled => {
                // Turn round from the step that just ended, which is what has to be undone first.
                if matches!(next, Cursor::Run(_)) {
                    self.cursor = was;
                }
                self.save_turned_round().await
            }
        }
    }

    async fn save_turned_round(&mut self) -> Result<Option<Ended>, SqlError> {
        self.note_cancel();
        self.turn_round();
        match self.save(Status::Running, None).await? {
            Saved::Yes => Ok(None),
            Saved::Lost | Saved::Cancelled => Ok(Some(self.lost())),
        }
    }

    /// Ends the workflow.
    async fn finish(&mut self, status: Status) -> Result<Option<Ended>, SqlError> {
        match self.save(status, None).await? {
            Saved::Lost => return Ok(Some(self.lost())),
            Saved::Cancelled => return self.save_turned_round().await,
            Saved::Yes => {}
        }
        let ending = if status == Status::Done {
            "done"
        } else {
            "undone"
        };
        metrics::counter!("kilonova_workflow_ended_total", "kind" => W::KIND, "ending" => ending)
            .increment(1);
        // Whoever asked to cancel usually waits for the end in a workflow of the same subject.
        let wake = if self.cancelled.is_cancelled() {
            journal::others(&self.inner.db, &self.subject, self.id).await?
        } else {
            Vec::new()
        };
        Ok(Some(Ended::Finished { wake }))
    }

    async fn get_stuck(&mut self, why: &str) -> Result<Option<Ended>, SqlError> {
        report_stuck(W::KIND, why);
        self.why = Some(json!({ "stuck": why, "why": self.why.take() }));
        self.save(Status::Stuck, None).await?;
        Ok(Some(Ended::Finished { wake: Vec::new() }))
    }

    /// Saves and lets go for `after`.
    async fn pause(&mut self, after: Duration) -> Result<Ended, SqlError> {
        match self.save(Status::Running, Some(after)).await? {
            Saved::Yes => Ok(Ended::Later(after)),
            // The request came during the attempt that failed: no need to wait for the next one.
            Saved::Cancelled => {
                self.note_cancel();
                self.turn_round();
                match self.save(Status::Running, Some(Duration::ZERO)).await? {
                    Saved::Yes => Ok(Ended::Later(Duration::ZERO)),
                    Saved::Lost | Saved::Cancelled => Ok(self.lost()),
                }
            }
            Saved::Lost => Ok(self.lost()),
        }
    }

    fn lost(&self) -> Ended {
        tracing::warn!(
            epoch = self.lease.epoch(),
            "lease lost; another runner continues"
        );
        Ended::LetGo
    }

    async fn save(&mut self, status: Status, release: Option<Duration>) -> Result<Saved, SqlError> {
        let crash = self.inner.meddler.crash();
        if crash == Some(Crash::Before) {
            return Ok(Saved::Lost);
        }
        let state = match serde_json::to_string(&self.state) {
            Ok(state) => state,
            Err(error) => {
                report_stuck(W::KIND, &error.to_string());
                return Ok(Saved::Lost);
            }
        };
        let (direction, position, back_to) = match self.cursor {
            Cursor::Run(at) => (Direction::Forward, self.table.steps[at].name, None),
            Cursor::Undo { at, until } => (
                Direction::Undo,
                self.table.steps[at].name,
                until.map(|until| self.table.steps[until].name.to_owned()),
            ),
            Cursor::Ending => (Direction::Undo, "", None),
        };
        let save = Save {
            state,
            direction,
            position: position.to_owned(),
            back_to,
            status,
            attempts: self.attempts,
            error: self.why.clone(),
            seq: self.seq,
            steps: std::mem::take(&mut self.unsaved),
            release,
            unless_cancelled: W::CANCELLABLE && !self.gives_up() && status != Status::Stuck,
        };
        let saved = self.lease.save(&save).await?;
        if saved == Saved::Cancelled {
            self.unsaved = save.steps;
        }
        Ok(if crash == Some(Crash::After) {
            Saved::Lost
        } else {
            saved
        })
    }
}

/// The function under the cursor, called.
fn act<'a, W: Workflow>(
    table: &'a Table<W>,
    cursor: Cursor,
    env: &'a W::Env,
    cx: &'a StepContext,
    state: &'a mut W::State,
    why: &'a Value,
) -> BoxFuture<'a, Result<Next, StepError>> {
    match cursor {
        Cursor::Run(at) => (table.steps[at].run)(env, cx, state),
        Cursor::Undo { at, .. } => match &table.steps[at].undo {
            Some(undo) => Box::pin(undo(env, cx, state).map(|ended| ended.map(|()| Next::Go))),
            None => Box::pin(async { Ok(Next::Go) }),
        },
        Cursor::Ending => {
            Box::pin(W::undone(env, cx, state, why).map(|ended| ended.map(|()| Next::Go)))
        }
    }
}

fn read_state<W: Workflow>(row: &workflow::Model) -> Result<W::State, String> {
    let broken = |error: serde_json::Error| format!("its state cannot be read: {error}");
    match u16::try_from(row.version) {
        Ok(version) if version == W::VERSION => serde_json::from_str(&row.state).map_err(broken),
        Ok(version) if version < W::VERSION => {
            let state = serde_json::from_str(&row.state).map_err(broken)?;
            W::upgrade(version, state).map_err(broken)
        }
        _ => Err(format!(
            "its state has version {}, newer than this program",
            row.version
        )),
    }
}

/// The reason for going back, also out of what was noted when the workflow got stuck.
fn read_why(text: &str) -> Option<Value> {
    let error: Value = serde_json::from_str(text).ok()?;
    match error.get("stuck") {
        Some(_) => error.get("why").filter(|why| !why.is_null()).cloned(),
        None => Some(error),
    }
}

/// A step that panicked has failed, no more.
fn panicked(panic: &(dyn Any + Send)) -> StepError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = text, "a step panicked");
    StepError::Fail(json!({ "panic": text }))
}

fn measure(kind: &'static str, step: &'static str, started: DateTime<Utc>) {
    let took = (Utc::now() - started).to_std().unwrap_or_default();
    metrics::histogram!("kilonova_workflow_step_seconds", "kind" => kind, "step" => step)
        .record(took);
}
