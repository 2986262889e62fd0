//! What is done with servers in several steps: the rules of shelving, and of the end of those that are kept as deleted.

use super::{From, OnFailure, Rule};
use crate::state::TaskState::{Deleting, Shelving, ShelvingOffloading, Unshelving};
use crate::state::VmState::{
    Active, Deleted, Paused, Shelved, ShelvedOffloaded, SoftDeleted, Stopped, Suspended,
};

/// What is done with a server in several steps, on its host and elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    Shelve,
    ShelveOffload,
    Unshelve,
    Reclaim,
}

impl Operation {
    /// Every operation.
    pub const ALL: &'static [Operation] = &[
        Operation::Shelve,
        Operation::ShelveOffload,
        Operation::Unshelve,
        Operation::Reclaim,
    ];
}

/// The table of operations. Source: the decorators of `shelve`, `shelve_offload` and `unshelve`; of `reclaim`, the periodic
/// task `_reclaim_queued_deletes`.
pub fn operation(operation: Operation) -> Rule {
    match operation {
        Operation::Shelve => Rule {
            word: "shelve",
            verb: "shelve",
            record: "shelve",
            from: &[Active, Stopped, Paused, Suspended],
            from_task: From::Idle,
            claims: Some(Shelving),
            settles: Some(Shelved),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Operation::ShelveOffload => Rule {
            word: "shelveOffload",
            verb: "offload",
            record: "shelveOffload",
            from: &[Shelved],
            from_task: From::Idle,
            claims: Some(ShelvingOffloading),
            settles: Some(ShelvedOffloaded),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Operation::Unshelve => Rule {
            word: "unshelve",
            verb: "unshelve",
            record: "unshelve",
            from: &[Shelved, ShelvedOffloaded],
            from_task: From::Idle,
            claims: Some(Unshelving),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        // Nobody asks for it: the time of a server that was kept as deleted is over.
        Operation::Reclaim => Rule {
            word: "reclaim",
            verb: "delete",
            record: "delete",
            from: &[SoftDeleted],
            from_task: From::Idle,
            claims: Some(Deleting),
            settles: Some(Deleted),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
    }
}
