//! What the author of a workflow writes: a [`Workflow`] with its table of [`Step`]s.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::journal::{WorkflowError, WorkflowId};
use crate::lease::Lease;

/// How often a step is tried, when it asks to be retried, before it counts as failed.
const ATTEMPTS: u32 = 10;

/// One kind of workflow: its state, the services it uses, and its table of steps.
pub trait Workflow: Send + Sync + 'static {
    /// The name in the journal. Never reuse one for something else.
    const KIND: &'static str;

    /// Raised when an older state can no longer be read as it is; see [`Workflow::upgrade`].
    const VERSION: u16 = 1;

    /// Whether [`request_cancel`](crate::request_cancel) turns it round. A delete says no.
    const CANCELLABLE: bool = true;

    /// All that steps know and learn. Saved after each step, so it must be complete.
    type State: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Services that steps use, shared by all workflows of a runner.
    type Env: Send + Sync + 'static;

    /// The steps in order; names are unique within the workflow.
    fn steps() -> Vec<Step<Self::Env, Self::State>>;

    /// Runs once everything is undone, before the workflow ends: tell the user why. Retried like an
    /// undo, without end; idempotent like a step. `why` is what the failing step gave, or
    /// `{"cancelled": true}`.
    fn undone(
        env: &Self::Env,
        cx: &StepContext,
        state: &mut Self::State,
        why: &Value,
    ) -> impl Future<Output = Result<(), StepError>> + Send {
        let _ = (env, cx, state, why);
        async { Ok(()) }
    }

    /// Reads a state that version `from` saved. Optional fields with serde defaults need none of this.
    ///
    /// # Errors
    /// The state cannot be read; the workflow is then marked stuck.
    fn upgrade(from: u16, state: Value) -> Result<Self::State, serde_json::Error> {
        let _ = from;
        serde_json::from_value(state)
    }
}

/// What comes after a step that ran.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The next step; after the last one the workflow is done.
    Go,
    /// Undo this step and all before it down to *and including* `to`, then run forward from `to`
    /// again: the way to try the next alternative. `why` goes to the history.
    Back { to: &'static str, why: Value },
}

/// Why a step did not end well.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// May succeed later; the same step is run again after `after` (or at a nudge). Counted: see [`Step::attempts`].
    /// In an undo each further wait is twice the one before, a minute at most (or `after`, if that is longer).
    #[error("{why}")]
    Retry { after: Duration, why: String },
    /// Will not succeed: undo. The document is handed to [`Workflow::undone`] and kept.
    /// In an undo this is the same as `Retry` after a second.
    #[error("{0}")]
    Fail(Value),
    /// An invariant is broken and neither direction is safe: stuck, for an operator.
    #[error("{0}")]
    Fatal(String),
}

impl StepError {
    /// A failure with a plain text.
    pub fn fail(why: impl Into<String>) -> Self {
        StepError::Fail(Value::String(why.into()))
    }

    /// Another attempt after `after`.
    pub fn retry(after: Duration, why: impl ToString) -> Self {
        StepError::Retry {
            after,
            why: why.to_string(),
        }
    }
}

/// A database that does not answer is waited for.
impl From<sql::SqlError> for StepError {
    fn from(error: sql::SqlError) -> Self {
        StepError::retry(Duration::from_secs(1), chain(&error))
    }
}

/// A journal that does not answer is waited for.
impl From<WorkflowError> for StepError {
    fn from(error: WorkflowError) -> Self {
        StepError::retry(Duration::from_secs(1), chain(&error))
    }
}

/// An error with its causes, for history and log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What a step knows about the workflow that it belongs to.
#[derive(Debug)]
pub struct StepContext {
    pub(crate) id: WorkflowId,
    pub(crate) subject: String,
    pub(crate) attempt: u32,
    pub(crate) undoing: bool,
    pub(crate) deadline: Option<tokio::time::Instant>,
    pub(crate) lease: Lease,
    pub(crate) cancelled: CancellationToken,
    pub(crate) nudged: std::sync::Arc<Notify>,
}

impl StepContext {
    /// The workflow's id.
    pub fn id(&self) -> WorkflowId {
        self.id
    }

    /// What the workflow is about: a server's id.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The fencing epoch of this take-over, from 1; commands to others carry it so that they can refuse an older one.
    pub fn epoch(&self) -> u64 {
        self.lease.epoch()
    }

    /// How many attempts at this step ended in [`StepError::Retry`] before this one.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// True while undoing.
    pub fn undoing(&self) -> bool {
        self.undoing
    }

    /// When this attempt is given up, if the step has a limit ([`Step::within`]).
    pub fn deadline(&self) -> Option<tokio::time::Instant> {
        self.deadline
    }

    /// Whether somebody asked the workflow to turn round. Only a long step needs to look: when it
    /// ends, the workflow undoes anyway.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Waits until the workflow is asked to turn round; for `select!` in a long step, which then
    /// returns any error.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Waits for the next nudge of this workflow: something that a step waits for may have happened.
    /// A nudge that no step has listened to yet is not missed, nor is one that comes while the step
    /// gives up: after [`StepError::Retry`] it is run again at once.
    ///
    /// A wait of more than a moment belongs into the journal: return `Retry` and listen again in the
    /// next attempt. A workflow that waits there holds no place among those that are driven at once.
    pub async fn nudged(&self) {
        self.nudged.notified().await;
    }

    /// Saves the state in the middle of a step, before doing what must not be forgotten.
    ///
    /// # Errors
    /// The database does not answer, or another runner took over; return the error.
    pub async fn save<S: Serialize>(&self, state: &S) -> Result<(), StepError> {
        let json = serde_json::to_string(state)
            .map_err(|error| StepError::Fatal(format!("the state cannot be written: {error}")))?;
        match self.lease.save_state(json).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(StepError::retry(
                Duration::ZERO,
                "another runner took the workflow over",
            )),
            Err(error) => Err(error.into()),
        }
    }
}

/// A step's function, boxed: `(env, context, state)`.
pub(crate) type Act<E, S, T> = Box<
    dyn for<'a> Fn(&'a E, &'a StepContext, &'a mut S) -> BoxFuture<'a, Result<T, StepError>>
        + Send
        + Sync,
>;

/// A plain `async fn(&Env, &StepContext, &mut State) -> Result<T, StepError>`; implemented for all of them.
pub trait StepFn<'a, E, S, T>: Send + Sync {
    /// The future of one call.
    type Future: Future<Output = Result<T, StepError>> + Send + 'a;
    /// Calls the function.
    fn call(&self, env: &'a E, cx: &'a StepContext, state: &'a mut S) -> Self::Future;
}

impl<'a, E, S, T, F, Fut> StepFn<'a, E, S, T> for F
where
    E: 'a,
    S: 'a,
    F: Fn(&'a E, &'a StepContext, &'a mut S) -> Fut + Send + Sync,
    Fut: Future<Output = Result<T, StepError>> + Send + 'a,
{
    type Future = Fut;
    fn call(&self, env: &'a E, cx: &'a StepContext, state: &'a mut S) -> Fut {
        self(env, cx, state)
    }
}

/// A row of a workflow's table.
///
/// ```ignore
/// fn steps() -> Vec<Step<Env, Build>> {
///     vec![
///         Step::new("place", place).undo(release),
///         Step::new("ports", bind_ports).undo(unbind_ports),
///         Step::new("spawn", spawn).undo(destroy).within(Duration::from_secs(600)),
///         Step::new("settle", settle),
///     ]
/// }
/// ```
pub struct Step<E, S> {
    pub(crate) name: &'static str,
    pub(crate) run: Act<E, S, Next>,
    pub(crate) undo: Option<Act<E, S, ()>>,
    pub(crate) pure: bool,
    pub(crate) attempts: u32,
    pub(crate) undo_attempts: u32,
    pub(crate) within: Option<Duration>,
}

impl<E: 'static, S: 'static> Step<E, S> {
    /// A step that needs no undo.
    pub fn new<F>(name: &'static str, run: F) -> Self
    where
        F: for<'a> StepFn<'a, E, S, Next> + 'static,
    {
        Step {
            name,
            run: Box::new(move |env, cx, state| Box::pin(run.call(env, cx, state))),
            undo: None,
            pure: false,
            attempts: ATTEMPTS,
            undo_attempts: u32::MAX,
            within: None,
        }
    }

    /// What takes the step back. It must tolerate that the step ran only in part, or twice.
    #[must_use]
    pub fn undo<F>(mut self, undo: F) -> Self
    where
        F: for<'a> StepFn<'a, E, S, ()> + 'static,
    {
        self.undo = Some(Box::new(move |env, cx, state| {
            Box::pin(undo.call(env, cx, state))
        }));
        self
    }

    /// The step changes nothing but the state, so it is saved together with the step after it.
    #[must_use]
    pub fn pure(mut self) -> Self {
        self.pure = true;
        self
    }

    /// How many attempts a step has, counting the first, before `Retry` counts as `Fail`
    /// (default 10).
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How many attempts the undo has before the workflow is stuck. By default it has no end: what an
    /// undo waits for (a service, a host) comes back, and nobody else takes the step back.
    #[must_use]
    pub fn undo_attempts(mut self, attempts: u32) -> Self {
        self.undo_attempts = attempts.max(1);
        self
    }

    /// The longest that one attempt may take; after it the attempt is dropped and the step has failed
    /// (an undo: is retried). Without it only the step itself decides.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }
}
