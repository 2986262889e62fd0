//! The status that users see: a pure function of the stored states, and its inverse for filters.

use crate::state::{TaskState, VmState};
use TaskState::*;

/// Task states that a status other than the vm state's default belongs to. A row: vm state, task
/// states, status. What no row names shows [`default_status`].
const OVERRIDES: &[(VmState, &[TaskState], &str)] = &[
    (
        VmState::Active,
        &[Rebooting, RebootPending, RebootStarted],
        "REBOOT",
    ),
    (
        VmState::Active,
        &[RebootingHard, RebootPendingHard, RebootStartedHard],
        "HARD_REBOOT",
    ),
    (VmState::Active, &[UpdatingPassword], "PASSWORD"),
    (VmState::Active, REBUILD, "REBUILD"),
    (VmState::Active, &[Migrating], "MIGRATING"),
    (VmState::Active, RESIZE, "RESIZE"),
    (VmState::Stopped, RESIZE, "RESIZE"),
    (VmState::Stopped, REBUILD, "REBUILD"),
    (VmState::Resized, &[ResizeReverting], "REVERT_RESIZE"),
    (VmState::Paused, &[Migrating], "MIGRATING"),
    // An evacuated server in error shows that somebody is mending it.
    (VmState::Error, REBUILD, "REBUILD"),
];

const REBUILD: &[TaskState] = &[Rebuilding, RebuildBlockDeviceMapping, RebuildSpawning];
const RESIZE: &[TaskState] = &[ResizePrep, ResizeMigrating, ResizeMigrated, ResizeFinish];

fn default_status(vm: VmState) -> &'static str {
    match vm {
        VmState::Active => "ACTIVE",
        VmState::Building => "BUILD",
        VmState::Paused => "PAUSED",
        VmState::Suspended => "SUSPENDED",
        VmState::Stopped => "SHUTOFF",
        VmState::Rescued => "RESCUE",
        VmState::Resized => "VERIFY_RESIZE",
        VmState::SoftDeleted => "SOFT_DELETED",
        VmState::Deleted => "DELETED",
        VmState::Error => "ERROR",
        VmState::Shelved => "SHELVED",
        VmState::ShelvedOffloaded => "SHELVED_OFFLOADED",
    }
}

/// The status of a server. `deleted` means that its record is deleted, whatever its states say.
pub fn of(vm: VmState, task: Option<TaskState>, deleted: bool) -> &'static str {
    if deleted {
        return "DELETED";
    }
    OVERRIDES
        .iter()
        .find(|(state, tasks, _)| *state == vm && task.is_some_and(|task| tasks.contains(&task)))
        .map_or(default_status(vm), |(_, _, status)| status)
}

/// The states behind `?status=`: vm states and task states to look for. No task states means any. Words that are no
/// status are passed over; `None` when all are.
///
/// As in Nova, a status that is some vm state's default brings no task filter, so `ACTIVE` also
/// finds servers that reboot.
pub fn states_of(statuses: &[String]) -> Option<(Vec<VmState>, Vec<TaskState>)> {
    let mut vms = Vec::new();
    let mut tasks = Vec::new();
    let mut any_task = false;
    for status in statuses {
        let wanted = status.to_ascii_uppercase();
        for vm in VmState::ALL {
            if default_status(*vm) == wanted {
                vms.push(*vm);
                any_task = true;
            }
        }
        for (vm, of_status, name) in OVERRIDES {
            if *name == wanted {
                vms.push(*vm);
                tasks.extend_from_slice(of_status);
            }
        }
    }
    vms.sort();
    vms.dedup();
    tasks.sort();
    tasks.dedup();
    if any_task {
        tasks.clear();
    }
    (!vms.is_empty()).then_some((vms, tasks))
}

/// Whether `progress` is shown with this status.
pub fn shows_progress(status: &str) -> bool {
    matches!(
        status,
        "ACTIVE" | "BUILD" | "REBUILD" | "RESIZE" | "VERIFY_RESIZE" | "MIGRATING"
    )
}

/// Whether `fault` is shown with this status.
pub fn shows_fault(status: &str) -> bool {
    matches!(status, "ERROR" | "DELETED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebooting_server_that_was_stopped_still_shows_shutoff() {
        assert_eq!(of(VmState::Stopped, Some(RebootingHard), false), "SHUTOFF");
        assert_eq!(
            of(VmState::Active, Some(RebootingHard), false),
            "HARD_REBOOT"
        );
    }

    #[test]
    fn actions_without_a_status_of_their_own_keep_the_old_one() {
        assert_eq!(of(VmState::Active, Some(PoweringOff), false), "ACTIVE");
        assert_eq!(of(VmState::Active, Some(Deleting), true), "DELETED");
    }

    #[test]
    fn the_active_filter_also_finds_rebooting_servers() {
        let (vms, tasks) = states_of(&["active".into()]).expect("a status");
        assert_eq!(vms, [VmState::Active]);
        assert!(tasks.is_empty());
        let (vms, tasks) = states_of(&["REBUILD".into()]).expect("a status");
        assert_eq!(vms, [VmState::Active, VmState::Stopped, VmState::Error]);
        assert_eq!(tasks.len(), 3);
        assert!(states_of(&["NONSENSE".into()]).is_none());
        let (vms, _) = states_of(&["NONSENSE".into(), "ACTIVE".into()]).expect("one is a status");
        assert_eq!(vms, [VmState::Active]);
    }

    #[test]
    fn there_are_nineteen_statuses_of_live_cells() {
        let mut seen = std::collections::BTreeSet::new();
        for vm in VmState::ALL {
            seen.insert(of(*vm, None, false));
            for task in TaskState::ALL {
                seen.insert(of(*vm, Some(*task), false));
            }
        }
        // The twentieth, UNKNOWN, is for servers whose cell does not answer.
        assert_eq!(seen.len(), 19);
    }
}
