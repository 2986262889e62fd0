//! Neutron's default rules.

use web::policy::{IS_ADMIN, Rule};

use super::{ADVANCED_SERVICE, SERVICE};

const fn r(name: &'static str, check: &'static str) -> Rule {
    Rule {
        name,
        check,
        scope_types: &[],
        description: "",
        operations: &[],
    }
}

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
