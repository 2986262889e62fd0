//! What a list is filtered and sorted by: for every noun its fields, and where in the tables the answer stands.
//!
//! What the tables do not hold (computed members, such as `dns_assignment`) is no field: as in Neutron a filter on it is
//! refused.

use sql::sea_orm::Condition;

use crate::db::sharing;
use crate::list::TAGS;

use Source::{
    Addresses, Alive, Always, Flag, Holds, Int, IntOrNull, Link, LinkInt, Null, Objects, Range,
    Text, TextOrNull, Texts, Time,
};

/// Where the answer to a filter stands. Names are those of columns of the noun's table.
#[derive(Clone, Copy)]
pub enum Source {
    Text(&'static str),
    TextOrNull(&'static str),
    Flag(&'static str),
    Int(&'static str),
    IntOrNull(&'static str),
    /// Shown in whole seconds.
    Time(&'static str),
    /// A JSON list of texts.
    Texts(&'static str),
    /// A JSON object or a list of objects, looked for by `member=value`.
    Objects(&'static str),
    /// A column of the rows of another table that name the object.
    Link {
        table: &'static str,
        /// Where they name it.
        object: &'static str,
        column: &'static str,
    },
    /// The same for a column of numbers.
    LinkInt {
        table: &'static str,
        object: &'static str,
        column: &'static str,
    },
    /// A port's addresses, looked for by `ip_address=`, `subnet_id=` and `ip_address_substr=`: all wishes of a filter
    /// are about one address.
    Addresses,
    /// Whether this holds, as a project sees it.
    Holds(fn(&str) -> Condition),
    /// Whether the time of the last heartbeat is recent.
    Alive(&'static str),
    /// A prefix without its host bits: a part of the text that spells what a rule matches.
    Range {
        prefix: &'static str,
        spelled: &'static str,
    },
    /// The same for every object.
    Always(bool),
    Null,
}

/// A name that lists are filtered by.
pub struct Field {
    pub name: &'static str,
    pub source: Source,
}

/// What a list is looked for, sorted and paged by.
#[derive(Clone, Copy)]
pub struct Listing {
    pub fields: &'static [Field],
    /// Whether its objects have tags.
    pub tagged: bool,
    /// The column that tells one object from the others.
    pub key: &'static str,
}

impl Listing {
    /// Of objects that are known by the column `id` and have no tags.
    pub const fn of(fields: &'static [Field]) -> Self {
        Listing {
            fields,
            tagged: false,
            key: "id",
        }
    }

    /// The names of its filters.
    pub fn filters(self) -> impl Iterator<Item = &'static str> {
        let tags = if self.tagged { TAGS } else { &[] };
        let names = self.fields.iter().map(|field| field.name);
        let is_timed = self.fields.iter().any(|field| field.name == UPDATED.name);
        names
            .chain(tags.iter().copied())
            .chain(is_timed.then_some("changed_since"))
    }
}

const fn f(name: &'static str, source: Source) -> Field {
    Field { name, source }
}

/// A column of the same name.
const fn text(name: &'static str) -> Field {
    f(name, Text(name))
}

const fn text_or_null(name: &'static str) -> Field {
    f(name, TextOrNull(name))
}

const fn flag(name: &'static str) -> Field {
    f(name, Flag(name))
}

const fn int(name: &'static str) -> Field {
    f(name, Int(name))
}

const fn texts(name: &'static str) -> Field {
    f(name, Texts(name))
}

const fn objects(name: &'static str) -> Field {
    f(name, Objects(name))
}

const TENANT: Field = f("tenant_id", Text("project_id"));
const CREATED: Field = f("created_at", Time("created_at"));
const UPDATED: Field = f("updated_at", Time("updated_at"));
const REVISION: Field = f("revision_number", Int("revision"));

/// A column of a port's addresses.
const fn address(name: &'static str) -> Field {
    f(
        name,
        Link {
            table: "net_allocations",
            object: "port_id",
            column: name,
        },
    )
}

pub static NETWORK: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("name"),
    text("description"),
    flag("admin_state_up"),
    text("status"),
    f("shared", Holds(sharing::network_is_shared)),
    f("router:external", Holds(sharing::network_is_external)),
    flag("is_default"),
    int("mtu"),
    flag("port_security_enabled"),
    f("provider:network_type", Text("network_type")),
    f("provider:physical_network", TextOrNull("physical_network")),
    f("provider:segmentation_id", IntOrNull("segmentation_id")),
    text("dns_domain"),
    texts("availability_zone_hints"),
    CREATED,
    UPDATED,
    REVISION,
];

pub static SUBNET: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("network_id"),
    text("name"),
    text("description"),
    int("ip_version"),
    text("cidr"),
    text_or_null("subnetpool_id"),
    text_or_null("gateway_ip"),
    objects("allocation_pools"),
    texts("dns_nameservers"),
    objects("host_routes"),
    flag("enable_dhcp"),
    text_or_null("ipv6_ra_mode"),
    text_or_null("ipv6_address_mode"),
    texts("service_types"),
    flag("dns_publish_fixed_ip"),
    f("segment_id", Null),
    f("shared", Holds(sharing::subnet_is_shared)),
    CREATED,
    UPDATED,
    REVISION,
];

pub static PORT: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("network_id"),
    text("name"),
    text("description"),
    flag("admin_state_up"),
    text("status"),
    text("mac_address"),
    f("fixed_ips", Addresses),
    address("ip_address"),
    address("subnet_id"),
    text("device_id"),
    text("device_owner"),
    f(
        "security_groups",
        Link {
            table: "net_port_security_groups",
            object: "port_id",
            column: "group_id",
        },
    ),
    objects("allowed_address_pairs"),
    objects("extra_dhcp_opts"),
    flag("port_security_enabled"),
    f("binding:host_id", Text("host")),
    f("binding:vnic_type", Text("vnic_type")),
    f("binding:profile", Objects("profile")),
    f("binding:vif_type", Text("vif_type")),
    f("binding:vif_details", Objects("vif_details")),
    text("dns_name"),
    text("dns_domain"),
    CREATED,
    UPDATED,
    REVISION,
];

pub static SECURITY_GROUP: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("name"),
    text("description"),
    flag("stateful"),
    f("shared", Holds(sharing::group_is_shared)),
    CREATED,
    UPDATED,
    REVISION,
];

pub static SECURITY_GROUP_RULE: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("security_group_id"),
    text("direction"),
    text("ethertype"),
    text_or_null("protocol"),
    f("port_range_min", IntOrNull("port_range_min")),
    f("port_range_max", IntOrNull("port_range_max")),
    text_or_null("remote_ip_prefix"),
    f(
        "normalized_cidr",
        Range {
            prefix: "remote_ip_prefix",
            spelled: "fingerprint",
        },
    ),
    text_or_null("remote_group_id"),
    f("remote_address_group_id", Null),
    text("description"),
    CREATED,
    UPDATED,
    REVISION,
];

pub static ROUTER: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("name"),
    text("description"),
    flag("admin_state_up"),
    text("status"),
    objects("routes"),
    f("distributed", Always(false)),
    f("ha", Always(false)),
    f("flavor_id", Null),
    texts("availability_zone_hints"),
    CREATED,
    UPDATED,
    REVISION,
];

pub static FLOATINGIP: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("description"),
    text("floating_network_id"),
    text("floating_ip_address"),
    text_or_null("port_id"),
    text_or_null("fixed_ip_address"),
    text_or_null("router_id"),
    text("status"),
    text("dns_name"),
    text("dns_domain"),
    CREATED,
    UPDATED,
    REVISION,
];

pub static SUBNETPOOL: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("name"),
    text("description"),
    texts("prefixes"),
    int("ip_version"),
    int("default_prefixlen"),
    int("min_prefixlen"),
    int("max_prefixlen"),
    f("default_quota", IntOrNull("default_quota")),
    text_or_null("address_scope_id"),
    flag("shared"),
    flag("is_default"),
    CREATED,
    UPDATED,
    REVISION,
];

pub static ADDRESS_SCOPE: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("name"),
    int("ip_version"),
    flag("shared"),
];

pub static RBAC_POLICY: &[Field] = &[
    text("id"),
    text("project_id"),
    TENANT,
    text("object_type"),
    text("object_id"),
    text("action"),
    f("target_tenant", Text("target_project")),
];

pub static AGENT: &[Field] = &[
    text("id"),
    text("host"),
    text("agent_type"),
    f("binary", Text("binary_name")),
    text("topic"),
    text("availability_zone"),
    flag("admin_state_up"),
    text("description"),
    f("alive", Alive("heartbeat_at")),
];

pub static PORT_FORWARDING: &[Field] = &[
    text("id"),
    text("description"),
    int("external_port"),
    int("internal_port"),
    text("internal_ip_address"),
    text("internal_port_id"),
    text("protocol"),
];

/// Of networks, whose addresses are counted.
pub static IP_AVAILABILITY: &[Field] = &[
    f("network_id", Text("id")),
    f("network_name", Text("name")),
    text("project_id"),
    TENANT,
    f(
        "ip_version",
        LinkInt {
            table: "net_subnets",
            object: "network_id",
            column: "ip_version",
        },
    ),
];

/// Of projects that have limits of their own.
pub static QUOTA: &[Field] = &[text("project_id"), TENANT];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::resources::RESOURCES;

    /// Fields that are no attributes.
    const BESIDES: [&str; 3] = ["tenant_id", "ip_address", "subnet_id"];

    /// Attributes that nothing is looked for by: computed ones, and what only requests hold.
    const NO_FIELD: &[(&str, &str)] = &[
        ("agent", "configurations"),
        ("agent", "created_at"),
        ("agent", "heartbeat_timestamp"),
        ("agent", "resource_versions"),
        ("agent", "resources_synced"),
        ("agent", "started_at"),
        ("floatingip", "port_details"),
        ("floatingip", "port_forwardings"),
        ("floatingip", "subnet_id"),
        ("network", "availability_zones"),
        ("network", "ipv4_address_scope"),
        ("network", "ipv6_address_scope"),
        ("network", "subnets"),
        ("port", "dns_assignment"),
        ("router", "availability_zones"),
        ("router", "external_gateway_info"),
        ("security_group", "security_group_rules"),
        ("security_group_rule", "belongs_to_default_sg"),
        ("subnet", "prefixlen"),
        ("subnet", "use_default_subnetpool"),
    ];

    #[test]
    fn every_attribute_is_a_field_or_known_to_be_none() {
        let mut lost = BTreeSet::new();
        for noun in RESOURCES {
            for field in noun.fields {
                let known = noun.table.iter().any(|row| row.name == field.name);
                assert!(known || BESIDES.contains(&field.name), "{}", field.name);
            }
            // Every noun with tags is looked for by them in ways of their own.
            let attributes = noun.table.iter().filter(|row| row.name != "tags");
            for row in attributes {
                if noun.fields.iter().all(|field| field.name != row.name) {
                    lost.insert((noun.name, row.name));
                }
            }
        }
        assert_eq!(lost, NO_FIELD.iter().copied().collect());
    }
}
