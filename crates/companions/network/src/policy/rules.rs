//! Neutron's default rules.

use web::policy::{IS_ADMIN, Rule, Scope};

use super::ADVANCED_SERVICE;
use super::SERVICE as SERVICE_API;

/// A rule of a call or an attribute: for tokens of projects, as all of Neutron's.
const fn r(name: &'static str, check: &'static str) -> Rule {
    Rule {
        scope_types: &[Scope::Project],
        ..part(name, check)
    }
}

/// A rule that others are made of.
const fn part(name: &'static str, check: &'static str) -> Rule {
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
const DEVICE: &str = "not rule:network_device or rule:admin_only or rule:service_api";
const MEMBER: &str = "rule:admin_only or rule:project_member";
const NET_OWNER: &str =
    "rule:admin_only or rule:service_api or (role:member and rule:network_owner)";
const NET_OWNER_OR_SHARED: &str =
    "rule:admin_only or rule:service_api or (role:member and rule:network_owner) or rule:shared";
const NOT_EVERYBODY: &str = "rule:admin_only or (not field:rbac_policy:target_tenant=* and \
    not field:rbac_policy:target_project=*)";
const PARENT_MEMBER: &str = "rule:admin_only or (role:member and rule:ext_parent_owner)";
const PARENT_READER: &str = "rule:admin_only or (role:reader and rule:ext_parent_owner)";
const READER: &str = "rule:admin_only or rule:project_reader";
const SERVICE: &str = "rule:service_api";
const SUBNET_OWNER: &str =
    "rule:admin_only or rule:project_member or (role:member and rule:network_owner)";

/// All rules with their checks.
pub static RULES: &[Rule] = &[
    part(IS_ADMIN, "role:admin"),
    part(SERVICE_API, "role:service"),
    part(ADVANCED_SERVICE, "role:advsvc"),
    part("admin_only", "rule:context_is_admin"),
    part("owner", "project_id:%(project_id)s"),
    part("admin_or_owner", "rule:context_is_admin or rule:owner"),
    part("network_owner", "project_id:%(network:project_id)s"),
    part(
        "project_member",
        "role:member and project_id:%(project_id)s",
    ),
    part(
        "project_reader",
        "role:reader and project_id:%(project_id)s",
    ),
    part("regular_user", ANY),
    part("shared", "field:networks:shared=True"),
    part("external", "field:networks:router:external=True"),
    part("network_device", "field:port:device_owner=~^network:"),
    part("shared_address_scopes", "field:address_scopes:shared=True"),
    part("shared_security_group", "field:security_groups:shared=True"),
    part("shared_subnetpools", "field:subnetpools:shared=True"),
    part("external_network", "field:subnets:router:external=True"),
    part("sg_owner", "project_id:%(security_group:project_id)s"),
    part("ext_parent_owner", "project_id:%(ext_parent:project_id)s"),
    part("compute_device", "field:port:device_owner=~^compute:"),
    part("baremetal_device", "field:port:device_owner=~^baremetal:"),
    part("manila_device", "field:port:device_owner=~^manila:"),
    part(
        "servers_device",
        "rule:compute_device or rule:baremetal_device or rule:manila_device",
    ),
    part("default", "rule:admin_or_owner"),
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
    r(
        "get_subnet",
        "rule:admin_only or rule:service_api or rule:project_reader or rule:shared or rule:external_network or (role:reader and rule:network_owner)",
    ),
    r("get_subnet:segment_id", ADMIN),
    r("update_subnet", SUBNET_OWNER),
    r("delete_subnet", SUBNET_OWNER),
    // Ports. Devices `network:…` are the service's own: unlike in Neutron the owner of a network makes none by hand.
    r("create_port", NET_OWNER_OR_SHARED),
    r("create_port:device_owner", DEVICE),
    r("create_port:mac_address", NET_OWNER),
    r("create_port:fixed_ips", NET_OWNER_OR_SHARED),
    r("create_port:fixed_ips:ip_address", NET_OWNER),
    r("create_port:fixed_ips:subnet_id", NET_OWNER_OR_SHARED),
    r("create_port:port_security_enabled", NET_OWNER),
    r("create_port:binding:host_id", ADMIN_OR_SERVICE),
    r("create_port:binding:profile", SERVICE),
    r("create_port:allowed_address_pairs", NET_OWNER),
    r(
        "get_port",
        "rule:admin_only or rule:service_api or rule:project_reader or (role:reader and rule:network_owner)",
    ),
    r("get_port:binding:vif_type", ADMIN_OR_SERVICE),
    r("get_port:binding:vif_details", ADMIN_OR_SERVICE),
    r("get_port:binding:host_id", ADMIN_OR_SERVICE),
    r("get_port:binding:profile", ADMIN_OR_SERVICE),
    r(
        "update_port",
        "rule:admin_only or rule:service_api or rule:project_member",
    ),
    r("update_port:device_owner", DEVICE),
    r(
        "update_port:mac_address",
        "rule:admin_only or rule:service_api or (role:manager and rule:network_owner)",
    ),
    r("update_port:fixed_ips", NET_OWNER),
    r("update_port:fixed_ips:ip_address", NET_OWNER),
    r("update_port:fixed_ips:subnet_id", NET_OWNER_OR_SHARED),
    r("update_port:port_security_enabled", NET_OWNER),
    r("update_port:binding:host_id", ADMIN_OR_SERVICE),
    r("update_port:binding:profile", SERVICE),
    r("update_port:allowed_address_pairs", NET_OWNER),
    r(
        "delete_port",
        "rule:admin_only or rule:service_api or \
  ((service_roles:service or not rule:servers_device) and \
  (rule:project_member or (role:member and rule:network_owner)))",
    ),
    r("create_port_binding", SERVICE),
    r("get_port_binding", ADMIN_OR_SERVICE),
    r("update_port_binding", ADMIN_OR_SERVICE),
    r("activate", SERVICE),
    r("delete_port_binding", SERVICE),
    // Security groups
    r("create_security_group", MEMBER),
    r(
        "get_security_group",
        "rule:admin_only or rule:project_reader or rule:shared_security_group",
    ),
    r("update_security_group", MEMBER),
    r("delete_security_group", MEMBER),
    r(
        "create_security_group_rule",
        "rule:admin_only or (role:member and rule:sg_owner)",
    ),
    r(
        "get_security_group_rule",
        "rule:admin_only or (role:reader and rule:sg_owner)",
    ),
    r(
        "delete_security_group_rule",
        "rule:admin_only or (role:member and rule:sg_owner)",
    ),
    // Its tags: Neutron has no rule for them.
    r("update_security_group_rule", "rule:default"),
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
    r(
        "create_floatingip:floating_ip_address",
        "rule:admin_only or (role:manager and project_id:%(project_id)s)",
    ),
    r(
        "get_floatingip",
        "rule:admin_only or rule:service_api or rule:project_reader",
    ),
    r("update_floatingip", MEMBER),
    r("delete_floatingip", MEMBER),
    // Forwardings: the owner of the floating address decides.
    r("create_floatingip_port_forwarding", PARENT_MEMBER),
    r("get_floatingip_port_forwarding", PARENT_READER),
    r("update_floatingip_port_forwarding", PARENT_MEMBER),
    r("delete_floatingip_port_forwarding", PARENT_MEMBER),
    // Pools and scopes
    r("create_subnetpool", MEMBER),
    r("create_subnetpool:shared", ADMIN),
    r("create_subnetpool:is_default", ADMIN),
    r(
        "get_subnetpool",
        "rule:admin_only or rule:project_reader or rule:shared_subnetpools",
    ),
    r("update_subnetpool", MEMBER),
    r("update_subnetpool:is_default", ADMIN),
    r("delete_subnetpool", MEMBER),
    r("create_address_scope", MEMBER),
    r("create_address_scope:shared", ADMIN),
    r(
        "get_address_scope",
        "rule:admin_only or rule:project_reader or rule:shared_address_scopes",
    ),
    r("update_address_scope", MEMBER),
    r("update_address_scope:shared", ADMIN),
    r("delete_address_scope", MEMBER),
    // Sharing: only an operator opens an object to everybody.
    r("create_rbac_policy", MEMBER),
    r("create_rbac_policy:target_tenant", NOT_EVERYBODY),
    r("get_rbac_policy", READER),
    r("update_rbac_policy", MEMBER),
    r("update_rbac_policy:target_tenant", NOT_EVERYBODY),
    r("delete_rbac_policy", MEMBER),
    // The rest
    r("get_agent", ADMIN),
    r("update_agent", ADMIN),
    r("delete_agent", ADMIN),
    r("get_network_ip_availability", ADMIN_OR_SERVICE),
    r(
        "get_quota",
        "rule:admin_only or (role:manager and project_id:%(project_id)s)",
    ),
    r("update_quota", ADMIN),
    r("delete_quota", ADMIN),
    r("get_auto_allocated_topology", READER),
    r("delete_auto_allocated_topology", MEMBER),
];
