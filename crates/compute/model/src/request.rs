//! What a new or moved server asks of a host: the input of scheduling.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::server_group::GroupPlacement;
use crate::{Flavor, image::ServerImage};

/// One placement question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlacementRequest {
    pub server_id: String,
    pub project_id: String,
    pub flavor: Flavor,
    pub image: Option<ServerImage>,
    /// The zone asked for, or pinned by an earlier request.
    pub availability_zone: Option<String>,
    /// Only this host (`host` of 2.74): filters still run.
    pub host: Option<String>,
    pub hypervisor_hostname: Option<String>,
    /// Only this host, whatever filters say (`zone:host:node`).
    pub forced_host: Option<String>,
    pub forced_node: Option<String>,
    /// Hosts not to use: already tried, or the one to leave.
    #[serde(default)]
    pub ignore_hosts: Vec<String>,
    /// Scheduler hints as the user sent them.
    #[serde(default)]
    pub hints: BTreeMap<String, serde_json::Value>,
    /// What the server's group wants, as things stand.
    #[serde(default)]
    pub group: Option<GroupPlacement>,
    /// Where the servers are that the hints `same_host` and `different_host` name.
    #[serde(default)]
    pub named_servers: BTreeMap<String, String>,
    /// Local disk is not needed for the root: the server boots from a volume.
    #[serde(default)]
    pub volume_backed: bool,
}

/// Hints that name servers.
const SERVER_HINTS: [&str; 2] = ["same_host", "different_host"];

/// The servers that a hint names: one id, or a list of them.
pub fn servers_named<'a>(
    hints: &'a BTreeMap<String, serde_json::Value>,
    hint: &str,
) -> impl Iterator<Item = &'a str> {
    let value = hints.get(hint);
    let one = value.and_then(serde_json::Value::as_str);
    let many = value.and_then(serde_json::Value::as_array).into_iter();
    one.into_iter()
        .chain(many.flatten().filter_map(serde_json::Value::as_str))
}

/// The servers whose hosts matter to a server with these hints.
pub fn all_servers_named(
    hints: &BTreeMap<String, serde_json::Value>,
) -> impl Iterator<Item = &str> {
    SERVER_HINTS
        .iter()
        .flat_map(|hint| servers_named(hints, hint))
}

/// Amounts of Placement's standard classes.
pub type Resources = BTreeMap<String, u64>;

/// What `request` takes of a host, by resource class; classes with amount 0 are left out, as
/// Placement refuses them. `resources:CLASS` extra specs replace the flavor's own numbers.
pub fn resources(request: &PlacementRequest) -> Resources {
    of_flavor(&request.flavor, request.volume_backed)
}

/// What a server of this flavor takes of a host; the root disk counts nothing when it is a volume.
pub fn of_flavor(flavor: &Flavor, volume_backed: bool) -> Resources {
    let root = if volume_backed {
        0
    } else {
        u64::from(flavor.disk)
    };
    let disk = root + u64::from(flavor.ephemeral) + u64::from(flavor.swap.div_ceil(1024));
    let mut amounts = Resources::from([
        ("VCPU".to_owned(), u64::from(flavor.vcpus)),
        ("MEMORY_MB".to_owned(), u64::from(flavor.ram)),
        ("DISK_GB".to_owned(), disk),
    ]);
    for (key, value) in &flavor.extra_specs {
        if let (Some(class), Ok(amount)) = (key.strip_prefix("resources:"), value.parse()) {
            amounts.insert(class.to_owned(), amount);
        }
    }
    amounts.retain(|_, amount| *amount > 0);
    amounts
}

/// A host chosen for a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub host: String,
    pub node: String,
    /// The node's id, which is its resource provider's id.
    pub node_id: String,
    /// Zone of the host.
    pub availability_zone: String,
}

/// Why hosts were turned away: per filter, in the order run, how many it refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// Hosts known when the question was asked.
    pub hosts: usize,
    /// (filter, hosts refused, an example of the reason).
    pub refused: Vec<(String, usize, String)>,
    /// Hosts left for weighing.
    pub left: usize,
}

impl Explanation {
    /// One sentence for a fault: `3 hosts: ComputeFilter refused 1, resources refused 2 (…)`.
    pub fn sentence(&self) -> String {
        if self.hosts == 0 {
            return "There is no compute host.".to_owned();
        }
        let refusals: Vec<String> = self
            .refused
            .iter()
            .filter(|(_, count, _)| *count > 0)
            .map(|(filter, count, reason)| match reason.is_empty() {
                true => format!("{filter} refused {count}"),
                false => format!("{filter} refused {count} ({reason})"),
            })
            .collect();
        format!(
            "{} of {} hosts: {}.",
            self.hosts - self.left,
            self.hosts,
            refusals.join(", ")
        )
    }
}
