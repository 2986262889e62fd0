//! Hypervisors: the hosts, as operators see them.

use microversion::Versioned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::words::{Flag, Limit};

/// A hypervisor in full.
#[derive(Serialize, Versioned)]
pub struct HypervisorView<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub hypervisor_hostname: &'v str,
    /// `up` or `down`.
    pub state: &'static str,
    /// `enabled` or `disabled`.
    pub status: &'static str,
    pub hypervisor_type: &'v str,
    pub hypervisor_version: i64,
    pub host_ip: Option<&'v str>,
    pub service: ServiceOf<'v>,
    /// JSON inside a text.
    #[mv(wire = "cpu_info", until = "2.27")]
    pub cpu_info_text: String,
    #[mv(since = "2.28", until = "2.87")]
    pub cpu_info: &'v Value,
    #[mv(until = "2.87")]
    pub current_workload: Option<i64>,
    #[mv(until = "2.87")]
    pub disk_available_least: Option<i64>,
    #[mv(until = "2.87")]
    pub free_disk_gb: i64,
    #[mv(until = "2.87")]
    pub free_ram_mb: i64,
    #[mv(until = "2.87")]
    pub local_gb: i64,
    #[mv(until = "2.87")]
    pub local_gb_used: i64,
    #[mv(until = "2.87")]
    pub memory_mb: i64,
    #[mv(until = "2.87")]
    pub memory_mb_used: i64,
    #[mv(until = "2.87")]
    pub running_vms: i64,
    #[mv(until = "2.87")]
    pub vcpus: i64,
    #[mv(until = "2.87")]
    pub vcpus_used: i64,
    /// When asked for; until 2.74 left out when there are none.
    #[mv(since = "2.53")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<ServerOn<'v>>>,
    #[mv(since = "2.88")]
    pub uptime: Option<&'v str>,
}

/// A hypervisor in a brief list, and in the searches that ended with 2.52.
#[derive(Serialize, Versioned)]
pub struct HypervisorSummary<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub hypervisor_hostname: &'v str,
    pub state: &'static str,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<ServerOn<'v>>>,
    /// Under `/uptime` only, which ended with 2.87.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<&'v str>,
}

/// The service that drives a hypervisor.
#[derive(Serialize, Versioned)]
pub struct ServiceOf<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub host: &'v str,
    pub disabled_reason: Option<&'v str>,
}

#[derive(Serialize, Versioned)]
pub struct ServerOn<'v> {
    /// The hypervisor's own name for it.
    pub name: String,
    pub uuid: &'v str,
}

/// Totals over all hypervisors, until 2.87.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Versioned)]
pub struct Statistics {
    pub count: i64,
    pub current_workload: i64,
    pub disk_available_least: i64,
    pub free_disk_gb: i64,
    pub free_ram_mb: i64,
    pub local_gb: i64,
    pub local_gb_used: i64,
    pub memory_mb: i64,
    pub memory_mb_used: i64,
    pub running_vms: i64,
    pub vcpus: i64,
    pub vcpus_used: i64,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.53")]
pub struct ListHypervisors {
    #[mv(since = "2.33")]
    #[mv(since = "2.53", max_items = 1)]
    pub limit: Option<Limit>,
    #[mv(since = "2.33")]
    #[mv(since = "2.53", max_items = 1)]
    pub marker: Option<String>,
    #[mv(
        since = "2.53",
        max_items = 1,
        pattern = "^[a-zA-Z0-9-._]*$",
        min_length = 1,
        max_length = 255
    )]
    pub hypervisor_hostname_pattern: Option<String>,
    #[mv(since = "2.53", max_items = 1)]
    pub with_servers: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.53")]
pub struct ShowHypervisor {
    #[mv(since = "2.53", max_items = 1)]
    pub with_servers: Option<Flag>,
}
