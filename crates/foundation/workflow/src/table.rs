//! The table of a kind of workflow without its types: names and rules of its steps, and where a row stands in it.

use std::collections::HashSet;

use crate::cursor::{self, Cursor};
use crate::entity::{Direction, workflow};
use crate::lease::Readable;
use crate::step::{Row, Step, Workflow};

/// The ending's name in the history.
const ENDING: &str = "undone";

/// The rules of a kind; see [`Workflow`].
pub(crate) struct Table {
    /// Its name in the journal.
    pub kind: &'static str,
    pub oldest: u16,
    pub version: u16,
    pub cancellable: bool,
    pub steps: Vec<Row>,
}

impl Table {
    /// The table of these steps, under a name.
    ///
    /// # Panics
    /// When there are none, or two of one name, or one without: mistakes in a constant table.
    pub fn of<W: Workflow>(kind: &'static str, steps: &[Step<W::Env, W::State>]) -> Self {
        let steps: Vec<Row> = steps.iter().map(Step::row).collect();
        let names: HashSet<_> = steps.iter().map(|step| step.name).collect();
        assert!(!steps.is_empty(), "workflow {kind} has no steps");
        assert!(
            names.len() == steps.len(),
            "workflow {kind} has two steps of one name"
        );
        assert!(
            !names.contains(""),
            "workflow {kind} has a step without a name"
        );
        Table {
            kind,
            oldest: W::OLDEST,
            version: W::VERSION,
            cancellable: W::CANCELLABLE,
            steps,
        }
    }

    /// The rows that can be continued by it.
    pub fn readable(&self) -> Readable {
        Readable {
            kind: self.kind,
            oldest: self.oldest,
            newest: self.version,
        }
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
            && !self.steps[at].undoes
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
