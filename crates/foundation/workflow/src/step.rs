//! What the author of a workflow writes: a [`Workflow`] with its table of [`Step`]s.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::StepContext;
use crate::journal::WorkflowError;

/// How often a step is tried, when it asks to be retried, before it counts as failed.
const ATTEMPTS: u32 = 10;

/// One kind of workflow: its state, the services it uses, and its table of steps.
pub trait Workflow: Send + Sync + 'static {
    /// The name in the journal. Never reuse one for something else.
    const KIND: &'static str;

    /// What [`insert`](crate::insert) and every save write beside the state. Raised when the state or the table
    /// of steps changes so that the program of before cannot continue; see [`Workflow::upgrade`].
    const VERSION: u16 = 1;

    /// The oldest version whose states this program can continue. What is older than this, or newer than
    /// [`Workflow::VERSION`], is left to runners that can.
    const OLDEST: u16 = 1;

    /// Whether [`request_cancel`](crate::request_cancel) turns it round, and a step that fails has it undone. A
    /// delete says no: from its first step on it only goes forward.
    const CANCELLABLE: bool = true;

    /// The longest that one attempt at [`Workflow::undone`] may take.
    const ENDING: Duration = Duration::from_secs(60);

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

    /// The request that asked for it: on its log lines, and sent along to the services that its steps ask.
    fn request(_state: &Self::State) -> Option<telemetry::RequestId> {
        None
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
///         Step::new("place", MINUTE, place).undo(release),
///         Step::new("ports", MINUTE, bind_ports).undo(unbind_ports),
///         Step::new("spawn", HOUR, spawn).undo(destroy).within(|env| env.build_timeout + MINUTE),
///         Step::new("settle", MINUTE, settle).no_return(),
///     ]
/// }
/// ```
pub struct Step<E, S> {
    pub(crate) name: &'static str,
    pub(crate) run: Act<E, S, Next>,
    pub(crate) undo: Option<Act<E, S, ()>>,
    pub(crate) attempts: u32,
    pub(crate) undo_attempts: u32,
    pub(crate) limit: Duration,
    pub(crate) limit_of: Option<fn(&E) -> Duration>,
    pub(crate) no_return: bool,
}

/// A step without its functions.
pub(crate) struct Row {
    pub name: &'static str,
    /// Whether there is something to undo.
    pub undoes: bool,
    pub attempts: u32,
    pub undo_attempts: u32,
    pub no_return: bool,
}

impl<E: 'static, S: 'static> Step<E, S> {
    /// A step that needs no undo. `limit` is the longest that one attempt at it, or at its undo, may take. After
    /// that the attempt is dropped where it is, and the step has failed; one whose
    /// [attempts](Step::attempts) have no end, an undo, and a step past the point of no return are tried again.
    pub fn new<F>(name: &'static str, limit: Duration, run: F) -> Self
    where
        F: for<'a> StepFn<'a, E, S, Next> + 'static,
    {
        Step {
            name,
            run: Box::new(move |env, cx, state| Box::pin(run.call(env, cx, state))),
            undo: None,
            attempts: ATTEMPTS,
            undo_attempts: u32::MAX,
            limit,
            limit_of: None,
            no_return: false,
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

    /// The limit of [`Step::new`] where an operator sets it.
    #[must_use]
    pub fn within(mut self, limit: fn(&E) -> Duration) -> Self {
        self.limit_of = Some(limit);
        self
    }

    /// From this step on the workflow only goes forward: a request to cancel that comes before it undoes, one
    /// that comes later waits for the end. The step and those after it are tried until they succeed, as an undo
    /// is. It is written down before the step begins. A step that finds out in its middle says
    /// [`StepContext::no_return`].
    #[must_use]
    pub fn no_return(mut self) -> Self {
        self.no_return = true;
        self
    }

    /// The step without its functions.
    pub(crate) fn row(&self) -> Row {
        Row {
            name: self.name,
            undoes: self.undo.is_some(),
            attempts: self.attempts,
            undo_attempts: self.undo_attempts,
            no_return: self.no_return,
        }
    }

    pub(crate) fn limit(&self, env: &E) -> Duration {
        self.limit_of.map_or(self.limit, |limit| limit(env))
    }
}
