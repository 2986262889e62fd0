//! Types, quotas, services and what else operators decide.

use web::policy::Rule;

use super::{ADMIN, MEMBER, READER, rule};

#[rustfmt::skip] // A table reads better with a row on each line.
pub const RULES: &[Rule] = &[
    rule("volume_extension:default_set_or_update", ADMIN, "Set the default type of a project.", &[("PUT", "/default-types")]),
    rule("volume_extension:default_get", ADMIN, "Show the default type of a project.", &[("GET", "/default-types/{project-id}")]),
    rule("volume_extension:default_get_all", ADMIN, "List default types.", &[("GET", "/default-types/")]),
    rule("volume_extension:default_unset", ADMIN, "Take the default type from a project.", &[("DELETE", "/default-types/{project-id}")]),
    rule("limits_extension:used_limits", READER, "See how much of the limits is used.", &[("GET", "/limits")]),
    rule("volume_extension:qos_specs_manage:get_all", ADMIN, "List QoS specs and what they are associated with.", &[("GET", "/qos-specs"), ("GET", "/qos-specs/{qos_id}/associations")]),
    rule("volume_extension:qos_specs_manage:get", ADMIN, "Show QoS specs.", &[("GET", "/qos-specs/{qos_id}")]),
    rule("volume_extension:qos_specs_manage:create", ADMIN, "Create QoS specs.", &[("POST", "/qos-specs")]),
    rule("volume_extension:qos_specs_manage:update", ADMIN, "Change QoS specs and what they are associated with.", &[("PUT", "/qos-specs/{qos_id}"), ("GET", "/qos-specs/{qos_id}/disassociate_all"), ("GET", "/qos-specs/{qos_id}/associate"), ("GET", "/qos-specs/{qos_id}/disassociate")]),
    rule("volume_extension:qos_specs_manage:delete", ADMIN, "Delete QoS specs or keys of them.", &[("DELETE", "/qos-specs/{qos_id}"), ("PUT", "/qos-specs/{qos_id}/delete_keys")]),
    rule("volume_extension:quota_classes:get", ADMIN, "Show a class of quotas.", &[("GET", "/os-quota-class-sets/{project_id}")]),
    rule("volume_extension:quota_classes:update", ADMIN, "Change a class of quotas.", &[("PUT", "/os-quota-class-sets/{project_id}")]),
    rule("volume_extension:quotas:show", READER, "Show the quotas of a project.", &[("GET", "/os-quota-sets/{project_id}"), ("GET", "/os-quota-sets/{project_id}/default"), ("GET", "/os-quota-sets/{project_id}?usage=True")]),
    rule("volume_extension:quotas:update", ADMIN, "Change the quotas of a project.", &[("PUT", "/os-quota-sets/{project_id}")]),
    rule("volume_extension:quotas:delete", ADMIN, "Give a project the default quotas again.", &[("DELETE", "/os-quota-sets/{project_id}")]),
    rule("scheduler_extension:scheduler_stats:get_pools", ADMIN, "List the pools of all back ends.", &[("GET", "/scheduler-stats/get_pools")]),
    rule("volume_extension:services:index", ADMIN, "List services.", &[("GET", "/os-services")]),
    rule("volume_extension:services:update", ADMIN, "Enable or disable a service, and the like.", &[("PUT", "/os-services/{action}")]),
    rule("volume:freeze_host", ADMIN, "Freeze a back end.", &[("PUT", "/os-services/freeze")]),
    rule("volume:thaw_host", ADMIN, "Thaw a back end.", &[("PUT", "/os-services/thaw")]),
    rule("volume_extension:types_extra_specs:index", READER, "List the extra specs of a type.", &[("GET", "/types/{type_id}/extra_specs")]),
    rule("volume_extension:types_extra_specs:create", ADMIN, "Set extra specs of a type.", &[("POST", "/types/{type_id}/extra_specs")]),
    rule("volume_extension:types_extra_specs:show", READER, "Show an extra spec of a type.", &[("GET", "/types/{type_id}/extra_specs/{extra_spec_key}")]),
    rule("volume_extension:types_extra_specs:read_sensitive", ADMIN, "See all extra specs, also those that tell of the back end.", &[("GET", "/types"), ("GET", "/types/{type_id}"), ("GET", "/types/{type_id}/extra_specs"), ("GET", "/types/{type_id}/extra_specs/{extra_spec_key}")]),
    rule("volume_extension:types_extra_specs:update", ADMIN, "Change an extra spec of a type.", &[("PUT", "/types/{type_id}/extra_specs/{extra_spec_key}")]),
    rule("volume_extension:types_extra_specs:delete", ADMIN, "Delete an extra spec of a type.", &[("DELETE", "/types/{type_id}/extra_specs/{extra_spec_key}")]),
    rule("volume_extension:volume_type_access", MEMBER, "See whether a type is public.", &[("GET", "/types"), ("GET", "/types/{type_id}"), ("POST", "/types")]),
    rule("volume_extension:volume_type_access:addProjectAccess", ADMIN, "Open a private type to a project.", &[("POST", "/types/{type_id}/action")]),
    rule("volume_extension:volume_type_access:removeProjectAccess", ADMIN, "Close a private type to a project.", &[("POST", "/types/{type_id}/action")]),
    rule("volume_extension:volume_type_access:get_all_for_type", ADMIN, "List the projects that a private type is open to.", &[("GET", "/types/{type_id}/os-volume-type-access")]),
    rule("volume_extension:type_create", ADMIN, "Create a type.", &[("POST", "/types")]),
    rule("volume_extension:type_update", ADMIN, "Change a type.", &[("PUT", "/types")]),
    rule("volume_extension:type_delete", ADMIN, "Delete a type.", &[("DELETE", "/types")]),
    rule("volume_extension:type_get", READER, "Show a type.", &[("GET", "/types/{type_id}")]),
    rule("volume_extension:type_get_all", READER, "List types.", &[("GET", "/types/")]),
    rule("volume_extension:access_types_extra_specs", READER, "See extra specs with types.", &[("GET", "/types/{type_id}"), ("GET", "/types")]),
    rule("volume_extension:access_types_qos_specs_id", ADMIN, "See the QoS specs of types.", &[("GET", "/types/{type_id}"), ("GET", "/types")]),
    rule("volume_extension:volume_type_encryption:get", ADMIN, "Show the encryption of a type.", &[("GET", "/types/{type_id}/encryption"), ("GET", "/types/{type_id}/encryption/{key}")]),
];
