//! Groups of servers that want to be together, or apart.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The scheduler hint that puts a new server into a group.
pub const HINT: &str = "group";

/// How the servers of a group want to be placed. The wire names are Nova's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupPolicy {
    /// Never more than a number of them on one host.
    AntiAffinity,
    /// All on one host.
    Affinity,
    /// On different hosts as far as there are some.
    SoftAntiAffinity,
    /// On as few hosts as possible.
    SoftAffinity,
}

impl GroupPolicy {
    /// Every policy.
    pub const ALL: &'static [GroupPolicy] = &[
        GroupPolicy::AntiAffinity,
        GroupPolicy::Affinity,
        GroupPolicy::SoftAntiAffinity,
        GroupPolicy::SoftAffinity,
    ];

    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            GroupPolicy::AntiAffinity => "anti-affinity",
            GroupPolicy::Affinity => "affinity",
            GroupPolicy::SoftAntiAffinity => "soft-anti-affinity",
            GroupPolicy::SoftAffinity => "soft-affinity",
        }
    }

    /// The policy of a word.
    pub fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|policy| policy.as_str() == word)
    }
}

/// A group of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerGroup {
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub policy: GroupPolicy,
    /// With anti-affinity: how many members one host may have; one when nothing is said.
    pub max_server_per_host: Option<u32>,
    /// Ids of servers that are not deleted, in the order in which they joined.
    pub members: Vec<String>,
    pub created_at: DateTime<Utc>,
}

/// The group that hints name: an id, or a list of which the first counts, as in Nova.
pub fn named_by(hints: &BTreeMap<String, Value>) -> Option<&str> {
    let hint = hints.get(HINT)?;
    hint.as_str().or_else(|| hint.get(0)?.as_str())
}

/// What a server's group wants of the host that the server goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlacement {
    pub policy: GroupPolicy,
    /// Members that one host may have, where the policy is anti-affinity.
    pub max_server_per_host: u32,
    /// How many other members each host has.
    pub hosts: BTreeMap<String, u32>,
}

impl GroupPlacement {
    /// The wish of `group` whose other members are on these hosts.
    pub fn new(group: &ServerGroup, hosts: BTreeMap<String, u32>) -> Self {
        GroupPlacement {
            policy: group.policy,
            max_server_per_host: group.max_server_per_host.unwrap_or(1),
            hosts,
        }
    }

    /// How many other members are on a host.
    pub fn members_on(&self, host: &str) -> u32 {
        self.hosts.get(host).copied().unwrap_or(0)
    }

    /// Whether a host may take another member. Soft policies refuse nothing.
    ///
    /// # Errors
    /// Why not, in words that name no host.
    pub fn admits(&self, host: &str) -> Result<(), String> {
        let members = self.members_on(host);
        match self.policy {
            GroupPolicy::AntiAffinity if members >= self.max_server_per_host => Err(format!(
                "it has {members} of the server group, {} may be on one host",
                self.max_server_per_host
            )),
            GroupPolicy::Affinity if members == 0 && !self.hosts.is_empty() => {
                Err("the server group is on another host".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placement(policy: GroupPolicy, max: u32, hosts: &[(&str, u32)]) -> GroupPlacement {
        let hosts = hosts.iter();
        GroupPlacement {
            policy,
            max_server_per_host: max,
            hosts: hosts
                .map(|(host, members)| ((*host).to_owned(), *members))
                .collect(),
        }
    }

    #[test]
    fn every_policy_is_found_by_its_word() {
        for policy in GroupPolicy::ALL {
            assert_eq!(GroupPolicy::named(policy.as_str()), Some(*policy));
            assert_eq!(json!(policy), policy.as_str());
        }
        assert_eq!(GroupPolicy::named("legacy"), None);
    }

    #[test]
    fn anti_affinity_fills_a_host_up_to_its_number() {
        let hosts = [("a", 1), ("b", 2)];
        let one = placement(GroupPolicy::AntiAffinity, 1, &hosts);
        let two = placement(GroupPolicy::AntiAffinity, 2, &hosts);
        let admitted =
            |wish: &GroupPlacement| ["a", "b", "c"].map(|host| wish.admits(host).is_ok());
        assert_eq!(admitted(&one), [false, false, true]);
        assert_eq!(admitted(&two), [true, false, true]);
    }

    #[test]
    fn affinity_begins_anywhere_and_then_stays_there() {
        let first = placement(GroupPolicy::Affinity, 1, &[]);
        assert!(first.admits("a").is_ok());
        let second = placement(GroupPolicy::Affinity, 1, &[("a", 1)]);
        assert!(second.admits("a").is_ok());
        assert!(second.admits("b").is_err());
    }

    #[test]
    fn soft_policies_refuse_no_host() {
        for policy in [GroupPolicy::SoftAffinity, GroupPolicy::SoftAntiAffinity] {
            let wish = placement(policy, 1, &[("a", 5)]);
            assert!(wish.admits("a").is_ok() && wish.admits("b").is_ok());
        }
    }

    #[test]
    fn a_hint_names_its_group_alone_or_in_a_list() {
        let hints = |hint: Value| BTreeMap::from([(HINT.to_owned(), hint)]);
        assert_eq!(named_by(&hints(json!("g"))), Some("g"));
        assert_eq!(named_by(&hints(json!(["g", "h"]))), Some("g"));
        assert_eq!(named_by(&hints(json!([]))), None);
        assert_eq!(named_by(&BTreeMap::new()), None);
    }
}
