//! The sequence of events: one for each change of a server's row, in the order in which they became true.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::state::UnknownState;
use crate::{PowerState, TaskState, VmState, status};

/// What happened to a server's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Create,
    Update,
    Delete,
}

impl EventKind {
    /// Every kind.
    pub const ALL: &'static [EventKind] =
        &[EventKind::Create, EventKind::Update, EventKind::Delete];

    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Create => "server.create",
            EventKind::Update => "server.update",
            EventKind::Delete => "server.delete",
        }
    }
}

impl FromStr for EventKind {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        let mut all = Self::ALL.iter();
        let known = all.find(|kind| kind.as_str() == word);
        known.copied().ok_or_else(|| UnknownState {
            kind: "kind of event",
            word: word.to_owned(),
        })
    }
}

/// The states of a server at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States {
    pub vm_state: VmState,
    pub task_state: Option<TaskState>,
    pub power_state: PowerState,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEvent {
    /// Its place in the sequence, counted from 1 without gaps.
    pub number: i64,
    pub kind: EventKind,
    pub server_id: String,
    pub project_id: String,
    /// The owner of the server, not who asked for the change.
    pub user_id: String,
    /// Where the server is afterwards.
    pub host: Option<String>,
    /// None for a new server.
    pub before: Option<States>,
    pub after: States,
    /// The `updated_at` that the change gave the server, by the clock of the process that made it; when it got its
    /// number, if that clock was far ahead.
    pub at: DateTime<Utc>,
}

impl ServerEvent {
    /// The status that users see afterwards.
    pub fn status(&self) -> &'static str {
        let deleted = self.kind == EventKind::Delete;
        status::of(self.after.vm_state, self.after.task_state, deleted)
    }

    /// The status that users saw before.
    pub fn old_status(&self) -> Option<&'static str> {
        let before = self.before?;
        Some(status::of(before.vm_state, before.task_state, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, before: Option<VmState>, after: VmState) -> ServerEvent {
        let states = |vm_state| States {
            vm_state,
            task_state: None,
            power_state: PowerState::Running,
        };
        ServerEvent {
            number: 1,
            kind,
            server_id: "s".to_owned(),
            project_id: "p".to_owned(),
            user_id: "u".to_owned(),
            host: None,
            before: before.map(states),
            after: states(after),
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn every_kind_reads_back() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse::<EventKind>().as_ref(), Ok(kind));
        }
        assert!("server.burn".parse::<EventKind>().is_err());
    }

    #[test]
    fn what_is_deleted_is_shown_so_whatever_its_states_say() {
        let gone = event(EventKind::Delete, Some(VmState::Active), VmState::Active);
        assert_eq!(
            (gone.old_status(), gone.status()),
            (Some("ACTIVE"), "DELETED")
        );
        let new = event(EventKind::Create, None, VmState::Building);
        assert_eq!((new.old_status(), new.status()), (None, "BUILD"));
    }
}
