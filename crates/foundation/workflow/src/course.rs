//! One workflow on its way: where it stands, and the attempts at its steps.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sql::SqlError;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cursor::{self, Cursor};
use crate::drive::{Ended, Table, read_state, read_why};
use crate::entity::{step, workflow};
use crate::journal::WorkflowId;
use crate::lease::Lease;
use crate::runner::Inner;
use crate::step::{Next, StepContext, StepError, Workflow, chain};

/// How one attempt at a step came out.
pub(crate) enum Attempt {
    Ended(Result<Next, StepError>),
    /// The lease is lost or the runner is to die: drop everything.
    Abandoned,
}

/// One workflow on its way.
pub(crate) struct Course<'a, W: Workflow> {
    pub table: &'a Table<W>,
    pub inner: &'a Inner<W::Env>,
    pub lease: Lease,
    pub bell: Arc<Notify>,
    pub id: WorkflowId,
    pub subject: String,
    pub state: W::State,
    pub cursor: Cursor,
    pub attempts: u32,
    /// Why it goes back.
    pub why: Option<Value>,
    pub seq: i32,
    /// History that the next save writes.
    pub unsaved: Vec<step::ActiveModel>,
    /// Rung by nudges that no step has listened to yet.
    pub nudged: Arc<Notify>,
    /// Somebody asked to cancel, and we know.
    pub cancelled: CancellationToken,
}

impl<'a, W: Workflow> Course<'a, W> {
    pub fn begin(
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
            nudged: Arc::default(),
            cancelled: CancellationToken::new(),
        };
        if row.cancel {
            course.note_cancel();
        }
        Ok(course)
    }

    pub async fn drive(&mut self) -> Result<Ended, SqlError> {
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
    pub fn gives_up(&self) -> bool {
        matches!(
            self.cursor,
            Cursor::Undo { until: None, .. } | Cursor::Ending
        )
    }

    pub fn note_cancel(&mut self) {
        if W::CANCELLABLE {
            self.cancelled.cancel();
        }
    }

    pub fn turn_round(&mut self) {
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
            nudged: self.nudged.clone(),
        };
        let env: &W::Env = &self.inner.env;
        let null = Value::Null;
        let why = self.why.as_ref().unwrap_or(&null);
        let acting = act::<W>(self.table, self.cursor, env, &cx, &mut self.state, why);
        let mut acting = AssertUnwindSafe(acting).catch_unwind();
        // Beside the step, never instead of it: what it waits for may be held by the step itself, as
        // SQLite's only writer is by a step in a transaction.
        let keeper = keep::<W>(&self.lease, &self.cancelled, &self.bell, &cx.nudged);
        tokio::pin!(keeper);
        let far = Instant::now() + Duration::from_secs(86_400 * 365);
        let deadline = tokio::time::sleep_until(cx.deadline.unwrap_or(far));
        tokio::pin!(deadline);
        tokio::select! {
            biased;
            result = &mut acting => {
                Ok(Attempt::Ended(result.unwrap_or_else(|panic| Err(panicked(&*panic)))))
            }
            () = self.inner.aborting.cancelled() => Ok(Attempt::Abandoned),
            () = &mut keeper => {
                tracing::warn!("lease lost in the middle of a step");
                Ok(Attempt::Abandoned)
            }
            () = &mut deadline, if limit.is_some() => {
                let seconds = limit.unwrap_or_default().as_secs_f64();
                let why = json!({ "timeout": seconds });
                Ok(Attempt::Ended(Err(StepError::Fail(why))))
            }
        }
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

/// Renews the lease and passes nudges on while a step runs; ends when the lease is lost.
async fn keep<W: Workflow>(
    lease: &Lease,
    cancelled: &CancellationToken,
    bell: &Notify,
    nudged: &Notify,
) {
    let third = lease.length() / 3;
    let beat = async {
        let mut beat = tokio::time::interval_at(Instant::now() + third, third);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut held = Instant::now();
        loop {
            beat.tick().await;
            if !hold_on::<W>(lease, &mut held, cancelled).await {
                return;
            }
        }
    };
    let listen = async {
        loop {
            bell.notified().await;
            let unheard = Unheard(bell);
            look_for_cancel::<W>(lease, cancelled).await;
            nudged.notify_one();
            std::mem::forget(unheard);
        }
    };
    tokio::select! {
        () = beat => {}
        () = listen => {}
    }
}

/// A nudge that was taken but not passed on yet. If the step ends first it is rung again, so that it
/// is not lost.
struct Unheard<'a>(&'a Notify);

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Keeps the lease; false when it is lost. While the database does not answer, the lease is ours for
/// as long as nobody else could have taken it.
async fn hold_on<W: Workflow>(
    lease: &Lease,
    held: &mut Instant,
    cancelled: &CancellationToken,
) -> bool {
    let asked = Instant::now();
    let until = *held + lease.length();
    match tokio::time::timeout_at(until, lease.renew()).await {
        Ok(Ok(true)) => {
            *held = asked;
            look_for_cancel::<W>(lease, cancelled).await;
            true
        }
        Ok(Ok(false)) | Err(_) => false,
        Ok(Err(error)) => {
            tracing::warn!(
                error = chain(&error),
                "cannot renew the lease of a workflow"
            );
            Instant::now() < until
        }
    }
}

/// Sets `cancelled` if somebody asked to cancel. A database that does not answer is asked again later.
async fn look_for_cancel<W: Workflow>(lease: &Lease, cancelled: &CancellationToken) {
    if W::CANCELLABLE && lease.is_cancelled().await.unwrap_or(false) {
        cancelled.cancel();
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
