//! The record of what was done with a server: `os-instance-actions`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One thing a user asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    pub server_id: String,
    /// Nova's name of the action: `create`, `stop`, `changePassword`, …
    pub action: String,
    pub request_id: String,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub start_time: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
    /// `Error` when it failed.
    pub message: Option<String>,
}

/// One step of it, on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionEvent {
    /// `<role>_<step>`, as `compute__do_build_and_run_instance`.
    pub event: String,
    pub start_time: DateTime<Utc>,
    pub finish_time: Option<DateTime<Utc>>,
    /// `Success` or `Error`.
    pub result: Option<String>,
    /// For administrators.
    pub traceback: Option<String>,
    pub host: Option<String>,
    /// The fault's message, shown from 2.84.
    pub details: Option<String>,
}

/// Nova's name of the event that an action is while its host, or the host's conductor, works at it.
///
/// ```
/// # use compute_model::action::event_of;
/// assert_eq!(event_of("stop"), "compute_stop_instance");
/// ```
pub fn event_of(action: &str) -> String {
    match action {
        "create" => "compute__do_build_and_run_instance".to_owned(),
        "delete" => "compute_terminate_instance".to_owned(),
        "createImage" => "compute_snapshot_instance".to_owned(),
        "createBackup" => "compute_backup_instance".to_owned(),
        "attach_interface" | "detach_interface" | "attach_volume" | "detach_volume"
        | "extend_volume" | "swap_volume" => {
            format!("compute_{action}")
        }
        "confirmResize" => "compute_confirm_resize".to_owned(),
        "revertResize" => "compute_revert_resize".to_owned(),
        "shelveOffload" => "compute_shelve_offload_instance".to_owned(),
        "trigger_crash_dump" => "compute_trigger_crash_dump".to_owned(),
        other => format!("compute_{other}_instance"),
    }
}
