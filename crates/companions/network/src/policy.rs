//! Who may do what.
//!
//! Objects that a caller does not see are 404 before policy is asked; policy decides about those it sees, and about
//! single attributes (`create_port:binding:host_id`).

mod rules;

use std::path::Path;

use serde_json::Value;
use web::Caller;
use web::policy::{Policy, PolicyError, Target};

use crate::attributes::Attribute;
use crate::fault::{Fault, Result};
use crate::views::View;
pub use rules::RULES;

/// Rules that are asked beside those of calls and attributes.
const ADVANCED_SERVICE: &str = "context_is_advsvc";
const SERVICE: &str = "service_api";

/// The rules in force.
pub struct Access {
    policy: Policy,
}

impl Access {
    /// The defaults with an operator's changes.
    pub fn load(file: Option<&Path>) -> Result<Self, PolicyError> {
        Ok(Access {
            policy: Policy::load(&[RULES], file)?,
        })
    }

    /// Reads the operator's changes again; after an error all stays as it was.
    pub fn reload(&self) -> Result<(), PolicyError> {
        self.policy.reload()
    }

    /// Asks about an object. What has no rule of its own is answered by the rule `default`.
    ///
    /// # Errors
    /// [`Fault::Forbidden`] naming the rule.
    pub fn check(&self, rule: &str, caller: &Caller, target: &View) -> Result<()> {
        self.check_facts(rule, caller, facts(target))
    }

    /// Whether the caller may be shown an object that its scope lets through.
    pub fn may_read(&self, rule: &str, caller: &Caller, target: &View) -> bool {
        let mut facts = facts(target);
        let project = target.get("project_id").and_then(Value::as_str);
        if project != caller.project_id.as_deref()
            && !self.sees_all(caller)
            && let Some(own) = caller.project_id.as_deref()
        {
            // Another's object is in the caller's scope because the two share it, or because it is on
            // the caller's network.
            facts = facts
                .with("shared", "True")
                .with(NETWORK_OWNER, own)
                .with(NETWORK_OWNER_OF_OLD, own);
        }
        self.check_facts(rule, caller, facts).is_ok()
    }

    fn check_facts(&self, rule: &str, caller: &Caller, facts: Target<'_>) -> Result<()> {
        self.policy
            .enforce(rule, caller, &facts)
            .map_err(|_| Fault::Forbidden(rule.to_owned()))
    }

    /// Whether the caller is an administrator.
    pub fn is_admin(&self, caller: &Caller) -> bool {
        self.policy.is_admin(caller)
    }

    /// Whether the caller finds the objects of every project: administrators, and services, which
    /// work for all.
    pub fn sees_all(&self, caller: &Caller) -> bool {
        let passes = |rule| self.policy.enforce(rule, caller, &Target::new()).is_ok();
        self.is_admin(caller) || passes(ADVANCED_SERVICE) || passes(SERVICE)
    }

    /// Whether the caller works for all projects, as load balancers do.
    pub fn is_advanced_service(&self, caller: &Caller) -> bool {
        self.policy
            .enforce(ADVANCED_SERVICE, caller, &Target::new())
            .is_ok()
    }

    /// The rules about single attributes that belong to the call with this rule: those that the table names, and those
    /// that an operator added, which, as in Neutron, are known by their names.
    pub fn below(&self, call: &str, table: &[Attribute]) -> Vec<Below> {
        let listed = table.iter().flat_map(|row| row.rules);
        let mut all: Vec<Below> = listed.filter_map(|rule| Below::of(call, rule)).collect();
        let head = format!("{call}:");
        for about in self.policy.rules_below(&head) {
            if all.iter().all(|known| known.about != about) {
                let rule = format!("{head}{about}");
                all.push(Below { rule, about });
            }
        }
        all
    }
}

/// A rule about a single attribute in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    /// The whole name.
    pub rule: String,
    /// What follows the call's rule in it: the attribute, and the part of it if the rule is about one.
    pub about: String,
}

impl Below {
    fn of(call: &str, rule: &str) -> Option<Self> {
        let about = rule.strip_prefix(call)?.strip_prefix(':')?;
        Some(Below {
            rule: rule.to_owned(),
            about: about.to_owned(),
        })
    }
}

/// What rules may ask about an object: its attributes that are text, numbers or flags, and whose its parent is.
fn facts(target: &View) -> Target<'_> {
    let mut facts = Target::new();
    for (name, value) in target {
        match value {
            Value::String(text) => facts = facts.with(name.as_str(), text.as_str()),
            Value::Bool(flag) => facts = facts.with_bool(name.as_str(), *flag),
            Value::Number(number) => facts = facts.with(name.as_str(), number.to_string()),
            _ => {}
        }
    }
    // A part is of its parent's project, and what is asked about forwardings is asked of their floating address. The
    // first of a name counts, so that what was looked up stands.
    if let Some(project) = target.get("project_id").and_then(Value::as_str) {
        for parent in ["ext_parent:project_id", "security_group:project_id"] {
            facts = facts.with(parent, project);
        }
    }
    match target.get(NETWORK_OWNER).and_then(Value::as_str) {
        Some(owner) => facts.with(NETWORK_OWNER_OF_OLD, owner),
        None => facts,
    }
}

/// Whose the network of an object is, as rules ask.
pub const NETWORK_OWNER: &str = "network:project_id";
/// The same as older rules of operators ask.
const NETWORK_OWNER_OF_OLD: &str = "network:tenant_id";
/// Whose the security group of a rule is.
pub const GROUP_OWNER: &str = "security_group:project_id";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use web::policy::IS_ADMIN;

    use super::*;
    use crate::attributes::tables;

    /// Rules that no code asks, and why they are there.
    const NOT_ASKED: &[(&str, &str)] = &[
        ("admin_only", "part of others"),
        ("admin_or_owner", "the rule `default` is made of it"),
        ("default", "answers for what has no rule"),
        ("external", "part of get_network"),
        ("baremetal_device", "part of servers_device"),
        ("compute_device", "part of servers_device"),
        ("ext_parent_owner", "part of others"),
        ("external_network", "part of get_subnet"),
        ("manila_device", "part of servers_device"),
        ("network_device", "part of create_port:device_owner"),
        ("servers_device", "part of delete_port"),
        ("sg_owner", "part of others"),
        ("shared_address_scopes", "part of get_address_scope"),
        ("shared_security_group", "part of get_security_group"),
        ("shared_subnetpools", "part of get_subnetpool"),
        ("network_owner", "part of others"),
        ("owner", "part of admin_or_owner"),
        ("project_member", "part of others"),
        ("project_reader", "part of others"),
        ("regular_user", "for operators' own rules, as in Neutron"),
        ("shared", "part of others"),
    ];

    #[test]
    fn every_rule_that_is_asked_is_in_the_table_and_the_other_way_round() {
        let calls = crate::routes::table().rows().filter_map(rest::Row::rule);
        let attributes = tables::ALL.iter().flat_map(|(_, table)| *table);
        let attributes = attributes.flat_map(|row| row.rules).copied();
        let reading = crate::resources::RESOURCES.iter().map(|one| one.reads);
        let asked: BTreeSet<&str> = [IS_ADMIN, ADVANCED_SERVICE, SERVICE]
            .into_iter()
            .chain(calls)
            .chain(attributes)
            .chain(reading)
            .collect();
        let named = NOT_ASKED.iter().map(|(name, _)| *name);
        let known: BTreeSet<&str> = asked.iter().copied().chain(named).collect();
        let listed: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        let without: Vec<_> = known.difference(&listed).collect();
        assert!(without.is_empty(), "asked and in no table: {without:?}");
        let lost: Vec<_> = listed.difference(&known).collect();
        assert!(lost.is_empty(), "never asked: {lost:?}");
    }

    #[test]
    fn a_rule_about_an_attribute_stands_in_its_row_and_belongs_to_a_call() {
        let calls: BTreeSet<&str> = crate::routes::table()
            .rows()
            .filter_map(rest::Row::rule)
            .collect();
        for (noun, table) in tables::ALL {
            for row in *table {
                for rule in row.rules {
                    let (call, about) = rule.split_once(':').expect("a rule of an attribute");
                    assert!(calls.contains(call), "{rule} belongs to no call");
                    assert!(call.ends_with(noun), "{rule} stands at {noun}");
                    let part = about.strip_prefix(row.name);
                    let part = part.unwrap_or_else(|| panic!("{rule} stands at {}", row.name));
                    assert!(part.is_empty() || part.starts_with(':'), "{rule}");
                }
            }
        }
    }

    #[test]
    fn the_default_rules_can_be_read() {
        Access::load(None).expect("all rules are in the language");
    }
}
