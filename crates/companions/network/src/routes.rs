//! The API's table of contents: every call, the rule of policy that guards it, the code of its success, and who
//! answers it. A call that is known but not built answers 501.

use std::sync::LazyLock;

use http::StatusCode;
use rest::words::{CREATED, DELETE, GET, NO_CONTENT, OK, POST, PUT};
use rest::{Access, Serving, Table, Verb};

use crate::api::*;
use crate::call::Face;
use crate::jobs::RouterAction;
use crate::resources::{
    ADDRESS_SCOPE, AGENT, FLOATINGIP, NETWORK, PORT, RBAC_POLICY, ROUTER, SECURITY_GROUP,
    SECURITY_GROUP_RULE, SUBNET, SUBNETPOOL,
};

type Row = rest::Row<Face>;

static TABLE: LazyLock<Table<Face>> = LazyLock::new(|| {
    Table::new(&[
        SERVICE,
        NETWORKS,
        SUBNETS,
        PORTS,
        SECURITY_GROUPS,
        SECURITY_GROUP_RULES,
        ROUTERS,
        FLOATINGIPS,
        SUBNETPOOLS,
        ADDRESS_SCOPES,
        RBAC_POLICIES,
        AGENTS,
        NOT_BUILT,
    ])
});

/// All calls.
pub fn table() -> &'static Table<Face> {
    &TABLE
}

macro_rules! known {
    ($handler:path) => {
        Serving::Known(|face, call| Box::pin($handler(face.core.clone(), call)))
    };
}

/// A handler that serves several rows, and for which thing it does.
macro_rules! of {
    ($handler:path, $resource:path) => {
        Serving::Known(|face, call| Box::pin($handler(face.core.clone(), call, &$resource)))
    };
}

const fn row(
    verb: Verb,
    path: &'static str,
    rule: &'static str,
    success: StatusCode,
    serving: Serving<Face>,
) -> Row {
    Row::new(verb, path, Access::Rule(rule), success, serving)
}

/// A call that whoever has a valid token may make.
const fn free(verb: Verb, path: &'static str, serving: Serving<Face>) -> Row {
    Row::new(verb, path, Access::Authenticated, OK, serving)
}

const fn later(verb: Verb, path: &'static str) -> Row {
    free(verb, path, Serving::NotBuilt)
}

/// What surrounds the resources.
#[rustfmt::skip] // A table reads better with a row on each line.
const SERVICE: &[Row] = &[
    Row::new(GET, "/", Access::Open, OK, rest::open!(service::versions)),
    free(GET, "/v2.0", known!(service::version)),
    free(GET, "/v2.0/", known!(service::version)),
    free(GET, "/v2.0/extensions", known!(service::list_extensions)),
    free(GET, "/v2.0/extensions/{alias}", known!(service::show_extension)),
    free(GET, "/v2.0/availability_zones", known!(service::zones)),
    free(GET, "/v2.0/service-providers", known!(service::service_providers)),
    row(GET, "/v2.0/network-ip-availabilities", "get_network_ip_availability", OK, known!(service::ip_availabilities)),
    row(GET, "/v2.0/network-ip-availabilities/{id}", "get_network_ip_availability", OK, known!(service::ip_availability)),
    row(GET, "/v2.0/quotas", "get_quota", OK, known!(service::list_quotas)),
    row(GET, "/v2.0/quotas/{project}", "get_quota", OK, known!(service::show_quota)),
    row(PUT, "/v2.0/quotas/{project}", "update_quota", OK, known!(service::set_quota)),
    row(DELETE, "/v2.0/quotas/{project}", "delete_quota", NO_CONTENT, known!(service::reset_quota)),
    row(GET, "/v2.0/quotas/{project}/default", "get_quota", OK, known!(service::default_quota)),
    row(GET, "/v2.0/quotas/{project}/details", "get_quota", OK, known!(service::quota_details)),
    row(GET, "/v2.0/auto-allocated-topology/{project}", "get_auto_allocated_topology", OK, known!(service::topology)),
    row(DELETE, "/v2.0/auto-allocated-topology/{project}", "delete_auto_allocated_topology", NO_CONTENT, known!(service::delete_topology)),
];

/// `/v2.0/networks`.
#[rustfmt::skip] // A table reads better with a row on each line.
const NETWORKS: &[Row] = &[
    row(GET, "/v2.0/networks", "get_network", OK, of!(resources::index, NETWORK)),
    row(POST, "/v2.0/networks", "create_network", CREATED, of!(resources::create, NETWORK)),
    row(GET, "/v2.0/networks/{id}", "get_network", OK, of!(resources::show, NETWORK)),
    row(PUT, "/v2.0/networks/{id}", "update_network", OK, of!(resources::update, NETWORK)),
    row(DELETE, "/v2.0/networks/{id}", "delete_network", NO_CONTENT, of!(resources::remove, NETWORK)),
    row(GET, "/v2.0/networks/{id}/tags", "get_network", OK, of!(tags::tags, NETWORK)),
    row(PUT, "/v2.0/networks/{id}/tags", "update_network", OK, of!(tags::replace_tags, NETWORK)),
    row(DELETE, "/v2.0/networks/{id}/tags", "update_network", NO_CONTENT, of!(tags::clear_tags, NETWORK)),
    row(GET, "/v2.0/networks/{id}/tags/{tag}", "get_network", NO_CONTENT, of!(tags::has_tag, NETWORK)),
    row(PUT, "/v2.0/networks/{id}/tags/{tag}", "update_network", CREATED, of!(tags::add_tag, NETWORK)),
    row(DELETE, "/v2.0/networks/{id}/tags/{tag}", "update_network", NO_CONTENT, of!(tags::remove_tag, NETWORK)),
];

/// `/v2.0/subnets`.
#[rustfmt::skip] // A table reads better with a row on each line.
const SUBNETS: &[Row] = &[
    row(GET, "/v2.0/subnets", "get_subnet", OK, of!(resources::index, SUBNET)),
    row(POST, "/v2.0/subnets", "create_subnet", CREATED, of!(resources::create, SUBNET)),
    row(GET, "/v2.0/subnets/{id}", "get_subnet", OK, of!(resources::show, SUBNET)),
    row(PUT, "/v2.0/subnets/{id}", "update_subnet", OK, of!(resources::update, SUBNET)),
    row(DELETE, "/v2.0/subnets/{id}", "delete_subnet", NO_CONTENT, of!(resources::remove, SUBNET)),
    row(GET, "/v2.0/subnets/{id}/tags", "get_subnet", OK, of!(tags::tags, SUBNET)),
    row(PUT, "/v2.0/subnets/{id}/tags", "update_subnet", OK, of!(tags::replace_tags, SUBNET)),
    row(DELETE, "/v2.0/subnets/{id}/tags", "update_subnet", NO_CONTENT, of!(tags::clear_tags, SUBNET)),
    row(GET, "/v2.0/subnets/{id}/tags/{tag}", "get_subnet", NO_CONTENT, of!(tags::has_tag, SUBNET)),
    row(PUT, "/v2.0/subnets/{id}/tags/{tag}", "update_subnet", CREATED, of!(tags::add_tag, SUBNET)),
    row(DELETE, "/v2.0/subnets/{id}/tags/{tag}", "update_subnet", NO_CONTENT, of!(tags::remove_tag, SUBNET)),
];

/// `/v2.0/ports`.
#[rustfmt::skip] // A table reads better with a row on each line.
const PORTS: &[Row] = &[
    row(GET, "/v2.0/ports", "get_port", OK, of!(resources::index, PORT)),
    row(POST, "/v2.0/ports", "create_port", CREATED, of!(resources::create, PORT)),
    row(GET, "/v2.0/ports/{id}", "get_port", OK, of!(resources::show, PORT)),
    row(PUT, "/v2.0/ports/{id}", "update_port", OK, of!(resources::update, PORT)),
    row(DELETE, "/v2.0/ports/{id}", "delete_port", NO_CONTENT, of!(resources::remove, PORT)),
    row(GET, "/v2.0/ports/{id}/tags", "get_port", OK, of!(tags::tags, PORT)),
    row(PUT, "/v2.0/ports/{id}/tags", "update_port", OK, of!(tags::replace_tags, PORT)),
    row(DELETE, "/v2.0/ports/{id}/tags", "update_port", NO_CONTENT, of!(tags::clear_tags, PORT)),
    row(GET, "/v2.0/ports/{id}/tags/{tag}", "get_port", NO_CONTENT, of!(tags::has_tag, PORT)),
    row(PUT, "/v2.0/ports/{id}/tags/{tag}", "update_port", CREATED, of!(tags::add_tag, PORT)),
    row(DELETE, "/v2.0/ports/{id}/tags/{tag}", "update_port", NO_CONTENT, of!(tags::remove_tag, PORT)),
    row(GET, "/v2.0/ports/{id}/bindings", "get_port_binding", OK, known!(bindings::bindings)),
    row(POST, "/v2.0/ports/{id}/bindings", "create_port_binding", CREATED, known!(bindings::bind)),
    row(GET, "/v2.0/ports/{id}/bindings/{host}", "get_port_binding", OK, known!(bindings::show_binding)),
    row(PUT, "/v2.0/ports/{id}/bindings/{host}", "update_port_binding", OK, known!(bindings::change_binding)),
    row(DELETE, "/v2.0/ports/{id}/bindings/{host}", "delete_port_binding", NO_CONTENT, known!(bindings::unbind)),
    row(PUT, "/v2.0/ports/{id}/bindings/{host}/activate", "activate", OK, known!(bindings::activate_binding)),
];

/// `/v2.0/security-groups`.
#[rustfmt::skip] // A table reads better with a row on each line.
const SECURITY_GROUPS: &[Row] = &[
    row(GET, "/v2.0/security-groups", "get_security_group", OK, of!(resources::index, SECURITY_GROUP)),
    row(POST, "/v2.0/security-groups", "create_security_group", CREATED, of!(resources::create, SECURITY_GROUP)),
    row(GET, "/v2.0/security-groups/{id}", "get_security_group", OK, of!(resources::show, SECURITY_GROUP)),
    row(PUT, "/v2.0/security-groups/{id}", "update_security_group", OK, of!(resources::update, SECURITY_GROUP)),
    row(DELETE, "/v2.0/security-groups/{id}", "delete_security_group", NO_CONTENT, of!(resources::remove, SECURITY_GROUP)),
    row(GET, "/v2.0/security-groups/{id}/tags", "get_security_group", OK, of!(tags::tags, SECURITY_GROUP)),
    row(PUT, "/v2.0/security-groups/{id}/tags", "update_security_group", OK, of!(tags::replace_tags, SECURITY_GROUP)),
    row(DELETE, "/v2.0/security-groups/{id}/tags", "update_security_group", NO_CONTENT, of!(tags::clear_tags, SECURITY_GROUP)),
    row(GET, "/v2.0/security-groups/{id}/tags/{tag}", "get_security_group", NO_CONTENT, of!(tags::has_tag, SECURITY_GROUP)),
    row(PUT, "/v2.0/security-groups/{id}/tags/{tag}", "update_security_group", CREATED, of!(tags::add_tag, SECURITY_GROUP)),
    row(DELETE, "/v2.0/security-groups/{id}/tags/{tag}", "update_security_group", NO_CONTENT, of!(tags::remove_tag, SECURITY_GROUP)),
];

/// `/v2.0/security-group-rules`.
#[rustfmt::skip] // A table reads better with a row on each line.
const SECURITY_GROUP_RULES: &[Row] = &[
    row(GET, "/v2.0/security-group-rules", "get_security_group_rule", OK, of!(resources::index, SECURITY_GROUP_RULE)),
    row(POST, "/v2.0/security-group-rules", "create_security_group_rule", CREATED, of!(resources::create, SECURITY_GROUP_RULE)),
    row(GET, "/v2.0/security-group-rules/{id}", "get_security_group_rule", OK, of!(resources::show, SECURITY_GROUP_RULE)),
    row(DELETE, "/v2.0/security-group-rules/{id}", "delete_security_group_rule", NO_CONTENT, of!(resources::remove, SECURITY_GROUP_RULE)),
    row(GET, "/v2.0/security-group-rules/{id}/tags", "get_security_group_rule", OK, of!(tags::tags, SECURITY_GROUP_RULE)),
    row(PUT, "/v2.0/security-group-rules/{id}/tags", "update_security_group_rule", OK, of!(tags::replace_tags, SECURITY_GROUP_RULE)),
    row(DELETE, "/v2.0/security-group-rules/{id}/tags", "update_security_group_rule", NO_CONTENT, of!(tags::clear_tags, SECURITY_GROUP_RULE)),
    row(GET, "/v2.0/security-group-rules/{id}/tags/{tag}", "get_security_group_rule", NO_CONTENT, of!(tags::has_tag, SECURITY_GROUP_RULE)),
    row(PUT, "/v2.0/security-group-rules/{id}/tags/{tag}", "update_security_group_rule", CREATED, of!(tags::add_tag, SECURITY_GROUP_RULE)),
    row(DELETE, "/v2.0/security-group-rules/{id}/tags/{tag}", "update_security_group_rule", NO_CONTENT, of!(tags::remove_tag, SECURITY_GROUP_RULE)),
];

/// `/v2.0/routers`.
#[rustfmt::skip] // A table reads better with a row on each line.
const ROUTERS: &[Row] = &[
    row(GET, "/v2.0/routers", "get_router", OK, of!(resources::index, ROUTER)),
    row(POST, "/v2.0/routers", "create_router", CREATED, of!(resources::create, ROUTER)),
    row(GET, "/v2.0/routers/{id}", "get_router", OK, of!(resources::show, ROUTER)),
    row(PUT, "/v2.0/routers/{id}", "update_router", OK, of!(resources::update, ROUTER)),
    row(DELETE, "/v2.0/routers/{id}", "delete_router", NO_CONTENT, of!(resources::remove, ROUTER)),
    row(GET, "/v2.0/routers/{id}/tags", "get_router", OK, of!(tags::tags, ROUTER)),
    row(PUT, "/v2.0/routers/{id}/tags", "update_router", OK, of!(tags::replace_tags, ROUTER)),
    row(DELETE, "/v2.0/routers/{id}/tags", "update_router", NO_CONTENT, of!(tags::clear_tags, ROUTER)),
    row(GET, "/v2.0/routers/{id}/tags/{tag}", "get_router", NO_CONTENT, of!(tags::has_tag, ROUTER)),
    row(PUT, "/v2.0/routers/{id}/tags/{tag}", "update_router", CREATED, of!(tags::add_tag, ROUTER)),
    row(DELETE, "/v2.0/routers/{id}/tags/{tag}", "update_router", NO_CONTENT, of!(tags::remove_tag, ROUTER)),
    row(PUT, "/v2.0/routers/{id}/add_router_interface", "add_router_interface", OK, of!(routers::act, RouterAction::AddInterface)),
    row(PUT, "/v2.0/routers/{id}/remove_router_interface", "remove_router_interface", OK, of!(routers::act, RouterAction::RemoveInterface)),
    row(PUT, "/v2.0/routers/{id}/add_extraroutes", "add_extraroutes", OK, of!(routers::act, RouterAction::AddRoutes)),
    row(PUT, "/v2.0/routers/{id}/remove_extraroutes", "remove_extraroutes", OK, of!(routers::act, RouterAction::RemoveRoutes)),
];

/// `/v2.0/floatingips`.
#[rustfmt::skip] // A table reads better with a row on each line.
const FLOATINGIPS: &[Row] = &[
    row(GET, "/v2.0/floatingips", "get_floatingip", OK, of!(resources::index, FLOATINGIP)),
    row(POST, "/v2.0/floatingips", "create_floatingip", CREATED, of!(resources::create, FLOATINGIP)),
    row(GET, "/v2.0/floatingips/{id}", "get_floatingip", OK, of!(resources::show, FLOATINGIP)),
    row(PUT, "/v2.0/floatingips/{id}", "update_floatingip", OK, of!(resources::update, FLOATINGIP)),
    row(DELETE, "/v2.0/floatingips/{id}", "delete_floatingip", NO_CONTENT, of!(resources::remove, FLOATINGIP)),
    row(GET, "/v2.0/floatingips/{id}/tags", "get_floatingip", OK, of!(tags::tags, FLOATINGIP)),
    row(PUT, "/v2.0/floatingips/{id}/tags", "update_floatingip", OK, of!(tags::replace_tags, FLOATINGIP)),
    row(DELETE, "/v2.0/floatingips/{id}/tags", "update_floatingip", NO_CONTENT, of!(tags::clear_tags, FLOATINGIP)),
    row(GET, "/v2.0/floatingips/{id}/tags/{tag}", "get_floatingip", NO_CONTENT, of!(tags::has_tag, FLOATINGIP)),
    row(PUT, "/v2.0/floatingips/{id}/tags/{tag}", "update_floatingip", CREATED, of!(tags::add_tag, FLOATINGIP)),
    row(DELETE, "/v2.0/floatingips/{id}/tags/{tag}", "update_floatingip", NO_CONTENT, of!(tags::remove_tag, FLOATINGIP)),
    row(GET, "/v2.0/floatingips/{floatingip_id}/port_forwardings", "get_floatingip_port_forwarding", OK, known!(forwardings::index)),
    row(POST, "/v2.0/floatingips/{floatingip_id}/port_forwardings", "create_floatingip_port_forwarding", CREATED, known!(forwardings::create)),
    row(GET, "/v2.0/floatingips/{floatingip_id}/port_forwardings/{id}", "get_floatingip_port_forwarding", OK, known!(forwardings::show)),
    row(PUT, "/v2.0/floatingips/{floatingip_id}/port_forwardings/{id}", "update_floatingip_port_forwarding", OK, known!(forwardings::update)),
    row(DELETE, "/v2.0/floatingips/{floatingip_id}/port_forwardings/{id}", "delete_floatingip_port_forwarding", NO_CONTENT, known!(forwardings::remove)),
];

/// `/v2.0/subnetpools`.
#[rustfmt::skip] // A table reads better with a row on each line.
const SUBNETPOOLS: &[Row] = &[
    row(GET, "/v2.0/subnetpools", "get_subnetpool", OK, of!(resources::index, SUBNETPOOL)),
    row(POST, "/v2.0/subnetpools", "create_subnetpool", CREATED, of!(resources::create, SUBNETPOOL)),
    row(GET, "/v2.0/subnetpools/{id}", "get_subnetpool", OK, of!(resources::show, SUBNETPOOL)),
    row(PUT, "/v2.0/subnetpools/{id}", "update_subnetpool", OK, of!(resources::update, SUBNETPOOL)),
    row(DELETE, "/v2.0/subnetpools/{id}", "delete_subnetpool", NO_CONTENT, of!(resources::remove, SUBNETPOOL)),
    row(GET, "/v2.0/subnetpools/{id}/tags", "get_subnetpool", OK, of!(tags::tags, SUBNETPOOL)),
    row(PUT, "/v2.0/subnetpools/{id}/tags", "update_subnetpool", OK, of!(tags::replace_tags, SUBNETPOOL)),
    row(DELETE, "/v2.0/subnetpools/{id}/tags", "update_subnetpool", NO_CONTENT, of!(tags::clear_tags, SUBNETPOOL)),
    row(GET, "/v2.0/subnetpools/{id}/tags/{tag}", "get_subnetpool", NO_CONTENT, of!(tags::has_tag, SUBNETPOOL)),
    row(PUT, "/v2.0/subnetpools/{id}/tags/{tag}", "update_subnetpool", CREATED, of!(tags::add_tag, SUBNETPOOL)),
    row(DELETE, "/v2.0/subnetpools/{id}/tags/{tag}", "update_subnetpool", NO_CONTENT, of!(tags::remove_tag, SUBNETPOOL)),
];

/// `/v2.0/address-scopes`.
#[rustfmt::skip] // A table reads better with a row on each line.
const ADDRESS_SCOPES: &[Row] = &[
    row(GET, "/v2.0/address-scopes", "get_address_scope", OK, of!(resources::index, ADDRESS_SCOPE)),
    row(POST, "/v2.0/address-scopes", "create_address_scope", CREATED, of!(resources::create, ADDRESS_SCOPE)),
    row(GET, "/v2.0/address-scopes/{id}", "get_address_scope", OK, of!(resources::show, ADDRESS_SCOPE)),
    row(PUT, "/v2.0/address-scopes/{id}", "update_address_scope", OK, of!(resources::update, ADDRESS_SCOPE)),
    row(DELETE, "/v2.0/address-scopes/{id}", "delete_address_scope", NO_CONTENT, of!(resources::remove, ADDRESS_SCOPE)),
];

/// `/v2.0/rbac-policies`.
#[rustfmt::skip] // A table reads better with a row on each line.
const RBAC_POLICIES: &[Row] = &[
    row(GET, "/v2.0/rbac-policies", "get_rbac_policy", OK, of!(resources::index, RBAC_POLICY)),
    row(POST, "/v2.0/rbac-policies", "create_rbac_policy", CREATED, of!(resources::create, RBAC_POLICY)),
    row(GET, "/v2.0/rbac-policies/{id}", "get_rbac_policy", OK, of!(resources::show, RBAC_POLICY)),
    row(PUT, "/v2.0/rbac-policies/{id}", "update_rbac_policy", OK, of!(resources::update, RBAC_POLICY)),
    row(DELETE, "/v2.0/rbac-policies/{id}", "delete_rbac_policy", NO_CONTENT, of!(resources::remove, RBAC_POLICY)),
];

/// `/v2.0/agents`.
#[rustfmt::skip] // A table reads better with a row on each line.
const AGENTS: &[Row] = &[
    row(GET, "/v2.0/agents", "get_agent", OK, of!(resources::index, AGENT)),
    row(GET, "/v2.0/agents/{id}", "get_agent", OK, of!(resources::show, AGENT)),
    row(PUT, "/v2.0/agents/{id}", "update_agent", OK, of!(resources::update, AGENT)),
    row(DELETE, "/v2.0/agents/{id}", "delete_agent", NO_CONTENT, of!(resources::remove, AGENT)),
];

/// Known and not built.
#[rustfmt::skip] // A table reads better with a row on each line.
const NOT_BUILT: &[Row] = &[
    later(GET, "/v2.0/log/logs"),
    later(POST, "/v2.0/log/logs"),
    later(GET, "/v2.0/log/logs/{id}"),
    later(PUT, "/v2.0/log/logs/{id}"),
    later(DELETE, "/v2.0/log/logs/{id}"),
    later(GET, "/v2.0/log/loggable-resources"),
    later(GET, "/v2.0/metering/metering-labels"),
    later(POST, "/v2.0/metering/metering-labels"),
    later(GET, "/v2.0/metering/metering-labels/{id}"),
    later(DELETE, "/v2.0/metering/metering-labels/{id}"),
    later(GET, "/v2.0/metering/metering-label-rules"),
    later(POST, "/v2.0/metering/metering-label-rules"),
    later(GET, "/v2.0/metering/metering-label-rules/{id}"),
    later(DELETE, "/v2.0/metering/metering-label-rules/{id}"),
    later(GET, "/v2.0/qos/policies"),
    later(POST, "/v2.0/qos/policies"),
    later(GET, "/v2.0/qos/policies/{id}"),
    later(PUT, "/v2.0/qos/policies/{id}"),
    later(DELETE, "/v2.0/qos/policies/{id}"),
    later(GET, "/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules"),
    later(POST, "/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules"),
    later(GET, "/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules/{id}"),
    later(PUT, "/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules/{id}"),
    later(DELETE, "/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules/{id}"),
    later(GET, "/v2.0/qos/policies/{policy_id}/dscp_marking_rules"),
    later(POST, "/v2.0/qos/policies/{policy_id}/dscp_marking_rules"),
    later(GET, "/v2.0/qos/policies/{policy_id}/dscp_marking_rules/{id}"),
    later(PUT, "/v2.0/qos/policies/{policy_id}/dscp_marking_rules/{id}"),
    later(DELETE, "/v2.0/qos/policies/{policy_id}/dscp_marking_rules/{id}"),
    later(GET, "/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules"),
    later(POST, "/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules"),
    later(GET, "/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules/{id}"),
    later(PUT, "/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules/{id}"),
    later(DELETE, "/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules/{id}"),
    later(GET, "/v2.0/qos/policies/{policy_id}/minimum_packet_rate_rules"),
    later(POST, "/v2.0/qos/policies/{policy_id}/minimum_packet_rate_rules"),
    later(GET, "/v2.0/qos/policies/{policy_id}/minimum_packet_rate_rules/{id}"),
    later(PUT, "/v2.0/qos/policies/{policy_id}/minimum_packet_rate_rules/{id}"),
    later(DELETE, "/v2.0/qos/policies/{policy_id}/minimum_packet_rate_rules/{id}"),
    later(GET, "/v2.0/qos/policies/{policy_id}/packet_rate_limit_rules"),
    later(POST, "/v2.0/qos/policies/{policy_id}/packet_rate_limit_rules"),
    later(GET, "/v2.0/qos/policies/{policy_id}/packet_rate_limit_rules/{id}"),
    later(PUT, "/v2.0/qos/policies/{policy_id}/packet_rate_limit_rules/{id}"),
    later(DELETE, "/v2.0/qos/policies/{policy_id}/packet_rate_limit_rules/{id}"),
    later(GET, "/v2.0/qos/rule-types"),
    later(GET, "/v2.0/qos/rule-types/{id}"),
    later(GET, "/v2.0/segments"),
    later(POST, "/v2.0/segments"),
    later(GET, "/v2.0/segments/{id}"),
    later(PUT, "/v2.0/segments/{id}"),
    later(DELETE, "/v2.0/segments/{id}"),
    later(GET, "/v2.0/trunks"),
    later(POST, "/v2.0/trunks"),
    later(GET, "/v2.0/trunks/{id}"),
    later(PUT, "/v2.0/trunks/{id}"),
    later(DELETE, "/v2.0/trunks/{id}"),
    later(PUT, "/v2.0/trunks/{id}/add_subports"),
    later(PUT, "/v2.0/trunks/{id}/remove_subports"),
    later(GET, "/v2.0/trunks/{id}/get_subports"),
    later(GET, "/v2.0/address-groups"),
    later(POST, "/v2.0/address-groups"),
    later(GET, "/v2.0/address-groups/{id}"),
    later(PUT, "/v2.0/address-groups/{id}"),
    later(DELETE, "/v2.0/address-groups/{id}"),
    later(PUT, "/v2.0/address-groups/{id}/add_addresses"),
    later(PUT, "/v2.0/address-groups/{id}/remove_addresses"),
    later(GET, "/v2.0/default-security-group-rules"),
    later(POST, "/v2.0/default-security-group-rules"),
    later(GET, "/v2.0/default-security-group-rules/{id}"),
    later(DELETE, "/v2.0/default-security-group-rules/{id}"),
    later(GET, "/v2.0/flavors"),
    later(POST, "/v2.0/flavors"),
    later(GET, "/v2.0/flavors/{id}"),
    later(PUT, "/v2.0/flavors/{id}"),
    later(DELETE, "/v2.0/flavors/{id}"),
    later(GET, "/v2.0/service_profiles"),
    later(POST, "/v2.0/service_profiles"),
    later(GET, "/v2.0/service_profiles/{id}"),
    later(PUT, "/v2.0/service_profiles/{id}"),
    later(DELETE, "/v2.0/service_profiles/{id}"),
    later(GET, "/v2.0/local_ips"),
    later(POST, "/v2.0/local_ips"),
    later(GET, "/v2.0/local_ips/{id}"),
    later(PUT, "/v2.0/local_ips/{id}"),
    later(DELETE, "/v2.0/local_ips/{id}"),
    later(GET, "/v2.0/networks/{id}/dhcp-agents"),
    later(GET, "/v2.0/routers/{id}/l3-agents"),
    later(GET, "/v2.0/agents/{id}/dhcp-networks"),
    later(GET, "/v2.0/agents/{id}/l3-routers"),
    later(PUT, "/v2.0/routers/{id}/add_external_gateways"),
    later(PUT, "/v2.0/routers/{id}/update_external_gateways"),
    later(PUT, "/v2.0/routers/{id}/remove_external_gateways"),
    later(GET, "/v2.0/routers/{router_id}/conntrack_helpers"),
    later(POST, "/v2.0/routers/{router_id}/conntrack_helpers"),
    later(GET, "/v2.0/routers/{router_id}/conntrack_helpers/{id}"),
    later(PUT, "/v2.0/routers/{router_id}/conntrack_helpers/{id}"),
    later(DELETE, "/v2.0/routers/{router_id}/conntrack_helpers/{id}"),
    later(GET, "/v2.0/network_segment_ranges"),
    later(POST, "/v2.0/network_segment_ranges"),
    later(GET, "/v2.0/network_segment_ranges/{id}"),
    later(PUT, "/v2.0/network_segment_ranges/{id}"),
    later(DELETE, "/v2.0/network_segment_ranges/{id}"),
];
