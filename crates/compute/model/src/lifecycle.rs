//! What may be done with a server, and when: one rule per action.
//!
//! Guards, the texts of 409 answers, the workflow that carries an action out, and recovery after a
//! crash all read this table. A new action does not compile without its rule.

mod devices;
mod operations;

use crate::server::{LockOwner, Server};
use crate::state::{TaskState, VmState};
use TaskState::*;
use VmState::{Active, Paused, Rescued, Resized, Shelved, SoftDeleted, Stopped, Suspended};

pub use devices::{DeviceChange, admit_device, admit_device_unless_shelved};
pub use operations::{Operation, operation};

/// Something that a server's host does with its guest when a user asks, or when the host itself was away. Other
/// operations (build, delete, a change of network cards) are workflows of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Start,
    Stop,
    RebootSoft,
    RebootHard,
    Pause,
    Unpause,
    Suspend,
    Resume,
    Rescue,
    Unrescue,
    Rebuild,
    CrashDump,
    Resize,
    ConfirmResize,
    RevertResize,
    SoftDelete,
    Restore,
    ChangePassword,
    /// The guest ran until its host lost its power.
    ResumeOnBoot,
}

impl Action {
    /// Every action.
    pub const ALL: &'static [Action] = &[
        Action::Start,
        Action::Stop,
        Action::RebootSoft,
        Action::RebootHard,
        Action::Pause,
        Action::Unpause,
        Action::Suspend,
        Action::Resume,
        Action::Rescue,
        Action::Unrescue,
        Action::Rebuild,
        Action::CrashDump,
        Action::Resize,
        Action::ConfirmResize,
        Action::RevertResize,
        Action::SoftDelete,
        Action::Restore,
        Action::ChangePassword,
        Action::ResumeOnBoot,
    ];
}

/// Which task states an action may interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Only when nothing is under way.
    Idle,
    /// Nothing, or one of these.
    IdleOr(&'static [TaskState]),
    /// Whatever is under way.
    Any,
}

/// What becomes of the server when the action fails on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It stays what it was.
    Keep,
    /// Nobody knows what it is: error.
    Error,
}

/// The rule of one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The word in 409 messages.
    pub word: &'static str,
    /// The word in messages of failures.
    pub verb: &'static str,
    /// The name in `os-instance-actions`.
    pub record: &'static str,
    /// Allowed vm states.
    pub from: &'static [VmState],
    pub from_task: From,
    /// The task state that accepting the action claims; none for one that shows none.
    pub claims: Option<TaskState>,
    /// The vm state that success settles in; none leaves it.
    pub settles: Option<VmState>,
    /// A stopped server stays stopped, whatever `settles` says.
    pub stays_stopped: bool,
    pub on_failure: OnFailure,
}

impl Rule {
    /// The vm state of a server that was in `vm_state`, after success.
    pub fn settled(&self, vm_state: VmState) -> VmState {
        match (self.settles, vm_state) {
            (_, Stopped) if self.stays_stopped => Stopped,
            (settles, vm_state) => settles.unwrap_or(vm_state),
        }
    }
}

/// The table. Each asks for a guest that was started once. Source: Nova's decorators on `compute.api.API` and the
/// managers' task states, as collected in the reference of states.
pub fn rule(action: Action) -> Rule {
    match action {
        Action::Start => Rule {
            word: "start",
            verb: "power on",
            record: "start",
            from: &[Stopped],
            from_task: From::Idle,
            claims: Some(PoweringOn),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Action::Stop => Rule {
            word: "stop",
            verb: "power off",
            record: "stop",
            from: &[Active, VmState::Error],
            from_task: From::Idle,
            claims: Some(PoweringOff),
            settles: Some(Stopped),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Action::RebootSoft => Rule {
            word: "reboot",
            verb: "reboot",
            record: "reboot",
            from: &[Active],
            from_task: From::Idle,
            claims: Some(Rebooting),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Error,
        },
        Action::RebootHard => Rule {
            word: "reboot",
            verb: "reboot",
            record: "reboot",
            from: &[Active, Stopped, Paused, Suspended, VmState::Error],
            // The way out of an action that hangs.
            from_task: From::IdleOr(&[
                Rebooting,
                RebootPending,
                RebootStarted,
                Resuming,
                RebootingHard,
                Unpausing,
                Pausing,
                Suspending,
            ]),
            claims: Some(RebootingHard),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Error,
        },
        Action::Pause => Rule {
            word: "pause",
            verb: "pause",
            record: "pause",
            from: &[Active],
            from_task: From::Idle,
            claims: Some(Pausing),
            settles: Some(Paused),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Action::Unpause => Rule {
            word: "unpause",
            verb: "unpause",
            record: "unpause",
            from: &[Paused],
            from_task: From::Idle,
            claims: Some(Unpausing),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Action::Suspend => Rule {
            word: "suspend",
            verb: "suspend",
            record: "suspend",
            from: &[Active],
            from_task: From::Idle,
            claims: Some(Suspending),
            settles: Some(Suspended),
            stays_stopped: false,
            on_failure: OnFailure::Error,
        },
        Action::Resume => Rule {
            word: "resume",
            verb: "resume",
            record: "resume",
            from: &[Suspended],
            from_task: From::Idle,
            claims: Some(Resuming),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Error,
        },
        // Source of the next four: the decorators of `rescue`, `unrescue`, `rebuild` and `trigger_crash_dump`.
        Action::Rescue => Rule {
            word: "rescue",
            verb: "rescue",
            record: "rescue",
            from: &[Active, Stopped, VmState::Error],
            from_task: From::Idle,
            claims: Some(Rescuing),
            settles: Some(Rescued),
            stays_stopped: false,
            on_failure: OnFailure::Error,
        },
        Action::Unrescue => Rule {
            word: "unrescue",
            verb: "unrescue",
            record: "unrescue",
            from: &[Rescued],
            from_task: From::Idle,
            claims: Some(Unrescuing),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Error,
        },
        Action::Rebuild => Rule {
            word: "rebuild",
            verb: "rebuild",
            record: "rebuild",
            from: &[Active, Stopped, VmState::Error],
            from_task: From::Idle,
            claims: Some(Rebuilding),
            settles: Some(Active),
            stays_stopped: true,
            on_failure: OnFailure::Error,
        },
        Action::CrashDump => Rule {
            word: "trigger_crash_dump",
            verb: "trigger a crash dump in",
            record: "trigger_crash_dump",
            from: &[Active, Paused, Rescued, Resized, VmState::Error],
            from_task: From::Idle,
            claims: None,
            settles: None,
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        // A failed resize is taken back. Source: the decorators of `resize`, `confirm_resize` and `revert_resize`; Nova shows no
        // task while it confirms.
        Action::Resize => Rule {
            word: "resize",
            verb: "resize",
            record: "resize",
            from: &[Active, Stopped],
            from_task: From::Idle,
            claims: Some(ResizePrep),
            settles: Some(Resized),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Action::ConfirmResize => Rule {
            word: "confirmResize",
            verb: "confirm the resize of",
            record: "confirmResize",
            from: &[Resized],
            from_task: From::Idle,
            claims: Some(ResizeConfirming),
            settles: Some(Active),
            stays_stopped: true,
            on_failure: OnFailure::Keep,
        },
        Action::RevertResize => Rule {
            word: "revertResize",
            verb: "revert the resize of",
            record: "revertResize",
            from: &[Resized],
            from_task: From::Idle,
            claims: Some(ResizeReverting),
            settles: Some(Active),
            stays_stopped: true,
            on_failure: OnFailure::Error,
        },
        // Source: the decorators of `set_admin_password`.
        Action::ChangePassword => Rule {
            word: "changePassword",
            verb: "change the password of",
            record: "changePassword",
            from: &[Active],
            from_task: From::Idle,
            claims: Some(UpdatingPassword),
            settles: None,
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        // Nobody asks for it. Source: Nova's `_resume_guests_state`, which leaves the vm state and sets error on failure.
        Action::ResumeOnBoot => Rule {
            word: "resume_on_host_boot",
            verb: "start again",
            record: "start",
            from: &[Active, Rescued, Resized],
            from_task: From::Idle,
            claims: Some(PoweringOn),
            settles: None,
            stays_stopped: false,
            on_failure: OnFailure::Error,
        },
        // A delete where deleted servers are kept for a while. What is in none of these states, was never started, or is on no
        // host goes at once. Source: the decorators of `soft_delete` and `restore`, and what becomes of a server on no host.
        Action::SoftDelete => Rule {
            word: "delete",
            verb: "soft delete",
            record: "delete",
            from: &[
                Active,
                Paused,
                Suspended,
                Stopped,
                Rescued,
                Resized,
                SoftDeleted,
                VmState::Error,
                Shelved,
            ],
            from_task: From::Any,
            claims: Some(SoftDeleting),
            settles: Some(SoftDeleted),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
        Action::Restore => Rule {
            word: "restore",
            verb: "restore",
            record: "restore",
            from: &[SoftDeleted],
            from_task: From::Idle,
            claims: Some(Restoring),
            settles: Some(Active),
            stays_stopped: false,
            on_failure: OnFailure::Keep,
        },
    }
}

/// Why an action is refused. The texts are Nova's; all are 409.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Instance {0} is locked")]
    Locked(String),
    #[error("Cannot '{word}' instance {id} while it is in {attribute} {state}")]
    State {
        word: &'static str,
        id: String,
        attribute: &'static str,
        state: String,
    },
    #[error("Instance {id} is in an invalid state for '{word}'")]
    NeverLaunched { word: &'static str, id: String },
}

/// Whether `action` may begin now; `admin` callers pass locks. The order of the checks is Nova's.
pub fn admit(action: Action, server: &Server, admin: bool) -> Result<Rule, Refusal> {
    admit_by(rule(action), server, admin)
}

/// The same of an operation.
pub fn admit_operation(wanted: Operation, server: &Server, admin: bool) -> Result<Rule, Refusal> {
    admit_by(operation(wanted), server, admin)
}

fn admit_by(rule: Rule, server: &Server, admin: bool) -> Result<Rule, Refusal> {
    unlocked(server, admin)?;
    states_allow(rule.word, rule.from, rule.from_task, server)?;
    match server.launched() {
        true => Ok(rule),
        false => Err(never_launched(rule.word, server)),
    }
}

/// Whether an image may be made of a server's disk now; `word` names the call in 409 messages. A lock does not stop it.
/// Source: the decorators of Nova's `snapshot` and `backup`.
pub fn admit_image(word: &'static str, server: &Server) -> Result<(), Refusal> {
    states_allow(
        word,
        &[Active, Stopped, Paused, Suspended],
        From::Idle,
        server,
    )?;
    match server.launched() {
        true => Ok(()),
        false => Err(never_launched(word, server)),
    }
}

/// Whether a server's guest can be looked at now: it was started, and nothing happens to it.
pub fn admit_look(word: &'static str, server: &Server) -> Result<(), Refusal> {
    states_allow(word, &[], From::Idle, server)?;
    match server.launched() {
        true => Ok(()),
        false => Err(never_launched(word, server)),
    }
}

/// `from` empty allows every vm state.
fn states_allow(
    word: &'static str,
    from: &[VmState],
    from_task: From,
    server: &Server,
) -> Result<(), Refusal> {
    if !from.is_empty() && !from.contains(&server.vm_state) {
        return Err(vm_state_refusal(word, server));
    }
    let Some(task) = server.task_state else {
        return Ok(());
    };
    let allowed = match from_task {
        From::Idle => false,
        From::IdleOr(tasks) => tasks.contains(&task),
        From::Any => true,
    };
    match allowed {
        true => Ok(()),
        false => Err(state_refusal(word, server, "task_state", task.as_str())),
    }
}

fn never_launched(word: &'static str, server: &Server) -> Refusal {
    Refusal::NeverLaunched {
        word,
        id: server.id.clone(),
    }
}

/// Whether the server is unlocked for a caller.
pub fn unlocked(server: &Server, admin: bool) -> Result<(), Refusal> {
    match &server.lock {
        Some(_) if !admin => Err(Refusal::Locked(server.id.clone())),
        _ => Ok(()),
    }
}

/// Whether a caller may lift the lock of a server: everybody their own kind's, and
/// `override_allowed` callers any.
pub fn may_unlock(server: &Server, admin: bool, override_allowed: bool) -> bool {
    match &server.lock {
        None => true,
        Some(lock) => {
            let own = if admin {
                LockOwner::Admin
            } else {
                LockOwner::Owner
            };
            lock.by == own || override_allowed
        }
    }
}

fn vm_state_refusal(word: &'static str, server: &Server) -> Refusal {
    state_refusal(word, server, "vm_state", server.vm_state.as_str())
}

fn state_refusal(
    word: &'static str,
    server: &Server,
    attribute: &'static str,
    state: &str,
) -> Refusal {
    Refusal::State {
        word,
        id: server.id.clone(),
        attribute,
        state: state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Lock;
    use crate::testing::server;

    #[test]
    fn a_stopped_server_cannot_be_paused_and_the_message_is_novas() {
        let mut server = server("s1");
        server.vm_state = Stopped;
        let refusal = admit(Action::Pause, &server, true).expect_err("stopped");
        assert_eq!(
            refusal.to_string(),
            "Cannot 'pause' instance s1 while it is in vm_state stopped"
        );
    }

    #[test]
    fn a_hard_reboot_gets_through_a_hanging_pause_but_not_through_itself_pending() {
        let mut server = server("s1");
        server.task_state = Some(Pausing);
        assert!(admit(Action::RebootHard, &server, false).is_ok());
        assert!(admit(Action::RebootSoft, &server, false).is_err());
        server.task_state = Some(RebootPendingHard);
        assert!(admit(Action::RebootHard, &server, false).is_err());
    }

    #[test]
    fn a_lock_stops_owners_and_not_administrators() {
        let mut server = server("s1");
        server.lock = Some(Lock {
            by: LockOwner::Owner,
            reason: None,
        });
        let refusal = admit(Action::Stop, &server, false).expect_err("locked");
        assert_eq!(refusal.to_string(), "Instance s1 is locked");
        assert!(admit(Action::Stop, &server, true).is_ok());
        assert!(may_unlock(&server, false, false));
        assert!(!may_unlock(&server, true, false));
    }

    #[test]
    fn every_state_that_an_action_leads_to_has_a_way_on_and_back_to_active() {
        let operations = Operation::ALL.iter().map(|one| operation(*one));
        let rules: Vec<Rule> = Action::ALL
            .iter()
            .map(|action| rule(*action))
            .chain(operations)
            .collect();
        let stays = |rule: &&Rule| !matches!(rule.settles, None | Some(VmState::Deleted));
        for rule in rules.iter().filter(stays) {
            let settles = rule.settled(Active);
            let on: Vec<&Rule> = rules
                .iter()
                .filter(|next| next.from.contains(&settles))
                .collect();
            assert!(
                on.iter().any(|next| next.settles == Some(Active)),
                "{}",
                rule.word
            );
        }
        let out_of_error = rules
            .iter()
            .filter(|rule| rule.from.contains(&VmState::Error));
        assert!(out_of_error.count() > 0);
    }

    #[test]
    fn what_interrupts_tasks_interrupts_only_those_that_actions_claim() {
        let claimed: Vec<TaskState> = Action::ALL
            .iter()
            .filter_map(|one| rule(*one).claims)
            .collect();
        for action in Action::ALL {
            if let From::IdleOr(tasks) = rule(*action).from_task {
                let strange = |task: &&TaskState| {
                    let nova_only = [RebootPending, RebootStarted];
                    !claimed.contains(task) && !nova_only.contains(task)
                };
                assert_eq!(tasks.iter().find(strange), None);
            }
        }
    }
}
