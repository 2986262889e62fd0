//! Where a workflow is and where it goes next: pure rules over the length of its table.

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Run step `.0`.
    Run(usize),
    /// Undo step `at`; `until` is the step to undo last and to run again, if not all are undone.
    Undo { at: usize, until: Option<usize> },
    /// Everything is undone: the workflow's ending.
    Ending,
}

/// What follows a step that ran well; `None` when it was the last of `steps`.
pub fn after_run(at: usize, steps: usize) -> Option<Cursor> {
    (at + 1 < steps).then_some(Cursor::Run(at + 1))
}

/// What follows once step `at` is undone.
pub fn after_undo(at: usize, until: Option<usize>) -> Cursor {
    match at {
        _ if until == Some(at) => Cursor::Run(at),
        0 => Cursor::Ending,
        _ => Cursor::Undo { at: at - 1, until },
    }
}

/// What a cancelled workflow does instead: whatever it was up to, it now undoes everything.
pub fn turned_round(cursor: Cursor) -> Cursor {
    match cursor {
        Cursor::Run(at) | Cursor::Undo { at, .. } => Cursor::Undo { at, until: None },
        Cursor::Ending => Cursor::Ending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_is_followed_by_nothing() {
        assert_eq!(after_run(0, 2), Some(Cursor::Run(1)));
        assert_eq!(after_run(1, 2), None);
    }

    #[test]
    fn undoing_for_an_alternative_ends_at_the_step_to_run_again() {
        assert_eq!(
            after_undo(2, Some(1)),
            Cursor::Undo {
                at: 1,
                until: Some(1)
            }
        );
        assert_eq!(after_undo(1, Some(1)), Cursor::Run(1));
    }

    #[test]
    fn undoing_everything_ends_with_the_ending() {
        assert_eq!(after_undo(1, None), Cursor::Undo { at: 0, until: None });
        assert_eq!(after_undo(0, None), Cursor::Ending);
    }

    #[test]
    fn a_cancelled_search_for_alternatives_is_given_up() {
        let searching = Cursor::Undo {
            at: 2,
            until: Some(0),
        };
        assert_eq!(turned_round(searching), Cursor::Undo { at: 2, until: None });
    }
}
