//! What a new or moved server asks of a host: the input of scheduling.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::Kind;
use crate::server_group::GroupPlacement;
use crate::{Flavor, Server, image::ServerImage};

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
    /// The server stays on the host that is named and gets another image: the filters that look at images are asked,
    /// and no others. Nova's `_nova_check_type: rebuild`.
    #[serde(default)]
    pub image_alone: bool,
    /// The host that is named has the server already: it counts among those that are there.
    #[serde(default)]
    pub is_there: bool,
}

impl PlacementRequest {
    /// What a server asks of any host: nobody named one yet, and where other servers are is not said.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        PlacementRequest {
            server_id: server.id.clone(),
            project_id: server.project_id.clone(),
            flavor: server.flavor.clone(),
            image: server.described_by().cloned(),
            availability_zone: server.pinned_zone.clone(),
            host: None,
            hypervisor_hostname: None,
            forced_host: None,
            forced_node: None,
            ignore_hosts: Vec::new(),
            hints: server.hints.clone(),
            group: None,
            named_servers: BTreeMap::new(),
            volume_backed: server.boots_from_volume(),
            image_alone: false,
            is_there: false,
        }
    }

    /// The same of the host on which the server is.
    #[must_use]
    pub fn on_its_host(server: &Server) -> Self {
        PlacementRequest {
            host: server.host.clone(),
            hypervisor_hostname: server.node.clone(),
            is_there: true,
            ..PlacementRequest::of(server)
        }
    }
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

/// The filter that leaves the host that a request names.
pub const REQUESTED_HOST: &str = "requested host";

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
    /// The same about the host that the request named: that others are not it is no matter.
    #[must_use]
    pub fn of_requested_host(mut self) -> Self {
        let is_other = |filter: &str| filter == REQUESTED_HOST;
        let others = self.refused.iter();
        let others = others.filter(|(filter, _, _)| is_other(filter));
        let others: usize = others.map(|(_, count, _)| count).sum();
        self.hosts = self.hosts.saturating_sub(others);
        self.refused.retain(|(filter, _, _)| !is_other(filter));
        self
    }

    /// What an owner is told when no host fits: which kinds of refusal there were, without hosts and numbers.
    #[must_use]
    pub fn told_to_owner(&self) -> String {
        let mut reasons: Vec<&str> = Vec::new();
        let refusing = self.refused.iter().filter(|(_, count, _)| *count > 0);
        for reason in refusing.filter_map(|(filter, _, _)| refusal(filter)) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let most = Kind::NoHost.sentence();
        match reasons.is_empty() {
            true => format!("No valid host was found. {most}"),
            false => {
                let most = most.trim_end_matches('.');
                format!("No valid host was found. {most}: {}.", reasons.join(", "))
            }
        }
    }

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

/// A filter's refusal in an owner's words, by the filter's name in explanations.
fn refusal(filter: &str) -> Option<&'static str> {
    Some(match filter {
        REQUESTED_HOST => "not the one that was asked for",
        "resources" => "too little room",
        "availability zone" => "outside of the availability zone",
        "ComputeFilter" => "out of service",
        "IoOpsFilter"
        | "AggregateIoOpsFilter"
        | "NumInstancesFilter"
        | "AggregateNumInstancesFilter" => "too busy",
        "traits"
        | "ComputeCapabilitiesFilter"
        | "ImagePropertiesFilter"
        | "AggregateInstanceExtraSpecsFilter"
        | "AggregateTypeAffinityFilter"
        | "IsolatedHostsFilter" => "not for such a flavor or image",
        "server group" | "ServerGroupAffinityFilter" | "ServerGroupAntiAffinityFilter" => {
            "against the policy of the server group"
        }
        "DifferentHostFilter" | "SameHostFilter" | "SimpleCIDRAffinityFilter" | "JsonFilter" => {
            "against a scheduler hint"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(filter: &str, count: usize) -> (String, usize, String) {
        (filter.to_owned(), count, "512 of 96 MiB".to_owned())
    }

    #[test]
    fn owners_hear_kinds_of_refusals_without_numbers_and_examples() {
        let explanation = Explanation {
            hosts: 7,
            refused: vec![
                refused("resources", 4),
                refused("traits", 0),
                refused("ComputeFilter", 2),
                refused("of a later release", 1),
            ],
            left: 0,
        };
        assert_eq!(
            explanation.told_to_owner(),
            "No valid host was found. There are not enough hosts available: too little room, out of service."
        );
        assert_eq!(
            Explanation::default().told_to_owner(),
            "No valid host was found. There are not enough hosts available."
        );
    }

    #[test]
    fn of_a_host_that_was_named_the_others_are_no_matter() {
        let explanation = Explanation {
            hosts: 7,
            refused: vec![refused(REQUESTED_HOST, 6), refused("resources", 1)],
            left: 0,
        };
        let told = explanation.told_to_owner();
        assert!(told.contains("not the one that was asked for"), "{told}");
        let own = explanation.of_requested_host();
        assert_eq!(
            own.sentence(),
            "1 of 1 hosts: resources refused 1 (512 of 96 MiB)."
        );
        let told = own.told_to_owner();
        assert!(told.ends_with("available: too little room."), "{told}");
    }

    #[test]
    fn a_server_asks_for_what_it_is_and_for_its_host_alone() {
        let mut server = crate::testing::server("s");
        server.host = Some("a".to_owned());
        server.node = Some("a.example".to_owned());
        server.pinned_zone = Some("z".to_owned());
        let anywhere = PlacementRequest::of(&server);
        assert_eq!(
            (anywhere.host.as_ref(), anywhere.image_alone),
            (None, false)
        );
        assert_eq!(anywhere.availability_zone, server.pinned_zone);
        assert_eq!(anywhere.volume_backed, server.boots_from_volume());
        assert!(!anywhere.is_there);
        let here = PlacementRequest::on_its_host(&server);
        assert!(here.is_there);
        assert_eq!(
            (here.host, here.hypervisor_hostname),
            (server.host, server.node)
        );
    }
}
