//! One workflow on its way: where it stands, and the attempts at its steps.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use serde_json::{Value, json};
use sql::SqlError;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::{Marks, StepContext};
use crate::cursor::{self, Cursor};
use crate::drive::{Ended, Unreadable, read_why};
use crate::entity::{step, workflow};
use crate::journal::WorkflowId;
use crate::kind::{Driver, Taken};
use crate::lease::{Lease, Saved};
use crate::runner::Inner;
use crate::step::{Next, StepError, chain};
use crate::table::Table;

/// How long a step that goes on although its workflow was asked to turn round is let go on: enough for a step
/// that looks, and for what is nearly done.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// How one attempt at a step came out.
pub(crate) enum Attempt {
    Ended(Result<Next, StepError>),
    /// It ended well, and its own transaction saved that.
    Saved,
    /// The lease is lost or the runner is to die: drop everything.
    Abandoned,
}

/// One workflow on its way.
pub(crate) struct Course<'a> {
    pub table: &'a Table,
    pub taken: Box<dyn Taken + 'a>,
    pub inner: &'a Inner,
    pub lease: Lease,
    pub bell: Arc<Notify>,
    pub id: WorkflowId,
    pub subject: String,
    pub cursor: Cursor,
    pub attempts: u32,
    /// The step from which there is no way back, once it was reached.
    pub forward_from: Option<String>,
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

impl<'a> Course<'a> {
    pub fn begin(
        driver: &'a dyn Driver,
        inner: &'a Inner,
        lease: &Lease,
        row: &workflow::Model,
        bell: Arc<Notify>,
    ) -> Result<Self, Unreadable> {
        let table = driver.table();
        let id = row.id.parse();
        let id = id.map_err(|_| Unreadable::State("its id is no UUID".to_owned()))?;
        let cursor = table
            .cursor(row)
            .ok_or_else(|| Unreadable::Step(row.position.clone()))?;
        let taken = driver.take(row).map_err(Unreadable::State)?;
        let mut course = Course {
            table,
            taken,
            inner,
            lease: lease.clone(),
            bell,
            id,
            subject: row.subject.clone(),
            cursor,
            attempts: row.attempts.unsigned_abs(),
            forward_from: row.forward_from.clone(),
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
            if self.cancelled.is_cancelled() && !self.gives_up() && !self.only_forward() {
                self.turn_round();
            }
            if let Some(ended) = self.pass_no_return().await? {
                return Ok(ended);
            }
            let started = self.inner.meddler.now();
            let ended = match self.attempt_as_asked(started).await? {
                Attempt::Ended(result) => self.conclude(started, result).await?,
                Attempt::Saved => self.adopt_saved(started).await?,
                Attempt::Abandoned => Some(Ended::LetGo),
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Writes down that the step under the cursor is one from which there is no way back, if no earlier save did.
    async fn pass_no_return(&mut self) -> Result<Option<Ended>, SqlError> {
        let Cursor::Run(at) = self.cursor else {
            return Ok(None);
        };
        let step = &self.table.steps[at];
        if !step.no_return || self.only_forward() {
            return Ok(None);
        }
        let Ok(state) = self.taken.state() else {
            return Ok(None);
        };
        match self.lease.save_forward(state, step.name).await? {
            Saved::Yes => {
                self.forward_from = Some(step.name.to_owned());
                Ok(None)
            }
            Saved::Cancelled => {
                self.note_cancel();
                self.turn_round();
                Ok(None)
            }
            Saved::Lost => Ok(Some(Ended::LetGo)),
        }
    }

    /// Whether there is no way back: steps are tried until they succeed, and nobody turns it round.
    pub fn only_forward(&self) -> bool {
        !self.table.cancellable || self.forward_from.is_some()
    }

    /// Whether everything is being undone already.
    pub fn gives_up(&self) -> bool {
        matches!(
            self.cursor,
            Cursor::Undo { until: None, .. } | Cursor::Ending
        )
    }

    pub fn note_cancel(&mut self) {
        if !self.only_forward() {
            self.cancelled.cancel();
        }
    }

    pub fn turn_round(&mut self) {
        self.cursor = self.table.skip(cursor::turned_round(self.cursor));
        self.why = Some(json!({ "cancelled": true }));
        self.attempts = 0;
    }

    /// One attempt; or two, when a test wants to see that it makes no difference.
    async fn attempt_as_asked(&mut self, started: DateTime<Utc>) -> Result<Attempt, SqlError> {
        let mut attempt = self.attempt(started).await?;
        if self.inner.meddler.twice() && matches!(attempt, Attempt::Ended(Ok(_))) {
            attempt = self.attempt(started).await?;
        }
        let (at, undoing) = match self.cursor {
            Cursor::Run(at) => (at, false),
            Cursor::Undo { at, .. } => (at, true),
            Cursor::Ending => return Ok(attempt),
        };
        let (meddler, step) = (&self.inner.meddler, self.table.steps[at].name);
        if matches!(attempt, Attempt::Ended(Ok(_)))
            && match undoing {
                true => meddler.fails_undo(step),
                false => meddler.fails(step, self.only_forward()),
            }
        {
            let why = "injected by a test";
            // What is tried until it succeeds need not keep the test waiting.
            return Ok(Attempt::Ended(Err(match undoing || self.only_forward() {
                true => StepError::retry(Duration::from_millis(1), why),
                false => StepError::fail(why),
            })));
        }
        Ok(attempt)
    }

    /// Runs the step under the cursor while keeping the lease and listening to nudges.
    async fn attempt(&mut self, started: DateTime<Utc>) -> Result<Attempt, SqlError> {
        let undoing = !matches!(self.cursor, Cursor::Run(_));
        let limit = self.taken.limit(self.cursor);
        let cancellable = !undoing && !self.only_forward();
        let cx = StepContext {
            id: self.id,
            subject: self.subject.clone(),
            attempt: self.attempts,
            undoing,
            step: self.table.name(self.cursor),
            deadline: Instant::now() + limit,
            lease: self.lease.clone(),
            // An undo cannot be cancelled, and helpers shared with `run` must not think so.
            cancelled: if cancellable {
                self.cancelled.clone()
            } else {
                CancellationToken::new()
            },
            cancellable,
            nudged: self.nudged.clone(),
            marks: Marks::default(),
            ending: self.good_ending(started),
            meddler: self.inner.meddler.clone(),
        };
        let null = Value::Null;
        let why = self.why.as_ref().unwrap_or(&null);
        let acting = self.taken.act(self.cursor, &cx, why);
        let mut acting = AssertUnwindSafe(acting).catch_unwind();
        // A process that stood still for longer than its lease must not go on as if nothing had happened: what a
        // step asks of other services is not fenced by a transaction.
        let lease = &self.lease;
        let mut acting = std::future::poll_fn(move |cx| match Instant::now() < lease.over() {
            true => acting.poll_unpin(cx),
            false => Poll::Pending,
        });
        // Beside the step, never instead of it: what it waits for may be held by the step itself, as
        // SQLite's only writer is by a step in a transaction.
        let keeper = keep(&self.lease, &cx, &self.bell);
        tokio::pin!(keeper);
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        let overdue = dawdles_when_cancelled(&cx);
        tokio::pin!(overdue);
        let attempt = tokio::select! {
            biased;
            result = &mut acting => {
                Attempt::Ended(result.unwrap_or_else(|panic| Err(panicked(&*panic))))
            }
            () = self.inner.aborting.cancelled() => Attempt::Abandoned,
            () = cx.marks.lost.cancelled() => Attempt::Abandoned,
            () = &mut keeper => {
                tracing::warn!("lease lost in the middle of a step");
                Attempt::Abandoned
            }
            () = &mut deadline => {
                let seconds = limit.as_secs_f64();
                Attempt::Ended(Err(StepError::Fail(json!({ "timeout": seconds }))))
            }
            () = &mut overdue => {
                tracing::info!(step = cx.step, "dropped in its middle: it was asked to turn round");
                Attempt::Ended(Err(StepError::fail("cancelled")))
            }
        };
        if cx.marks.forward.load(Ordering::SeqCst) && self.forward_from.is_none() {
            self.forward_from = Some(cx.step.to_owned());
        }
        if cx.marks.saved.load(Ordering::SeqCst) {
            return Ok(Attempt::Saved);
        }
        if cx.marks.lost.is_cancelled() {
            tracing::warn!(
                epoch = self.lease.epoch(),
                "another runner took over in the middle of a step"
            );
            return Ok(Attempt::Abandoned);
        }
        Ok(attempt)
    }
}

/// Ends a moment after the workflow was asked to turn round, unless the step went past the point of no return.
async fn dawdles_when_cancelled(cx: &StepContext) {
    cx.cancelled.cancelled().await;
    tokio::time::sleep(CANCEL_GRACE).await;
    if cx.marks.forward.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}

/// Renews the lease and passes nudges on while a step runs; ends when the lease is lost.
async fn keep(lease: &Lease, cx: &StepContext, bell: &Notify) {
    let third = lease.length() / 3;
    let beat = async {
        let mut beat = tokio::time::interval_at(Instant::now() + third, third);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if !hold_on(lease, cx).await {
                return;
            }
        }
    };
    let listen = async {
        loop {
            bell.notified().await;
            let unheard = Unheard(bell);
            look_for_cancel(lease, cx).await;
            cx.nudged.notify_one();
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

/// Keeps the lease; false when it is lost. A lease that may be over by our reckoning is still ours if the database
/// says so: until then the step stands still. While the database does not answer, it is ours for as long as nobody
/// else could have taken it, and one length more.
async fn hold_on(lease: &Lease, cx: &StepContext) -> bool {
    let until = lease.over().max(Instant::now()) + lease.length();
    match tokio::time::timeout_at(until, lease.renew()).await {
        Ok(Ok(true)) => {
            // The step, which is polled before this, may have stood still.
            tokio::task::yield_now().await;
            look_for_cancel(lease, cx).await;
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

/// Tells the step if somebody asked to cancel. A database that does not answer is asked again later.
async fn look_for_cancel(lease: &Lease, cx: &StepContext) {
    let deaf = || !cx.cancellable || cx.marks.forward.load(Ordering::SeqCst);
    if !deaf() && lease.is_cancelled().await.unwrap_or(false) && !deaf() {
        cx.cancelled.cancel();
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
