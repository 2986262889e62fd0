//! What a step knows and may do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use sql::SqlError;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::journal::WorkflowId;
use crate::lease::{Lease, Save, Saved};
use crate::meddle::Meddler;
use crate::signal::{self, Signal};
use crate::step::StepError;
use crate::tx::StepTx;

/// How often a step that waits for a signal looks by itself: nudges may get lost.
const SIGNAL_LOOK: Duration = Duration::from_secs(1);

/// What a step knows about the workflow that it belongs to.
#[derive(Debug)]
pub struct StepContext {
    pub(crate) id: WorkflowId,
    pub(crate) subject: String,
    pub(crate) attempt: u32,
    pub(crate) undoing: bool,
    pub(crate) step: &'static str,
    pub(crate) deadline: Instant,
    pub(crate) lease: Lease,
    pub(crate) cancelled: CancellationToken,
    /// Whether a request to cancel turns this attempt round: not an undo, nor what only goes forward.
    pub(crate) cancellable: bool,
    pub(crate) nudged: Arc<Notify>,
    pub(crate) marks: Marks,
    /// The save that ends the step if it goes well, for its own transaction to make.
    pub(crate) ending: Option<Save>,
    pub(crate) meddler: Meddler,
}

/// What a step's writes found out or did, for the runner to see when the step is over.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The lease is gone: whatever the step returns, it is let go.
    pub lost: CancellationToken,
    /// The step's own transaction saved its end.
    pub saved: AtomicBool,
    /// There is no way back from this step.
    pub forward: AtomicBool,
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

    /// When this attempt is dropped, see [`Step::new`](crate::Step::new).
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether somebody asked the workflow to turn round. Only a step that can end sooner needs to look: one
    /// that goes on is dropped a moment later, and the workflow undoes.
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
            Ok(false) => Err(self.lose()),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves the state, and that from this step on the workflow only goes forward. To be called before doing
    /// what cannot be undone; calling it again is fine.
    ///
    /// # Errors
    /// Somebody asked to cancel before, the database does not answer, or another runner took over; return the
    /// error.
    pub async fn no_return<S: Serialize>(&self, state: &S) -> Result<(), StepError> {
        if self.undoing {
            return Err(StepError::Fatal("an undo is no way forward".to_owned()));
        }
        let json = serde_json::to_string(state)
            .map_err(|error| StepError::Fatal(format!("the state cannot be written: {error}")))?;
        match self.lease.save_forward(json, self.step).await? {
            Saved::Yes => {
                self.marks.forward.store(true, Ordering::SeqCst);
                Ok(())
            }
            Saved::Cancelled => {
                self.cancelled.cancel();
                Err(StepError::fail("cancelled"))
            }
            Saved::Lost => Err(self.lose()),
        }
    }

    /// Begins a transaction in the journal's database: the only way for a step to write there. It commits only
    /// while the workflow is still this runner's.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin(&self) -> Result<StepTx<'_>, SqlError> {
        StepTx::begin(self).await
    }

    /// The oldest signal of one of these names that waits for the workflow. It stays until a transaction
    /// [takes](StepTx::take) it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn signal(&self, names: &[&str]) -> Result<Option<Signal>, SqlError> {
        self.lease.listen().await?;
        signal::oldest(self.lease.db().read(), self.id, names).await
    }

    /// Waits for a signal of one of these names, `limit` at most; none came then. A wait of more than a moment
    /// belongs into the journal, see [`StepContext::nudged`]: a signal ends that too.
    ///
    /// # Errors
    /// Somebody asked to cancel, or the database does not answer; return the error.
    pub async fn wait_for_signal(
        &self,
        names: &[&str],
        limit: Duration,
    ) -> Result<Option<Signal>, StepError> {
        let until = Instant::now() + limit;
        loop {
            if let Some(signal) = self.signal(names).await? {
                return Ok(Some(signal));
            }
            let now = Instant::now();
            if now >= until {
                return Ok(None);
            }
            tokio::select! {
                () = self.nudged() => {}
                // A nudge may be lost.
                () = tokio::time::sleep(SIGNAL_LOOK.min(until - now)) => {}
                () = self.cancelled() => return Err(StepError::fail("cancelled")),
            }
        }
    }

    /// Notes that the lease is gone.
    pub(crate) fn lose(&self) -> StepError {
        self.marks.lost.cancel();
        SqlError::Overtaken.into()
    }
}
