//! A server, as its row holds it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::flavor::Flavor;
use crate::image::ServerImage;
use crate::local_disks::LocalDisks;
use crate::network::{NetworkRequest, Vif};
use crate::rescue::Rescue;
use crate::resize::Resize;
use crate::shelve::Shelved;
use crate::state::{PowerState, TaskState, VmState};
use crate::volume::{AttachedVolume, VolumeRequest, next_device};

/// A server. One value, loaded with one query: what lists filter by has a column of its own in
/// the table, the rest are documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Counts up with creation; gives `instance-%08x` and EC2 ids.
    pub seq: i64,
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub hostname: String,
    pub description: Option<String>,

    pub vm_state: VmState,
    pub task_state: Option<TaskState>,
    pub power_state: PowerState,
    /// Fencing number: counts up with every operation; a host refuses an older one.
    pub epoch: i64,
    /// Counts the commands to its host that change one device of its guest; a host refuses an older one of the same epoch.
    #[serde(default)]
    pub device_command: i64,

    pub flavor: Flavor,
    pub image: Option<ServerImage>,
    /// Where the guest runs; none before it is placed.
    pub host: Option<String>,
    pub node: Option<String>,
    pub node_id: Option<String>,
    /// Zone of the host, once there is one.
    pub availability_zone: Option<String>,
    /// Zone that the user asked for.
    pub pinned_zone: Option<String>,

    pub launch_index: i32,
    pub reservation_id: String,
    pub vifs: Vec<Vif>,
    /// The image of which the volume was made that the server boots from, as the volume service knows it. Such a server has
    /// no `image`.
    #[serde(default)]
    pub volume_image: Option<ServerImage>,
    /// In the order in which the guest got them. What messages of older releases say nothing of is none.
    #[serde(default)]
    pub volumes: Vec<AttachedVolume>,
    /// Disks on its host beside the root.
    #[serde(default)]
    pub local_disks: LocalDisks,
    /// What it was rescued by, or is going to be: see [`Server::rescued_by`].
    #[serde(default)]
    pub rescue: Option<Rescue>,
    /// Under way, or not confirmed.
    #[serde(default)]
    pub resize: Option<Resize>,
    /// None of a server that is not shelved.
    #[serde(default)]
    pub shelved: Option<Shelved>,
    pub metadata: BTreeMap<String, String>,
    pub tags: Vec<String>,
    pub key: Option<ServerKey>,
    /// As sent: base64.
    pub user_data: Option<String>,
    pub config_drive: bool,
    /// Names, for showing; the ports hold the truth.
    pub security_groups: Vec<String>,
    pub access_ip_v4: Option<IpAddr>,
    pub access_ip_v6: Option<IpAddr>,
    /// Kept and shown (`OS-DCF:diskConfig`); without further effect, as with Nova's libvirt driver.
    pub disk_config: DiskConfig,
    pub hints: BTreeMap<String, serde_json::Value>,
    pub trusted_certificates: Option<Vec<String>>,
    pub root_device_name: Option<String>,
    pub lock: Option<Lock>,
    pub progress: u8,
    pub fault: Option<Fault>,

    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub launched_at: Option<DateTime<Utc>>,
    pub terminated_at: Option<DateTime<Utc>>,
    /// Since when it is kept as deleted, by the database's clock: it goes `reclaim_instance_interval` later. Means something
    /// with that vm state alone.
    #[serde(default)]
    pub soft_deleted_at: Option<DateTime<Utc>>,
    /// Set when the record is deleted; the row stays for those who may see deleted servers.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Server {
    /// The status users see.
    pub fn status(&self) -> &'static str {
        crate::status::of(self.vm_state, self.task_state, self.deleted_at.is_some())
    }

    /// Whether its guest was ever started.
    pub fn launched(&self) -> bool {
        self.launched_at.is_some()
    }

    /// What it boots from while it is rescued.
    pub fn rescued_by(&self) -> Option<&Rescue> {
        let begins = self.task_state == Some(TaskState::Rescuing);
        let ends = self.task_state == Some(TaskState::Unrescuing);
        let is_rescued = begins || self.vm_state == VmState::Rescued && !ends;
        self.rescue.as_ref().filter(|_| is_rescued)
    }

    /// The image that says what the server's hardware is: its own, or that of the volume it boots from.
    pub fn described_by(&self) -> Option<&ServerImage> {
        self.image.as_ref().or(self.volume_image.as_ref())
    }

    /// Whether it boots from a volume.
    pub fn boots_from_volume(&self) -> bool {
        self.image.is_none()
    }

    /// The name of the next disk that it gets: its local disks come first, then its volumes.
    pub fn next_device(&self) -> String {
        let local = 1 + self.local_disks.count(&self.flavor);
        next_device(self.root_device_name.as_deref(), local, &self.volumes)
    }

    /// The name a hypervisor knows it by (`OS-EXT-SRV-ATTR:instance_name`), by Nova's default
    /// template.
    pub fn instance_name(&self) -> String {
        format!("instance-{:08x}", self.seq)
    }
}

/// The key given at creation: a copy, so that deleting the pair does not change the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerKey {
    pub name: String,
    /// `ssh` or `x509`.
    pub kind: String,
    pub data: String,
}

/// `OS-DCF:diskConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DiskConfig {
    Auto,
    Manual,
}

impl DiskConfig {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            DiskConfig::Auto => "AUTO",
            DiskConfig::Manual => "MANUAL",
        }
    }
}

/// A lock against actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub by: LockOwner,
    pub reason: Option<String>,
}

/// Who holds a lock: an owner cannot lift an administrator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockOwner {
    Owner,
    Admin,
}

impl LockOwner {
    /// The word in the database and in `locked_by` filters.
    pub fn as_str(self) -> &'static str {
        match self {
            LockOwner::Owner => "owner",
            LockOwner::Admin => "admin",
        }
    }
}

/// What creation needs beyond the server's own row, kept in the build workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BuildPlan {
    /// Networks wanted; empty for none.
    pub networks: Vec<NetworkRequest>,
    /// Ids of security groups for new ports.
    pub security_group_ids: Vec<String>,
    pub host: Option<String>,
    pub hypervisor_hostname: Option<String>,
    pub forced_host: Option<String>,
    pub forced_node: Option<String>,
    /// For the config drive only; never stored with the server.
    pub admin_password: Option<String>,
    /// Volumes that it is to have.
    #[serde(default)]
    pub volumes: Vec<VolumeRequest>,
    /// The caller's token, in whose name volumes are made, sealed with the password of compute's own user; none when none
    /// is made.
    #[serde(default)]
    pub token: Option<String>,
    /// Files of `personality` (until 2.56): path and base64 content.
    pub injected_files: Vec<(String, String)>,
}

/// The host name made from a display name, as Nova sanitises it: lower case letters, digits,
/// hyphens; at most 63; `Server-<id>` when nothing is left.
pub fn hostname_of(name: &str, id: &str) -> String {
    let mut host = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            ' ' | '_' | '.' => host.push('-'),
            c if c.is_ascii_alphanumeric() || c == '-' => host.push(c.to_ascii_lowercase()),
            _ => {}
        }
    }
    let host: String = host.trim_matches(['-', '.']).chars().take(63).collect();
    let host = host.trim_end_matches('-');
    match host.is_empty() {
        true => format!("Server-{id}"),
        false => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_becomes_a_valid_host_name() {
        assert_eq!(hostname_of("My Server_1.x", "i"), "my-server-1-x");
        assert_eq!(hostname_of("тест", "abc"), "Server-abc");
        assert_eq!(hostname_of("--a--", "i"), "a");
        assert_eq!(hostname_of(&"x".repeat(80), "i").len(), 63);
    }
}
