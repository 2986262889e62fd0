//! Changes of the devices of a server's guest, and when they may begin. They claim no task state: those of one server are
//! made one after the other.

use super::{From, Refusal, never_launched, states_allow, unlocked};
use crate::server::Server;
use crate::state::VmState::{
    self, Active, Paused, Resized, Shelved, ShelvedOffloaded, SoftDeleted, Stopped,
};

/// One more device of a server's guest, one less, or another in the place of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceChange {
    AttachInterface,
    DetachInterface,
    AttachVolume,
    DetachVolume,
    SwapVolume,
}

/// Where network cards come and go. Source: the decorators of Nova's `attach_interface` and `detach_interface`.
const CARDS: &[VmState] = &[Active, Paused, Stopped];

/// Where volumes come and go. Source: the decorators of Nova's `attach_volume` and `detach_volume`.
const VOLUMES: &[VmState] = &[
    Active,
    Paused,
    Stopped,
    Resized,
    SoftDeleted,
    Shelved,
    ShelvedOffloaded,
];

/// Where another volume takes the place of one. Source: the decorators of Nova's `swap_volume`.
const SWAPS: &[VmState] = &[Active, Paused, Resized];

impl DeviceChange {
    /// Every change.
    pub const ALL: &'static [DeviceChange] = &[
        DeviceChange::AttachInterface,
        DeviceChange::DetachInterface,
        DeviceChange::AttachVolume,
        DeviceChange::DetachVolume,
        DeviceChange::SwapVolume,
    ];

    /// The word in 409 messages, and the name in `os-instance-actions`.
    pub fn word(self) -> &'static str {
        match self {
            DeviceChange::AttachInterface => "attach_interface",
            DeviceChange::DetachInterface => "detach_interface",
            DeviceChange::AttachVolume => "attach_volume",
            DeviceChange::DetachVolume => "detach_volume",
            DeviceChange::SwapVolume => "swap_volume",
        }
    }

    /// Allowed vm states.
    pub fn from(self) -> &'static [VmState] {
        match self {
            DeviceChange::AttachInterface | DeviceChange::DetachInterface => CARDS,
            DeviceChange::AttachVolume | DeviceChange::DetachVolume => VOLUMES,
            DeviceChange::SwapVolume => SWAPS,
        }
    }
}

/// Whether `change` may begin now; `admin` callers pass locks.
pub fn admit_device(change: DeviceChange, server: &Server, admin: bool) -> Result<(), Refusal> {
    unlocked(server, admin)?;
    states_allow(change.word(), change.from(), From::Idle, server)?;
    match server.launched() {
        true => Ok(()),
        false => Err(never_launched(change.word(), server)),
    }
}

/// The same of a client that may not know that shelved servers have volumes too (2.20).
pub fn admit_device_unless_shelved(
    change: DeviceChange,
    server: &Server,
    admin: bool,
) -> Result<(), Refusal> {
    if matches!(server.vm_state, Shelved | ShelvedOffloaded) {
        return Err(super::vm_state_refusal(change.word(), server));
    }
    admit_device(change, server, admin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::TaskState;
    use crate::testing::server;

    fn allowed(change: DeviceChange) -> Vec<VmState> {
        let mut server = server("s1");
        let mut found = Vec::new();
        for state in VmState::ALL {
            server.vm_state = *state;
            if admit_device(change, &server, false).is_ok() {
                found.push(*state);
            }
        }
        found
    }

    #[test]
    fn cards_come_and_go_only_where_a_guest_is_on_its_host_and_keeps_its_state() {
        let states = [Active, Paused, Stopped];
        assert_eq!(allowed(DeviceChange::AttachInterface), states);
        assert_eq!(allowed(DeviceChange::DetachInterface), states);
    }

    #[test]
    fn volumes_come_and_go_also_where_a_server_waits_for_its_owner() {
        let states = [
            Active,
            Paused,
            Stopped,
            Resized,
            SoftDeleted,
            Shelved,
            ShelvedOffloaded,
        ];
        assert_eq!(allowed(DeviceChange::AttachVolume), states);
        assert_eq!(allowed(DeviceChange::DetachVolume), states);
    }

    #[test]
    fn a_volume_is_replaced_where_a_guest_may_run() {
        assert_eq!(allowed(DeviceChange::SwapVolume), [Active, Paused, Resized]);
    }

    #[test]
    fn devices_do_not_change_while_something_happens_to_a_server_or_before_it_ever_ran() {
        let mut server = server("s1");
        server.vm_state = Active;
        server.task_state = Some(TaskState::Rebooting);
        let refusal = admit_device(DeviceChange::DetachInterface, &server, true).expect_err("busy");
        assert_eq!(
            refusal.to_string(),
            "Cannot 'detach_interface' instance s1 while it is in task_state rebooting"
        );
        server.task_state = None;
        server.launched_at = None;
        let refusal = admit_device(DeviceChange::AttachVolume, &server, false).expect_err("new");
        assert_eq!(
            refusal.to_string(),
            "Instance s1 is in an invalid state for 'attach_volume'"
        );
    }

    #[test]
    fn an_old_client_finds_shelved_servers_in_the_wrong_state() {
        let mut server = server("s1");
        for (state, admitted) in [(Shelved, false), (ShelvedOffloaded, false), (Resized, true)] {
            server.vm_state = state;
            let answer = admit_device_unless_shelved(DeviceChange::AttachVolume, &server, false);
            assert_eq!(answer.is_ok(), admitted, "{state}");
        }
    }
}
