//! Who may do what: Neutron's default rules.
//!
//! Objects that a caller does not see are 404 before policy is asked; policy decides about those it sees, and about
//! single attributes (`create_port:binding:host_id`).

use std::path::Path;

use serde_json::Value;
use web::Caller;
use web::policy::{IS_ADMIN, Policy, PolicyError, Rule, Target};

use crate::attributes::Attribute;
use crate::core::View;
use crate::fault::{Fault, Result};

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
            facts = facts.with("shared", "True").with("network:tenant_id", own);
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

/// What rules may ask about an object: its attributes that are text, numbers or flags.
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
    // The language has no prefixes, so the fact is spelled out.
    let device = target.get("device_owner").and_then(Value::as_str);
    facts.with_bool(
        "network_device",
        device.is_some_and(|owner| owner.starts_with("network:")),
    )
}

const fn r(name: &'static str, check: &'static str) -> Rule {
    Rule {
        name,
        check,
        scope_types: &[],
        description: "",
        operations: &[],
    }
}

/// Rules that are asked beside those of calls and attributes.
const ADVANCED_SERVICE: &str = "context_is_advsvc";
const SERVICE: &str = "service_api";

const ANY: &str = "";
const ADMIN: &str = "rule:admin_only";
const ADMIN_OR_SERVICE: &str = "rule:admin_only or rule:service_api";
const MEMBER: &str = "rule:admin_only or rule:project_member";
const READER: &str = "rule:admin_only or rule:project_reader";
const NET_OWNER: &str =
    "rule:admin_only or rule:service_api or rule:context_is_advsvc or rule:network_owner";
const NET_OWNER_OR_SHARED: &str = "rule:admin_only or rule:service_api or rule:context_is_advsvc or rule:network_owner or rule:shared";

/// All rules with their checks.
pub static RULES: &[Rule] = &[
    r(IS_ADMIN, "role:admin"),
    r(SERVICE, "role:service"),
    r(ADVANCED_SERVICE, "role:advsvc"),
    r("admin_only", "rule:context_is_admin"),
    r("owner", "tenant_id:%(tenant_id)s"),
    r("admin_or_owner", "rule:context_is_admin or rule:owner"),
    r("network_owner", "tenant_id:%(network:tenant_id)s"),
    r(
        "project_member",
        "role:member and project_id:%(project_id)s",
    ),
    r(
        "project_reader",
        "role:reader and project_id:%(project_id)s",
    ),
    r("regular_user", ANY),
    r("shared", "'True':%(shared)s"),
    r("external", "'True':%(router:external)s"),
    r("network_device", "'True':%(network_device)s"),
    r("default", "rule:admin_or_owner"),
    // Networks
    r("create_network", MEMBER),
    r("create_network:shared", ADMIN),
    r("create_network:router:external", ADMIN),
    r("create_network:is_default", ADMIN),
    r("create_network:provider:network_type", ADMIN),
    r("create_network:provider:physical_network", ADMIN),
    r("create_network:provider:segmentation_id", ADMIN),
    r(
        "get_network",
        "rule:admin_only or rule:service_api or rule:project_reader or rule:shared or rule:external or \
         rule:context_is_advsvc",
    ),
    r("get_network:provider:network_type", ADMIN),
    r("get_network:provider:physical_network", ADMIN),
    r("get_network:provider:segmentation_id", ADMIN),
    r("update_network", MEMBER),
    r("update_network:shared", ADMIN),
    r("update_network:router:external", ADMIN),
    r("update_network:is_default", ADMIN),
    r("update_network:provider:network_type", ADMIN),
    r("update_network:provider:physical_network", ADMIN),
    r("update_network:provider:segmentation_id", ADMIN),
    r("delete_network", MEMBER),
    // Subnets: the owner of the network decides, also where others may use it.
    r(
        "create_subnet",
        "rule:admin_only or (role:member and rule:network_owner)",
    ),
    r("create_subnet:service_types", ADMIN),
    r(
        "get_subnet",
        "rule:admin_only or rule:service_api or rule:project_reader or rule:shared or rule:network_owner",
    ),
    r("get_subnet:segment_id", ADMIN),
    r(
        "update_subnet",
        "rule:admin_only or rule:project_member or (role:member and rule:network_owner)",
    ),
    r("update_subnet:service_types", ADMIN),
    r(
        "delete_subnet",
        "rule:admin_only or rule:project_member or (role:member and rule:network_owner)",
    ),
    // Ports. Devices `network:…` are the service's own: unlike in Neutron the owner of a network makes none by hand.
    r(
        "create_port",
        "rule:admin_only or rule:service_api or rule:context_is_advsvc or rule:project_member",
    ),
    r(
        "create_port:device_owner",
        "not rule:network_device or rule:admin_only or rule:context_is_advsvc",
    ),
    r("create_port:mac_address", NET_OWNER),
    r("create_port:fixed_ips", NET_OWNER_OR_SHARED),
    r("create_port:fixed_ips:ip_address", NET_OWNER),
    r("create_port:fixed_ips:subnet_id", NET_OWNER_OR_SHARED),
    r("create_port:port_security_enabled", NET_OWNER),
    r("create_port:binding:host_id", ADMIN_OR_SERVICE),
    r("create_port:binding:profile", ADMIN_OR_SERVICE),
    r(
        "create_port:allowed_address_pairs",
        "rule:admin_only or rule:network_owner",
    ),
    r(
        "get_port",
        "rule:admin_only or rule:service_api or rule:context_is_advsvc or rule:project_reader or \
         rule:network_owner",
    ),
    r("get_port:binding:vif_type", ADMIN_OR_SERVICE),
    r("get_port:binding:vif_details", ADMIN_OR_SERVICE),
    r("get_port:binding:host_id", ADMIN_OR_SERVICE),
    r("get_port:binding:profile", ADMIN_OR_SERVICE),
    r(
        "update_port",
        "rule:admin_only or rule:service_api or rule:project_member or rule:context_is_advsvc",
    ),
    r(
        "update_port:device_owner",
        "not rule:network_device or rule:admin_only or rule:context_is_advsvc",
    ),
    r(
        "update_port:mac_address",
        "rule:admin_only or rule:service_api or rule:context_is_advsvc",
    ),
    r("update_port:fixed_ips", NET_OWNER),
    r("update_port:fixed_ips:ip_address", NET_OWNER),
    r("update_port:fixed_ips:subnet_id", NET_OWNER_OR_SHARED),
    r("update_port:port_security_enabled", NET_OWNER),
    r("update_port:binding:host_id", ADMIN_OR_SERVICE),
    r("update_port:binding:profile", ADMIN_OR_SERVICE),
    r(
        "update_port:allowed_address_pairs",
        "rule:admin_only or rule:network_owner",
    ),
    r(
        "delete_port",
        "rule:admin_only or rule:service_api or rule:context_is_advsvc or rule:project_member or \
         (role:member and rule:network_owner)",
    ),
    r("create_port_binding", ADMIN_OR_SERVICE),
    r("get_port_binding", ADMIN_OR_SERVICE),
    r("update_port_binding", ADMIN_OR_SERVICE),
    r("activate", ADMIN_OR_SERVICE),
    r("delete_port_binding", ADMIN_OR_SERVICE),
    // Security groups
    r("create_security_group", MEMBER),
    r(
        "get_security_group",
        "rule:admin_only or rule:project_reader or rule:shared",
    ),
    r("update_security_group", MEMBER),
    r("delete_security_group", MEMBER),
    r("create_security_group_rule", MEMBER),
    r(
        "get_security_group_rule",
        "rule:admin_only or rule:project_reader or rule:shared",
    ),
    // Its tags: Neutron has no rule for them.
    r("update_security_group_rule", "rule:default"),
    r("delete_security_group_rule", MEMBER),
    // Routers
    r("create_router", MEMBER),
    r("create_router:distributed", ADMIN),
    r("create_router:ha", ADMIN),
    r("create_router:external_gateway_info", MEMBER),
    r("create_router:external_gateway_info:enable_snat", ADMIN),
    r(
        "create_router:external_gateway_info:external_fixed_ips",
        ADMIN,
    ),
    r("get_router", READER),
    r("get_router:distributed", ADMIN),
    r("get_router:ha", ADMIN),
    r("update_router", MEMBER),
    r("update_router:distributed", ADMIN),
    r("update_router:ha", ADMIN),
    r("update_router:external_gateway_info:enable_snat", ADMIN),
    r(
        "update_router:external_gateway_info:external_fixed_ips",
        ADMIN,
    ),
    r("delete_router", MEMBER),
    r("add_router_interface", MEMBER),
    r("remove_router_interface", MEMBER),
    r("add_extraroutes", MEMBER),
    r("remove_extraroutes", MEMBER),
    // Floating addresses
    r("create_floatingip", MEMBER),
    r("create_floatingip:floating_ip_address", ADMIN),
    r(
        "get_floatingip",
        "rule:admin_only or rule:service_api or rule:project_reader",
    ),
    r("update_floatingip", MEMBER),
    r("delete_floatingip", MEMBER),
    // Forwardings: the owner of the floating address decides.
    r("create_floatingip_port_forwarding", MEMBER),
    r("get_floatingip_port_forwarding", READER),
    r("update_floatingip_port_forwarding", MEMBER),
    r("delete_floatingip_port_forwarding", MEMBER),
    // Pools and scopes
    r("create_subnetpool", MEMBER),
    r("create_subnetpool:shared", ADMIN),
    r("create_subnetpool:is_default", ADMIN),
    r(
        "get_subnetpool",
        "rule:admin_only or rule:project_reader or rule:shared",
    ),
    r("update_subnetpool", MEMBER),
    r("update_subnetpool:is_default", ADMIN),
    r("delete_subnetpool", MEMBER),
    r("create_address_scope", MEMBER),
    r("create_address_scope:shared", ADMIN),
    r(
        "get_address_scope",
        "rule:admin_only or rule:project_reader or rule:shared",
    ),
    r("update_address_scope", MEMBER),
    r("update_address_scope:shared", ADMIN),
    r("delete_address_scope", MEMBER),
    // Sharing: only an operator opens an object to everybody (see `create_rbac_policy:target_tenant:all`).
    r("create_rbac_policy", MEMBER),
    r("create_rbac_policy:target_tenant:all", ADMIN),
    r(
        "get_rbac_policy",
        "rule:admin_only or rule:project_reader or rule:shared",
    ),
    r("update_rbac_policy", MEMBER),
    r("update_rbac_policy:target_tenant:all", ADMIN),
    r("delete_rbac_policy", MEMBER),
    // The rest
    r("get_agent", ADMIN),
    r("update_agent", ADMIN),
    r("delete_agent", ADMIN),
    r("get_network_ip_availability", ADMIN),
    r("get_quota", ADMIN),
    r("update_quota", ADMIN),
    r("delete_quota", ADMIN),
    r("get_auto_allocated_topology", READER),
    r("delete_auto_allocated_topology", MEMBER),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::attributes::tables;

    /// Rules that no code asks, and why they are there.
    const NOT_ASKED: &[(&str, &str)] = &[
        ("admin_only", "part of others"),
        ("admin_or_owner", "the rule `default` is made of it"),
        ("default", "answers for what has no rule"),
        ("external", "part of get_network"),
        ("network_device", "part of create_port:device_owner"),
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
