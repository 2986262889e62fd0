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
//! - **One hand at a time.** Each take-over raises the row's *epoch*; a save with an older epoch
//!   changes nothing and makes the runner let go. Steps pass the epoch on to whom they command.
//! - **Forward or back, never sideways.** A step that fails has every step before it (and itself)
//!   undone, in reverse, then [`Workflow::undone`] runs. A step may also go [back](Next::Back) to an
//!   earlier one to try an alternative.
//! - **An undo does not give up.** It is tried again without end, once a minute in the long run. Where
//!   it says that neither direction is safe, or its table sets a limit ([`Step::undo_attempts`]), the
//!   workflow is *stuck*: an error in the log, a metric, and [`resume`] for the operator. Stuck is not
//!   forgotten; what ended well is, after a week ([`Options::keep`]).
//!
//! The clocks of processes that share a database may differ by less than the lease
//! ([`Options::lease`]); a larger difference costs double work, never a wrong save.

mod conclude;
mod course;
mod cursor;
mod drive;
mod entity;
mod journal;
mod lease;
mod meddle;
pub mod migration;
mod runner;
mod step;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;

pub use entity::{Direction, Outcome, Status};
pub use journal::{
    Filter, Kind, Record, StepRecord, WorkflowError, WorkflowId, find, get, history, insert, list,
    purge, request_cancel, resume,
};
pub use migration::Migration;
pub use runner::{Builder, Options, Runner};
pub use step::{Next, Step, StepContext, StepError, Workflow};
