//! Durable workflows: ordered lists of idempotent steps with undo, kept in the database.
//!
//! A workflow is a row ([`insert`]ed in the same transaction as whatever it is about) that holds a
//! serialisable state and the step to do next. A [`Runner`] takes the row under a lease, does a step,
//! saves state and position in one short write, and goes on. Messages are only nudges: a sweep finds
//! every workflow whose lease ran out, so a lost message or a killed process costs a moment, never
//! the operation.
//!
//! Promises:
//! - **Nothing is stranded.** Kill the runner at any instant: another one (or the next start of the
//!   same one) continues at the step after the last save. A step may therefore run twice and must not
//!   mind; its undo must tolerate a half-done run.
//! - **One hand at a time.** Each take-over raises the row's *epoch*. Saves and the transactions of steps
//!   ([`StepContext::begin`]) commit only under the present epoch: who comes late changes nothing and lets go. Steps
//!   pass the epoch on to whom they command. Leases run by the database's clock.
//! - **Forward or back, never sideways.** A step that fails has every step before it (and itself)
//!   undone, in reverse, then [`Workflow::undone`] runs. A step may also go [back](Next::Back) to an
//!   earlier one to try an alternative. From a [point of no return](Step::no_return) on there is only forward.
//! - **An undo does not give up**, nor does a step past the point of no return. It is tried again without end, once a
//!   minute in the long run. Where it says that neither direction is safe, or its table sets a limit
//!   ([`Step::undo_attempts`]), the workflow is *stuck*: an error in the log, a metric, and [`resume`], [`undo`] or
//!   [`abandon`] for the operator. Stuck is not forgotten; what ended well is, after a week ([`Options::keep`]).
//! - **No step without a limit.** Every attempt is dropped after the time that its row of the table says, and a moment
//!   after its workflow was asked to turn round.
//! - **What was said is heard.** [`signal`]s to a workflow are rows; a step takes one in its transaction.
//! - **Versions side by side.** A row says by which version of its kind it was saved; a runner takes only what it can
//!   read, and leaves the rest to others.

mod conclude;
mod context;
mod course;
mod cursor;
mod drive;
mod entity;
mod identity;
mod journal;
mod kind;
mod lease;
mod meddle;
mod migration;
mod operate;
mod runner;
mod signal;
mod step;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;
mod tx;

pub use context::StepContext;
pub use entity::{Direction, Outcome, Status};
pub use identity::SoleProcess;
pub use journal::{
    Filter, Kind, Record, StepRecord, WorkflowError, WorkflowId, find, get, history, insert, list,
    purge, request_cancel, request_cancel_of,
};
pub use migration::{MIGRATION, SIGNALS_MIGRATION};
pub use operate::{abandon, resume, undo};
pub use runner::{Builder, Options, Runner};
pub use signal::{Signal, signal};
pub use step::{Next, Step, StepError, Workflow};
pub use tx::StepTx;
