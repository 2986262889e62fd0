//! What queries may say, from the tables that lists are filtered by.

use rest::accepted::Fate;
use rest::parameters::{Parameter, Parameters, Unknown};

use crate::db::fields::Listing;
use crate::list::CONTROL;
use crate::policy::RULES;
use crate::resources::{
    ADDRESS_SCOPE, AGENT, FLOATINGIP, NETWORK, PORT, RBAC_POLICY, ROUTER, Resource, SECURITY_GROUP,
    SECURITY_GROUP_RULE, SUBNET, SUBNETPOOL,
};
use crate::{availability, forwardings, quotas};

/// What small lists, which no table holds, are filtered by: what they show.
pub const BINDINGS: &[&str] = &[
    "host",
    "profile",
    "status",
    "vif_details",
    "vif_type",
    "vnic_type",
];
pub const EXTENSIONS: &[&str] = &["alias", "description", "links", "name", "updated"];
pub const PROVIDERS: &[&str] = &["default", "name", "service_type"];
pub const ZONES: &[&str] = &["name", "resource", "state"];

const HIDDEN: Fate =
    Fate::Within("for whom policy shows it; it changes nothing for others, who would learn it so");
const IGNORED: Unknown = Unknown::Ignored("as in Neutron");

/// The lists of resources.
static LISTS: &[(&[&str], &Resource)] = &[
    (&["GET /v2.0/networks"], &NETWORK),
    (&["GET /v2.0/subnets"], &SUBNET),
    (&["GET /v2.0/ports"], &PORT),
    (&["GET /v2.0/security-groups"], &SECURITY_GROUP),
    (&["GET /v2.0/security-group-rules"], &SECURITY_GROUP_RULE),
    (&["GET /v2.0/routers"], &ROUTER),
    (&["GET /v2.0/floatingips"], &FLOATINGIP),
    (&["GET /v2.0/subnetpools"], &SUBNETPOOL),
    (&["GET /v2.0/address-scopes"], &ADDRESS_SCOPE),
    (&["GET /v2.0/rbac-policies"], &RBAC_POLICY),
    (&["GET /v2.0/agents"], &AGENT),
];

const SMALL: &[(&[&str], &[&str])] = &[
    (&["GET /v2.0/ports/{id}/bindings"], BINDINGS),
    (&["GET /v2.0/extensions"], EXTENSIONS),
    (&["GET /v2.0/service-providers"], PROVIDERS),
    (&["GET /v2.0/availability_zones"], ZONES),
];

/// Calls that show one thing, with the members that are wanted.
const SHOWN: &[&str] = &[
    "GET /v2.0/networks/{id}",
    "GET /v2.0/subnets/{id}",
    "GET /v2.0/ports/{id}",
    "GET /v2.0/ports/{id}/bindings/{host}",
    "GET /v2.0/security-groups/{id}",
    "GET /v2.0/security-group-rules/{id}",
    "GET /v2.0/routers/{id}",
    "GET /v2.0/floatingips/{id}",
    "GET /v2.0/floatingips/{floatingip_id}/port_forwardings/{id}",
    "GET /v2.0/subnetpools/{id}",
    "GET /v2.0/address-scopes/{id}",
    "GET /v2.0/rbac-policies/{id}",
    "GET /v2.0/agents/{id}",
    "GET /v2.0/network-ip-availabilities/{id}",
];

/// Calls whose queries say nothing.
const SILENT: &[&str] = &[
    "GET /",
    "GET /v2.0",
    "GET /v2.0/",
    "GET /v2.0/quotas/{project}/default",
    "GET /v2.0/quotas/{project}/details",
    "GET /v2.0/networks/{id}/tags",
    "GET /v2.0/subnets/{id}/tags",
    "GET /v2.0/ports/{id}/tags",
    "GET /v2.0/security-groups/{id}/tags",
    "GET /v2.0/security-group-rules/{id}/tags",
    "GET /v2.0/routers/{id}/tags",
    "GET /v2.0/floatingips/{id}/tags",
    "GET /v2.0/subnetpools/{id}/tags",
];

/// What becomes of a filter of a resource.
fn fate(resource: &Resource, name: &str) -> Fate {
    let below = |rule: &str| {
        let about = rule.strip_prefix(resource.reads);
        about.and_then(|about| about.strip_prefix(':')) == Some(name)
    };
    match name {
        "fixed_ips" => {
            Fate::Within("`ip_address=`, `ip_address_substr=`, `subnet_id=`: all of one address")
        }
        _ if RULES.iter().any(|rule| below(rule.name)) => HIDDEN,
        _ => Fate::Honoured,
    }
}

/// A list with pages, in which other names are refused.
fn list(
    calls: &'static [&'static str],
    filters: impl Iterator<Item = &'static str>,
    fate: impl Fn(&str) -> Fate,
) -> Parameters {
    let filters = filters.map(|name| Parameter::new(name, fate(name)));
    let control = CONTROL.iter().copied().map(Parameter::honoured);
    Parameters {
        calls,
        known: filters.chain(control).collect(),
        unknown: Unknown::Refused,
    }
}

/// A list of what a table holds.
fn of_table(calls: &'static [&'static str], listing: Listing) -> Parameters {
    list(calls, listing.filters(), |_| Fate::Honoured)
}

/// Of all calls.
pub fn parameters() -> Vec<Parameters> {
    let resources = LISTS.iter().map(|&(calls, resource)| {
        list(calls, resource.listing().filters(), |name| {
            fate(resource, name)
        })
    });
    let small = SMALL
        .iter()
        .map(|&(calls, filters)| list(calls, filters.iter().copied(), |_| Fate::Honoured));
    let mut of_address = of_table(
        &["GET /v2.0/floatingips/{floatingip_id}/port_forwardings"],
        forwardings::LISTING,
    );
    for known in &mut of_address.known {
        if forwardings::NO_FILTERS.contains(&known.name) {
            known.fate = Fate::Refused {
                unless: &[],
                why: "Attribute is not supported as a filter, as in Neutron",
            };
        }
    }
    let others = [
        of_address,
        of_table(
            &["GET /v2.0/network-ip-availabilities"],
            availability::LISTING,
        ),
        of_table(&["GET /v2.0/quotas"], quotas::LISTING),
        Parameters {
            calls: SHOWN,
            known: vec![Parameter::honoured("fields")],
            unknown: IGNORED,
        },
        Parameters {
            calls: &["GET /v2.0/auto-allocated-topology/{project}"],
            known: vec![Parameter::new(
                "fields",
                Fate::Within(
                    "members that are wanted; `dry-run`: only whether a topology could be made",
                ),
            )],
            unknown: IGNORED,
        },
        Parameters {
            calls: SILENT,
            known: Vec::new(),
            unknown: IGNORED,
        },
    ];
    resources.chain(small).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extensions;
    use crate::resources::RESOURCES;

    #[test]
    fn every_resource_is_listed_by_its_own_table() {
        for resource in RESOURCES {
            let mut lists = LISTS.iter();
            let listed = lists.any(|(calls, of)| {
                of.name == resource.name && *calls == [format!("GET /v2.0/{}", resource.path)]
            });
            assert!(listed, "{}", resource.name);
        }
    }

    #[test]
    fn extensions_are_filtered_by_what_they_show() {
        for one in extensions::list() {
            let shown: Vec<&String> = one.keys().collect();
            assert_eq!(shown.len(), EXTENSIONS.len());
            assert!(EXTENSIONS.iter().all(|name| one.contains_key(*name)));
        }
    }

    #[test]
    fn what_policy_hides_is_said_to_be_hidden() {
        assert_eq!(fate(&PORT, "binding:host_id"), HIDDEN);
        assert_eq!(fate(&PORT, "name"), Fate::Honoured);
        assert_eq!(fate(&NETWORK, "provider:network_type"), HIDDEN);
    }
}
