//! The table of resources.

use crate::attributes::{Attribute, tables as attribute_tables};
use crate::fault::{Kind, kinds};

/// Which resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Network,
    Subnet,
    Port,
    SecurityGroup,
    Rule,
    Router,
    FloatingIp,
    SubnetPool,
    AddressScope,
    Rbac,
    Agent,
}

/// A resource as requests see it.
pub struct Resource {
    pub what: What,
    /// Name of one, in bodies and in quotas.
    pub name: &'static str,
    /// Name of several, in bodies.
    pub plural: &'static str,
    /// The path below `/v2.0/`.
    pub path: &'static str,
    pub table: &'static [Attribute],
    pub kind: &'static Kind,
    /// The rule that says who sees one.
    pub reads: &'static str,
    /// Filters that the database answers: the query's key and our column. On a member with a rule of
    /// its own only for those who may see it: from what a filter finds others would learn it.
    pub pushed: &'static [(&'static str, &'static str)],
}

const COMMON: &[(&str, &str)] = &[
    ("id", "id"),
    ("project_id", "project_id"),
    ("tenant_id", "project_id"),
    ("name", "name"),
];
const NO_NAME: &[(&str, &str)] = &[
    ("id", "id"),
    ("project_id", "project_id"),
    ("tenant_id", "project_id"),
];
const OF_SUBNET: &[(&str, &str)] = &[
    ("id", "id"),
    ("project_id", "project_id"),
    ("tenant_id", "project_id"),
    ("name", "name"),
    ("network_id", "network_id"),
    ("subnetpool_id", "subnetpool_id"),
];
const OF_PORT: &[(&str, &str)] = &[
    ("id", "id"),
    ("project_id", "project_id"),
    ("tenant_id", "project_id"),
    ("name", "name"),
    ("network_id", "network_id"),
    ("device_id", "device_id"),
    ("device_owner", "device_owner"),
    ("mac_address", "mac_address"),
    ("status", "status"),
    ("binding:host_id", "host"),
    ("binding:vnic_type", "vnic_type"),
];
const OF_FLOATINGIP: &[(&str, &str)] = &[
    ("id", "id"),
    ("project_id", "project_id"),
    ("tenant_id", "project_id"),
    ("port_id", "port_id"),
    ("router_id", "router_id"),
    ("floating_network_id", "floating_network_id"),
    ("floating_ip_address", "floating_ip_address"),
    ("fixed_ip_address", "fixed_ip_address"),
];
const OF_RULE: &[(&str, &str)] = &[
    ("id", "id"),
    ("project_id", "project_id"),
    ("tenant_id", "project_id"),
    ("security_group_id", "security_group_id"),
];

const fn plain(
    what: What,
    [name, plural, path]: [&'static str; 3],
    table: &'static [Attribute],
    kind: &'static Kind,
    reads: &'static str,
    pushed: &'static [(&'static str, &'static str)],
) -> Resource {
    Resource {
        what,
        name,
        plural,
        path,
        table,
        kind,
        reads,
        pushed,
    }
}

pub static NETWORK: Resource = plain(
    What::Network,
    ["network", "networks", "networks"],
    attribute_tables::NETWORK,
    &kinds::NETWORK,
    "get_network",
    COMMON,
);

pub static SUBNET: Resource = plain(
    What::Subnet,
    ["subnet", "subnets", "subnets"],
    attribute_tables::SUBNET,
    &kinds::SUBNET,
    "get_subnet",
    OF_SUBNET,
);

pub static PORT: Resource = plain(
    What::Port,
    ["port", "ports", "ports"],
    attribute_tables::PORT,
    &kinds::PORT,
    "get_port",
    OF_PORT,
);

pub static SECURITY_GROUP: Resource = plain(
    What::SecurityGroup,
    ["security_group", "security_groups", "security-groups"],
    attribute_tables::SECURITY_GROUP,
    &kinds::SECURITY_GROUP,
    "get_security_group",
    COMMON,
);

pub static SECURITY_GROUP_RULE: Resource = plain(
    What::Rule,
    [
        "security_group_rule",
        "security_group_rules",
        "security-group-rules",
    ],
    attribute_tables::SECURITY_GROUP_RULE,
    &kinds::RULE,
    "get_security_group_rule",
    OF_RULE,
);

pub static ROUTER: Resource = plain(
    What::Router,
    ["router", "routers", "routers"],
    attribute_tables::ROUTER,
    &kinds::ROUTER,
    "get_router",
    COMMON,
);

pub static FLOATINGIP: Resource = plain(
    What::FloatingIp,
    ["floatingip", "floatingips", "floatingips"],
    attribute_tables::FLOATINGIP,
    &kinds::FLOATINGIP,
    "get_floatingip",
    OF_FLOATINGIP,
);

pub static SUBNETPOOL: Resource = plain(
    What::SubnetPool,
    ["subnetpool", "subnetpools", "subnetpools"],
    attribute_tables::SUBNETPOOL,
    &kinds::SUBNETPOOL,
    "get_subnetpool",
    COMMON,
);

pub static ADDRESS_SCOPE: Resource = plain(
    What::AddressScope,
    ["address_scope", "address_scopes", "address-scopes"],
    attribute_tables::ADDRESS_SCOPE,
    &kinds::ADDRESS_SCOPE,
    "get_address_scope",
    COMMON,
);

pub static RBAC_POLICY: Resource = plain(
    What::Rbac,
    ["rbac_policy", "rbac_policies", "rbac-policies"],
    attribute_tables::RBAC_POLICY,
    &kinds::RBAC,
    "get_rbac_policy",
    NO_NAME,
);

pub static AGENT: Resource = plain(
    What::Agent,
    ["agent", "agents", "agents"],
    attribute_tables::AGENT,
    &kinds::AGENT,
    "get_agent",
    &[("id", "id"), ("host", "host")],
);

/// All resources.
pub static RESOURCES: &[&Resource] = &[
    &NETWORK,
    &SUBNET,
    &PORT,
    &SECURITY_GROUP,
    &SECURITY_GROUP_RULE,
    &ROUTER,
    &FLOATINGIP,
    &SUBNETPOOL,
    &ADDRESS_SCOPE,
    &RBAC_POLICY,
    &AGENT,
];
