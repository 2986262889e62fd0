//! The table of resources.

use crate::attributes::{Attribute, tables as attribute_tables};
use crate::fault::{Kind, kinds};
use crate::fields::{self, Field};

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
    /// What lists of it are filtered and sorted by.
    pub fields: &'static [Field],
}

const fn plain(
    what: What,
    [name, plural, path]: [&'static str; 3],
    table: &'static [Attribute],
    kind: &'static Kind,
    reads: &'static str,
    fields: &'static [Field],
) -> Resource {
    Resource {
        what,
        name,
        plural,
        path,
        table,
        kind,
        reads,
        fields,
    }
}

pub static NETWORK: Resource = plain(
    What::Network,
    ["network", "networks", "networks"],
    attribute_tables::NETWORK,
    &kinds::NETWORK,
    "get_network",
    fields::NETWORK,
);

pub static SUBNET: Resource = plain(
    What::Subnet,
    ["subnet", "subnets", "subnets"],
    attribute_tables::SUBNET,
    &kinds::SUBNET,
    "get_subnet",
    fields::SUBNET,
);

pub static PORT: Resource = plain(
    What::Port,
    ["port", "ports", "ports"],
    attribute_tables::PORT,
    &kinds::PORT,
    "get_port",
    fields::PORT,
);

pub static SECURITY_GROUP: Resource = plain(
    What::SecurityGroup,
    ["security_group", "security_groups", "security-groups"],
    attribute_tables::SECURITY_GROUP,
    &kinds::SECURITY_GROUP,
    "get_security_group",
    fields::SECURITY_GROUP,
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
    fields::SECURITY_GROUP_RULE,
);

pub static ROUTER: Resource = plain(
    What::Router,
    ["router", "routers", "routers"],
    attribute_tables::ROUTER,
    &kinds::ROUTER,
    "get_router",
    fields::ROUTER,
);

pub static FLOATINGIP: Resource = plain(
    What::FloatingIp,
    ["floatingip", "floatingips", "floatingips"],
    attribute_tables::FLOATINGIP,
    &kinds::FLOATINGIP,
    "get_floatingip",
    fields::FLOATINGIP,
);

pub static SUBNETPOOL: Resource = plain(
    What::SubnetPool,
    ["subnetpool", "subnetpools", "subnetpools"],
    attribute_tables::SUBNETPOOL,
    &kinds::SUBNETPOOL,
    "get_subnetpool",
    fields::SUBNETPOOL,
);

pub static ADDRESS_SCOPE: Resource = plain(
    What::AddressScope,
    ["address_scope", "address_scopes", "address-scopes"],
    attribute_tables::ADDRESS_SCOPE,
    &kinds::ADDRESS_SCOPE,
    "get_address_scope",
    fields::ADDRESS_SCOPE,
);

pub static RBAC_POLICY: Resource = plain(
    What::Rbac,
    ["rbac_policy", "rbac_policies", "rbac-policies"],
    attribute_tables::RBAC_POLICY,
    &kinds::RBAC,
    "get_rbac_policy",
    fields::RBAC_POLICY,
);

pub static AGENT: Resource = plain(
    What::Agent,
    ["agent", "agents", "agents"],
    attribute_tables::AGENT,
    &kinds::AGENT,
    "get_agent",
    fields::AGENT,
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
