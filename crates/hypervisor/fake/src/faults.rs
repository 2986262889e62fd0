//! Deciding which calls go wrong.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hypervisor::{DriverError, Result};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::settings::{FailCall, Faults};

/// How often a call that stands still looks whether it may go on.
const HOLD_LOOK: Duration = Duration::from_millis(5);

/// Verbs that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    EnsureRunning,
    EnsureStopped,
    EnsureGone,
    Reboot,
    Inspect,
    Pause,
    Unpause,
    Suspend,
    Resume,
    CrashDump,
    Resize,
    ConfirmResize,
    Snapshot,
    Quiesce,
    SetPassword,
    AttachNic,
    DetachNic,
    AttachVolume,
    DetachVolume,
    ResizeVolume,
    LookAtCopy,
    CopyVolume,
    SwitchVolume,
    KeepVolume,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::EnsureRunning => "ensure_running",
            Self::EnsureStopped => "ensure_stopped",
            Self::EnsureGone => "ensure_gone",
            Self::Reboot => "reboot",
            Self::Inspect => "inspect",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::CrashDump => "crash_dump",
            Self::Resize => "resize",
            Self::ConfirmResize => "confirm_resize",
            Self::Snapshot => "snapshot",
            Self::Quiesce => "quiesce",
            Self::SetPassword => "set_password",
            Self::AttachNic => "attach_nic",
            Self::DetachNic => "detach_nic",
            Self::AttachVolume => "attach_volume",
            Self::DetachVolume => "detach_volume",
            Self::ResizeVolume => "resize_volume",
            Self::LookAtCopy => "look_at_copy",
            Self::CopyVolume => "copy_volume",
            Self::SwitchVolume => "switch_volume",
            Self::KeepVolume => "keep_volume",
        }
    }
}

/// Faults with their patterns compiled and calls counted.
#[derive(Debug, Default)]
pub(crate) struct FaultBox {
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    fail_start: Option<Regex>,
    fail_attach_volume: Option<Regex>,
    keep_volume: Option<Regex>,
    fail_copy: Option<Regex>,
    slow_copy: Option<Regex>,
    fail_switch: Option<Regex>,
    lose_disk: Option<Regex>,
    ignore_shutdown: Option<Regex>,
    crash: Option<Regex>,
    crash_after_ms: u64,
    calls: Vec<FailCall>,
    held: Vec<Verb>,
    counts: HashMap<Verb, u64>,
}

impl FaultBox {
    /// Replaces the plan; counting of calls starts anew.
    pub fn set(&self, faults: &Faults) -> Result<()> {
        let compile = |pattern: &Option<String>| -> Result<Option<Regex>> {
            let Some(pattern) = pattern else {
                return Ok(None);
            };
            Regex::new(pattern)
                .map(Some)
                .map_err(|error| DriverError::BadSpec {
                    why: format!("fault pattern {pattern:?}: {error}"),
                })
        };
        let plan = Plan {
            fail_start: compile(&faults.fail_start_of)?,
            fail_attach_volume: compile(&faults.fail_attach_volume_of)?,
            keep_volume: compile(&faults.keep_volume_of)?,
            fail_copy: compile(&faults.fail_copy_of)?,
            slow_copy: compile(&faults.slow_copy_of)?,
            fail_switch: compile(&faults.fail_switch_of)?,
            lose_disk: compile(&faults.lose_disk_of)?,
            ignore_shutdown: compile(&faults.ignore_shutdown_of)?,
            crash: compile(&faults.crash_of)?,
            crash_after_ms: faults.crash_after_ms,
            calls: faults.fail_calls.clone(),
            held: faults.hold_calls.clone(),
            counts: HashMap::new(),
        };
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        Ok(())
    }

    /// Counts a call and fails it when the plan says so.
    pub fn count(&self, verb: Verb) -> Result<()> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let count = plan.counts.entry(verb).or_insert(0);
        *count += 1;
        let nth = *count;
        if plan.calls.contains(&FailCall { verb, nth }) {
            let why = format!("call {nth} is configured to fail");
            return Err(DriverError::Hypervisor {
                what: verb.name().to_owned(),
                why,
            });
        }
        Ok(())
    }

    /// Returns when calls of this verb do not stand still any more.
    pub async fn pass(&self, verb: Verb) {
        let is_held = || {
            let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
            plan.held.contains(&verb)
        };
        while is_held() {
            tokio::time::sleep(HOLD_LOOK).await;
        }
    }

    pub fn start_fails(&self, name: &str) -> bool {
        self.matches(|plan| &plan.fail_start, name)
    }

    pub fn attach_volume_fails(&self, name: &str) -> bool {
        self.matches(|plan| &plan.fail_attach_volume, name)
    }

    pub fn keeps_volume(&self, name: &str) -> bool {
        self.matches(|plan| &plan.keep_volume, name)
    }

    pub fn copy_fails(&self, name: &str) -> bool {
        self.matches(|plan| &plan.fail_copy, name)
    }

    pub fn copy_lasts(&self, name: &str) -> bool {
        self.matches(|plan| &plan.slow_copy, name)
    }

    pub fn switch_fails(&self, name: &str) -> bool {
        self.matches(|plan| &plan.fail_switch, name)
    }

    pub fn loses_disk(&self, name: &str) -> bool {
        self.matches(|plan| &plan.lose_disk, name)
    }

    pub fn ignores_shutdown(&self, name: &str) -> bool {
        self.matches(|plan| &plan.ignore_shutdown, name)
    }

    /// Milliseconds until a guest of this name crashes, if it does.
    pub fn crash_after(&self, name: &str) -> Option<u64> {
        let after = self
            .plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .crash_after_ms;
        self.matches(|plan| &plan.crash, name).then_some(after)
    }

    fn matches(&self, which: impl Fn(&Plan) -> &Option<Regex>, name: &str) -> bool {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        which(&plan)
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(name))
    }
}
