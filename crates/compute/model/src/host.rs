//! Hosts and the other services of the cloud.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha224};

/// A service: a role on a machine, as `os-services` lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The number that the API showed before 2.53.
    pub seq: i64,
    pub id: String,
    pub host: String,
    /// `nova-compute`, `nova-conductor`, `nova-scheduler`.
    pub binary: String,
    pub disabled: bool,
    pub disabled_reason: Option<String>,
    pub forced_down: bool,
    /// When it last reported, by the database's clock.
    pub last_seen: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Service {
    /// Whether it reported within `down_time` before `now` (by the database's clock) and nobody
    /// declared it down.
    pub fn is_up(&self, now: DateTime<Utc>, down_time: Duration) -> bool {
        !self.forced_down && self.last_seen.is_some_and(|seen| now - seen <= down_time)
    }
}

/// A hypervisor: what a host with an agent can carry, and what its servers take of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The number that the API showed before 2.53.
    pub seq: i64,
    /// Also the id of its resource provider.
    pub id: String,
    /// The host name of its service.
    pub host: String,
    /// `hypervisor_hostname`.
    pub name: String,
    pub facts: NodeFacts,
    /// Counts up with every change of facts, allocation or service, cloud-wide: the scheduler reads
    /// what is newer than what it knows.
    pub change: i64,
    pub service: Service,
    pub used: Used,
    /// Builds that failed on it since the last that went well.
    #[serde(default)]
    pub failed_builds: u64,
}

/// What a hypervisor says of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeFacts {
    /// `QEMU`, `fake`, …
    pub hypervisor_type: String,
    /// Nova's number: 7002022 for 7.2.22.
    pub hypervisor_version: u32,
    pub host_ip: String,
    pub vcpus: u32,
    /// MiB.
    pub memory_mb: u64,
    /// GiB.
    pub disk_gb: u64,
    /// MiB kept from servers.
    pub reserved_memory_mb: u64,
    pub reserved_vcpus: u32,
    pub reserved_disk_gb: u64,
    pub cpu_ratio: f64,
    pub ram_ratio: f64,
    pub disk_ratio: f64,
    /// `cpu_info` of the hypervisors API.
    #[serde(default)]
    pub cpu_info: serde_json::Value,
    /// Placement traits, `COMPUTE_*` and `HW_*`.
    #[serde(default)]
    pub traits: Vec<String>,
    /// Architecture, hypervisor and machine mode that guests may have: `[x86_64, qemu, hvm]`.
    #[serde(default)]
    pub supported: Vec<[String; 3]>,
    /// When the machine started. A moment, not a span, since a report that changes nothing costs nothing.
    #[serde(default)]
    pub booted_at: Option<DateTime<Utc>>,
}

/// What servers take of a host: exact sums of durable claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Used {
    pub vcpus: u64,
    /// MiB.
    pub memory_mb: u64,
    /// GiB.
    pub disk_gb: u64,
    pub servers: u64,
}

/// The id of a host that a project may see: equal for its own servers on one host, and telling
/// nothing to others. Empty without host.
pub fn opaque_id(project_id: &str, host: Option<&str>) -> String {
    match host {
        Some(host) => hex::encode(Sha224::digest(format!("{project_id}{host}"))),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opaque_host_id_is_novas() {
        // printf 'p1node1' | sha224sum
        assert_eq!(opaque_id("p1", Some("node1")).len(), 56);
        assert_ne!(
            opaque_id("p1", Some("node1")),
            opaque_id("p2", Some("node1"))
        );
        assert_eq!(opaque_id("p1", None), "");
    }
}
