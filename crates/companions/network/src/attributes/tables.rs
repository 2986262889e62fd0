//! The attributes of every resource. A row: name, what a POST without it means, whether a PUT may change it, what values
//! it takes, and the rules about it.

use super::kinds as k;
use super::{Attribute, Post};
use rest::accepted::Fate;
use serde_json::Value;

use Post::{Absent, Default, Never, Required};

const PUT: bool = true;
const FIX: bool = false;

const fn a(
    name: &'static str,
    post: Post,
    put: bool,
    parse: fn(&Value) -> Result<Value, String>,
) -> Attribute {
    Attribute {
        name,
        post,
        put,
        parse,
        rules: &[],
        fate: Fate::Honoured,
    }
}

const PROFILE: &str =
    "it tells a data plane about devices of its host; this one has none and keeps it for who asks";
const NO_NAMES: &str =
    "no DNS service is told of addresses; DHCP answers for names within a network";
const VNIC: &str = "normal; ports of other kinds are bound by no host (binding_failed), and their servers end in ERROR";

pub static NETWORK: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("name", Default("\"\""), PUT, k::text),
    a("description", Default("\"\""), PUT, k::text),
    a("admin_state_up", Default("true"), PUT, k::flag),
    a("status", Never, FIX, k::text),
    a("subnets", Never, FIX, k::uuids),
    a("shared", Absent, PUT, k::flag).ruled(&["create_network:shared", "update_network:shared"]),
    a("router:external", Absent, PUT, k::flag).ruled(&[
        "create_network:router:external",
        "update_network:router:external",
    ]),
    a("is_default", Absent, PUT, k::flag)
        .ruled(&["create_network:is_default", "update_network:is_default"]),
    a("mtu", Absent, PUT, k::size)
        .within("at most `[network] mtu`; a device has at least 68, with less the network has no subnets"),
    a("port_security_enabled", Default("true"), PUT, k::flag),
    a("provider:network_type", Absent, PUT, k::text)
        .ruled(&[
            "create_network:provider:network_type",
            "get_network:provider:network_type",
            "update_network:provider:network_type",
        ])
        .within("local and vxlan; others only where no network is made (`[network] plane`)"),
    a("provider:physical_network", Absent, PUT, k::text_or_null)
        .ruled(&[
            "create_network:provider:physical_network",
            "get_network:provider:physical_network",
            "update_network:provider:physical_network",
        ])
        .within(
            "any where no network is made (`[network] plane`); a host that makes networks is connected to none by name \
             and refuses it: \"physical_network '…' unknown for flat provider network\"",
        ),
    a("provider:segmentation_id", Absent, PUT, k::number_or_null)
        .ruled(&[
            "create_network:provider:segmentation_id",
            "get_network:provider:segmentation_id",
            "update_network:provider:segmentation_id",
        ])
        .hint("a network lies within its host, and no wire carries the number"),
    a("dns_domain", Default("\"\""), PUT, k::dns_domain),
    a("availability_zone_hints", Default("[]"), FIX, k::texts),
    a("availability_zones", Never, FIX, k::texts),
    a("ipv4_address_scope", Never, FIX, k::uuid_or_null),
    a("ipv6_address_scope", Never, FIX, k::uuid_or_null),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
    a("tags", Never, FIX, k::texts),
];

pub static SUBNET: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("network_id", Required, FIX, k::uuid),
    a("name", Default("\"\""), PUT, k::text),
    a("description", Default("\"\""), PUT, k::text),
    a("ip_version", Absent, FIX, k::ip_version),
    a("cidr", Absent, FIX, k::cidr_or_null),
    a("prefixlen", Absent, FIX, k::size),
    a("subnetpool_id", Absent, FIX, k::uuid_or_null),
    a("use_default_subnetpool", Absent, FIX, k::flag),
    a("gateway_ip", Absent, PUT, k::ip_or_null),
    a("allocation_pools", Absent, PUT, k::pools),
    a("dns_nameservers", Default("[]"), PUT, k::ips),
    a("host_routes", Default("[]"), PUT, k::routes),
    a("enable_dhcp", Default("true"), PUT, k::flag),
    a("ipv6_ra_mode", Absent, FIX, k::ipv6_mode),
    a("ipv6_address_mode", Absent, FIX, k::ipv6_mode),
    // Neutron has rules about them that it never asks: they are the owner's.
    a("service_types", Default("[]"), PUT, k::texts),
    a("dns_publish_fixed_ip", Default("false"), PUT, k::flag).refused(&["false"], NO_NAMES),
    a("segment_id", Never, FIX, k::uuid_or_null).ruled(&["get_subnet:segment_id"]),
    // Only a filter: whether its network is shared with the caller.
    a("shared", Never, FIX, k::flag),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
    a("tags", Never, FIX, k::texts),
];

pub static PORT: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("network_id", Required, FIX, k::uuid),
    a("name", Default("\"\""), PUT, k::text),
    a("description", Default("\"\""), PUT, k::text),
    a("admin_state_up", Default("true"), PUT, k::flag),
    a("status", Never, FIX, k::text),
    a("mac_address", Absent, PUT, k::mac)
        .ruled(&["create_port:mac_address", "update_port:mac_address"]),
    a("fixed_ips", Absent, PUT, k::fixed_ips).ruled(&[
        "create_port:fixed_ips",
        "create_port:fixed_ips:ip_address",
        "create_port:fixed_ips:subnet_id",
        "update_port:fixed_ips",
        "update_port:fixed_ips:ip_address",
        "update_port:fixed_ips:subnet_id",
    ]),
    a("device_id", Default("\"\""), PUT, k::text_null_empty),
    a("device_owner", Default("\"\""), PUT, k::text_null_empty)
        .ruled(&["create_port:device_owner", "update_port:device_owner"]),
    a("security_groups", Absent, PUT, k::uuids),
    a(
        "allowed_address_pairs",
        Default("[]"),
        PUT,
        k::address_pairs,
    )
    .ruled(&[
        "create_port:allowed_address_pairs",
        "update_port:allowed_address_pairs",
    ]),
    a("extra_dhcp_opts", Default("[]"), PUT, k::dhcp_options),
    a("port_security_enabled", Absent, PUT, k::flag).ruled(&[
        "create_port:port_security_enabled",
        "update_port:port_security_enabled",
    ]),
    a("binding:host_id", Default("\"\""), PUT, k::text_null_empty).ruled(&[
        "create_port:binding:host_id",
        "get_port:binding:host_id",
        "update_port:binding:host_id",
    ]),
    a(
        "binding:vnic_type",
        Default("\"normal\""),
        PUT,
        k::vnic_type,
    )
    .within(VNIC),
    a("binding:profile", Default("{}"), PUT, k::object)
        .ruled(&[
            "create_port:binding:profile",
            "get_port:binding:profile",
            "update_port:binding:profile",
        ])
        .hint(PROFILE),
    a("binding:vif_type", Never, FIX, k::text).ruled(&["get_port:binding:vif_type"]),
    a("binding:vif_details", Never, FIX, k::object).ruled(&["get_port:binding:vif_details"]),
    a("dns_name", Default("\"\""), PUT, k::dns_name),
    a("dns_domain", Default("\"\""), PUT, k::dns_domain).refused(&["\"\""], NO_NAMES),
    a("dns_assignment", Never, FIX, k::texts),
    a("tags", Default("[]"), FIX, k::texts),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
];

pub static SECURITY_GROUP: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("name", Default("\"\""), PUT, k::text),
    a("description", Default("\"\""), PUT, k::text),
    a("stateful", Default("true"), PUT, k::flag),
    a("shared", Never, FIX, k::flag),
    a("security_group_rules", Never, FIX, k::texts),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
    a("tags", Never, FIX, k::texts),
];

pub static SECURITY_GROUP_RULE: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("security_group_id", Required, FIX, k::uuid),
    a("direction", Required, FIX, k::direction),
    a("ethertype", Default("\"IPv4\""), FIX, k::ethertype),
    a("protocol", Default("null"), FIX, k::protocol),
    a("port_range_min", Default("null"), FIX, k::number_or_null),
    a("port_range_max", Default("null"), FIX, k::number_or_null),
    a("remote_ip_prefix", Default("null"), FIX, k::prefix_or_null),
    a("remote_group_id", Default("null"), FIX, k::text_or_null),
    a("remote_address_group_id", Never, FIX, k::uuid_or_null),
    a("description", Default("\"\""), FIX, k::text),
    a("belongs_to_default_sg", Never, FIX, k::flag),
    a("normalized_cidr", Never, FIX, k::cidr_or_null),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
    a("tags", Never, FIX, k::texts),
];

pub static ROUTER: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("name", Default("\"\""), PUT, k::text),
    a("description", Default("\"\""), PUT, k::text),
    a("admin_state_up", Default("true"), PUT, k::flag),
    a("status", Never, FIX, k::text),
    a("external_gateway_info", Default("null"), PUT, k::gateway)
        .ruled(&[
            "create_router:external_gateway_info",
            "create_router:external_gateway_info:enable_snat",
            "create_router:external_gateway_info:external_fixed_ips",
            "update_router:external_gateway_info:enable_snat",
            "update_router:external_gateway_info:external_fixed_ips",
        ])
        .within("network_id, enable_snat, external_fixed_ips; other members are refused with 400"),
    a("routes", Never, PUT, k::routes),
    a("distributed", Absent, PUT, k::flag_or_null)
        .ruled(&[
            "create_router:distributed",
            "get_router:distributed",
            "update_router:distributed",
        ])
        .not_built(&["false", "null"], "a router is in one place"),
    a("ha", Absent, PUT, k::flag_or_null)
        .ruled(&["create_router:ha", "get_router:ha", "update_router:ha"])
        .not_built(&["false", "null"], "a router is in one place"),
    a("flavor_id", Never, FIX, k::uuid_or_null),
    a("availability_zone_hints", Default("[]"), FIX, k::texts),
    a("availability_zones", Never, FIX, k::texts),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
    a("tags", Never, FIX, k::texts),
];

pub static FLOATINGIP: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("description", Default("\"\""), PUT, k::text),
    a("floating_network_id", Required, FIX, k::uuid),
    a("floating_ip_address", Absent, FIX, k::ip_or_null)
        .ruled(&["create_floatingip:floating_ip_address"]),
    a("subnet_id", Absent, FIX, k::uuid_or_null),
    a("port_id", Default("null"), PUT, k::uuid_or_null),
    a("fixed_ip_address", Absent, PUT, k::ip_or_null),
    a("router_id", Never, FIX, k::uuid_or_null),
    a("status", Never, FIX, k::text),
    a("port_details", Never, FIX, k::object_or_null),
    a("port_forwardings", Never, FIX, k::texts),
    a("dns_name", Default("\"\""), FIX, k::dns_name).refused(&["\"\""], NO_NAMES),
    a("dns_domain", Default("\"\""), FIX, k::dns_domain).refused(&["\"\""], NO_NAMES),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
    a("tags", Never, FIX, k::texts),
];

/// A forwarding of a port, under `/floatingips/{id}/port_forwardings`.
pub static PORT_FORWARDING: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("description", Default("\"\""), PUT, k::text),
    a("external_port", Required, PUT, k::port_number),
    a("internal_port", Required, PUT, k::port_number),
    a("internal_ip_address", Required, PUT, k::ip),
    a("internal_port_id", Required, PUT, k::uuid),
    a("protocol", Required, PUT, k::forwarded_protocol),
];

pub static SUBNETPOOL: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("name", Required, PUT, k::filled_text),
    a("description", Default("\"\""), PUT, k::text),
    a("prefixes", Required, PUT, k::cidrs),
    a("ip_version", Never, FIX, k::ip_version),
    a("default_prefixlen", Absent, PUT, k::size),
    a("min_prefixlen", Absent, PUT, k::size),
    a("max_prefixlen", Absent, PUT, k::size),
    a("default_quota", Default("null"), PUT, k::size_or_null),
    a("address_scope_id", Default("null"), PUT, k::uuid_or_null)
        .within("prefixes of a scope never overlap; a router with enable_snat hides addresses also within a scope"),
    a("shared", Default("false"), FIX, k::flag).ruled(&["create_subnetpool:shared"]),
    a("is_default", Default("false"), PUT, k::flag).ruled(&[
        "create_subnetpool:is_default",
        "update_subnetpool:is_default",
    ]),
    a("created_at", Never, FIX, k::text),
    a("updated_at", Never, FIX, k::text),
    a("revision_number", Never, FIX, k::number),
    a("tags", Never, FIX, k::texts),
];

pub static ADDRESS_SCOPE: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("name", Required, PUT, k::text),
    a("ip_version", Required, FIX, k::ip_version),
    a("shared", Default("false"), PUT, k::flag)
        .ruled(&["create_address_scope:shared", "update_address_scope:shared"]),
];

pub static RBAC_POLICY: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("project_id", Absent, FIX, k::text),
    a("object_type", Required, FIX, k::text),
    a("object_id", Required, FIX, k::uuid),
    a("action", Required, FIX, k::text),
    a("target_tenant", Required, PUT, k::filled_text).ruled(&[
        "create_rbac_policy:target_tenant",
        "update_rbac_policy:target_tenant",
    ]),
];

pub static AGENT: &[Attribute] = &[
    a("id", Never, FIX, k::uuid),
    a("host", Never, FIX, k::text),
    a("agent_type", Never, FIX, k::text),
    a("binary", Never, FIX, k::text),
    a("topic", Never, FIX, k::text),
    a("availability_zone", Never, FIX, k::text),
    a("admin_state_up", Never, PUT, k::flag).refused(
        &["true"],
        "agents are parts of this service and cannot be taken out of use",
    ),
    a("description", Never, PUT, k::text_or_null),
    a("alive", Never, FIX, k::flag),
    a("configurations", Never, FIX, k::object),
    a("created_at", Never, FIX, k::text),
    a("started_at", Never, FIX, k::text),
    a("heartbeat_timestamp", Never, FIX, k::text),
    a("resources_synced", Never, FIX, k::flag_or_null),
    a("resource_versions", Never, FIX, k::object),
];

/// A binding of a port to a host, under `/ports/{id}/bindings`.
pub static PORT_BINDING: &[Attribute] = &[
    a("host", Required, FIX, k::filled_text),
    a("vnic_type", Default("\"normal\""), PUT, k::vnic_type).within(VNIC),
    a("profile", Default("{}"), PUT, k::object).hint(PROFILE),
    a("vif_type", Never, FIX, k::text),
    a("vif_details", Never, FIX, k::object),
    a("status", Never, FIX, k::text),
    a("project_id", Absent, FIX, k::text),
];

/// Every table, for documents and for checks over all of them.
pub static ALL: &[(&str, &[Attribute])] = &[
    ("network", NETWORK),
    ("subnet", SUBNET),
    ("port", PORT),
    ("security_group", SECURITY_GROUP),
    ("security_group_rule", SECURITY_GROUP_RULE),
    ("router", ROUTER),
    ("floatingip", FLOATINGIP),
    ("subnetpool", SUBNETPOOL),
    ("address_scope", ADDRESS_SCOPE),
    ("rbac_policy", RBAC_POLICY),
    ("agent", AGENT),
    ("port_binding", PORT_BINDING),
    ("port_forwarding", PORT_FORWARDING),
];
