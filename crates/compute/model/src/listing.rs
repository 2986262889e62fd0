//! What a list of servers is asked for: filters, order, page.

use chrono::{DateTime, Utc};

use crate::state::{PowerState, TaskState, VmState};

/// Which servers to list. Every field narrows; the default is all that are not deleted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerFilter {
    pub project_id: Option<String>,
    pub user_id: Option<String>,
    pub ids: Option<Vec<String>>,
    pub vm_states: Option<Vec<VmState>>,
    /// Used together with `vm_states` by `status`.
    pub task_states: Option<Vec<TaskState>>,
    pub power_state: Option<PowerState>,
    /// Regular expressions, not anchored.
    pub matches: Vec<(Searched, String)>,
    pub host: Option<String>,
    pub flavor_id: Option<String>,
    pub image_id: Option<String>,
    pub config_drive: Option<bool>,
    pub locked: Option<bool>,
    pub launch_index: Option<i32>,
    pub progress: Option<i32>,
    /// Regular expression on fixed addresses of version 4, of version 6.
    pub ip4: Option<String>,
    pub ip6: Option<String>,
    /// All of these tags, any of these, not all of these, none of these.
    pub tags: Vec<String>,
    pub tags_any: Vec<String>,
    pub not_tags: Vec<String>,
    pub not_tags_any: Vec<String>,
    /// Changed at or after, at or before.
    pub changes_since: Option<DateTime<Utc>>,
    pub changes_before: Option<DateTime<Utc>>,
    pub deleted: Deleted,
    /// Whether servers that are kept as deleted are among them: unsaid, they are among the deleted ones alone.
    pub soft_deleted: Option<bool>,
}

/// Whether deleted servers are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Deleted {
    #[default]
    No,
    Only,
    /// As with `changes-since`.
    Both,
}

/// What patterns search, as text. Times are searched as MySQL writes them (`2026-11-30 14:05:09`), the disk
/// configuration as `1` (automatic) or `0`: so Nova's patterns see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Searched {
    AccessIpV4,
    AccessIpV6,
    AvailabilityZone,
    CreatedAt,
    Description,
    DiskConfig,
    Hostname,
    /// Empty without one.
    KernelId,
    KeyName,
    LaunchedAt,
    LockedBy,
    Name,
    Node,
    /// Empty without one.
    RamdiskId,
    ReservationId,
    RootDeviceName,
    TerminatedAt,
}

impl Searched {
    /// Whether it is in a server's document, and in no column.
    pub fn is_in_document(self) -> bool {
        matches!(
            self,
            Searched::DiskConfig | Searched::KernelId | Searched::RamdiskId
        )
    }
}

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    AccessIpV4,
    AccessIpV6,
    AvailabilityZone,
    ConfigDrive,
    CreatedAt,
    Description,
    FlavorId,
    Host,
    Hostname,
    Id,
    ImageId,
    KeyName,
    LaunchIndex,
    LaunchedAt,
    Locked,
    LockedBy,
    Name,
    Node,
    PowerState,
    Progress,
    ProjectId,
    RootDeviceName,
    TaskState,
    TerminatedAt,
    UpdatedAt,
    UserId,
    VmState,
}

/// Ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// Order and page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Ties are broken by creation, newest first.
    pub sort: Vec<(SortKey, Direction)>,
    pub limit: u64,
    /// Id of the last server already seen.
    pub marker: Option<String>,
}
