//! A kind of workflow behind traits without its types: what runs workflows is compiled once, not once for each kind.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::context::StepContext;
use crate::cursor::Cursor;
use crate::entity::workflow;
use crate::step::{Next, Step, StepError, Workflow};
use crate::table::Table;

/// A kind of workflow.
pub(crate) trait Driver: Send + Sync {
    /// Its table of steps.
    fn table(&self) -> &Table;

    /// The workflow of a row; else why its state cannot be read.
    fn take(&self, row: &workflow::Model) -> Result<Box<dyn Taken + '_>, String>;
}

/// A workflow whose row was taken: its state, and the functions of its steps.
pub(crate) trait Taken: Send + Sync {
    /// Calls the function under the cursor. `why` is the reason for going back, for the ending.
    fn act<'a>(
        &'a mut self,
        cursor: Cursor,
        cx: &'a StepContext,
        why: &'a serde_json::Value,
    ) -> BoxFuture<'a, Result<Next, StepError>>;

    /// The longest that one attempt at what is under the cursor may take.
    fn limit(&self, cursor: Cursor) -> Duration;

    /// The state as it is saved.
    fn state(&self) -> Result<String, serde_json::Error>;

    /// The request that asked for the workflow.
    fn request(&self) -> Option<telemetry::RequestId>;
}

/// A kind with its types.
pub(crate) struct Steps<W: Workflow> {
    env: Arc<W::Env>,
    steps: Vec<Step<W::Env, W::State>>,
    table: Table,
}

impl<W: Workflow> Steps<W> {
    /// The steps of a kind, under a name.
    ///
    /// # Panics
    /// See [`Table::of`].
    pub fn new(kind: &'static str, env: Arc<W::Env>) -> Self {
        let steps = W::steps();
        let table = Table::of::<W>(kind, &steps);
        Steps { env, steps, table }
    }
}

impl<W: Workflow> Driver for Steps<W> {
    fn table(&self) -> &Table {
        &self.table
    }

    fn take(&self, row: &workflow::Model) -> Result<Box<dyn Taken + '_>, String> {
        let state = read_state::<W>(row)?;
        Ok(Box::new(InHand::<W> { of: self, state }))
    }
}

/// One workflow of a kind.
struct InHand<'k, W: Workflow> {
    of: &'k Steps<W>,
    state: W::State,
}

impl<W: Workflow> Taken for InHand<'_, W> {
    fn act<'a>(
        &'a mut self,
        cursor: Cursor,
        cx: &'a StepContext,
        why: &'a serde_json::Value,
    ) -> BoxFuture<'a, Result<Next, StepError>> {
        let (of, state) = (self.of, &mut self.state);
        match cursor {
            Cursor::Run(at) => (of.steps[at].run)(&of.env, cx, state),
            Cursor::Undo { at, .. } => match &of.steps[at].undo {
                Some(undo) => went(undo(&of.env, cx, state)),
                None => went(async { Ok(()) }.boxed()),
            },
            Cursor::Ending => went(W::undone(&of.env, cx, state, why).boxed()),
        }
    }

    fn limit(&self, cursor: Cursor) -> Duration {
        match cursor {
            Cursor::Run(at) | Cursor::Undo { at, .. } => self.of.steps[at].limit(&self.of.env),
            Cursor::Ending => W::ENDING,
        }
    }

    fn state(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.state)
    }

    fn request(&self) -> Option<telemetry::RequestId> {
        W::request(&self.state)
    }
}

/// What is taken back well is followed by the next.
fn went(undone: BoxFuture<'_, Result<(), StepError>>) -> BoxFuture<'_, Result<Next, StepError>> {
    undone.map(|ended| ended.map(|()| Next::Go)).boxed()
}

fn read_state<W: Workflow>(row: &workflow::Model) -> Result<W::State, String> {
    let broken = |error: serde_json::Error| format!("its state cannot be read: {error}");
    match u16::try_from(row.version) {
        Ok(version) if version == W::VERSION => serde_json::from_str(&row.state).map_err(broken),
        Ok(version) if version < W::VERSION => {
            let state = serde_json::from_str(&row.state).map_err(broken)?;
            W::upgrade(version, state).map_err(broken)
        }
        // Not taken, see `Table::readable`.
        _ => Err(format!("its state has version {}", row.version)),
    }
}
