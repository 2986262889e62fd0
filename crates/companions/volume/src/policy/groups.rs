//! Groups, their types and their snapshots.

use web::policy::Rule;

use super::{ADMIN, MEMBER, READER, rule};

#[rustfmt::skip] // A table reads better with a row on each line.
pub const RULES: &[Rule] = &[
    rule("group:get_all", READER, "List groups.", &[("GET", "/groups"), ("GET", "/groups/detail")]),
    rule("group:create", MEMBER, "Create a group.", &[("POST", "/groups")]),
    rule("group:get", READER, "Show a group.", &[("GET", "/groups/{group_id}")]),
    rule("group:update", MEMBER, "Change a group.", &[("PUT", "/groups/{group_id}")]),
    rule("group:group_project_attribute", ADMIN, "See the project of a group.", &[("GET", "/groups/{group_id}"), ("GET", "/groups/detail")]),
    rule("group:group_types:create", ADMIN, "Create a type of groups.", &[("POST", "/group_types/")]),
    rule("group:group_types:update", ADMIN, "Change a type of groups.", &[("PUT", "/group_types/{group_type_id}")]),
    rule("group:group_types:delete", ADMIN, "Delete a type of groups.", &[("DELETE", "/group_types/{group_type_id}")]),
    rule("group:access_group_types_specs", ADMIN, "See specs with types of groups.", &[("GET", "/group_types/{group_type_id}")]),
    rule("group:group_types_specs:get", ADMIN, "Show a spec of a type of groups.", &[("GET", "/group_types/{group_type_id}/group_specs/{g_spec_id}")]),
    rule("group:group_types_specs:get_all", ADMIN, "List specs of a type of groups.", &[("GET", "/group_types/{group_type_id}/group_specs")]),
    rule("group:group_types_specs:create", ADMIN, "Set specs of a type of groups.", &[("POST", "/group_types/{group_type_id}/group_specs")]),
    rule("group:group_types_specs:update", ADMIN, "Change a spec of a type of groups.", &[("PUT", "/group_types/{group_type_id}/group_specs/{g_spec_id}")]),
    rule("group:group_types_specs:delete", ADMIN, "Delete a spec of a type of groups.", &[("DELETE", "/group_types/{group_type_id}/group_specs/{g_spec_id}")]),
    rule("group:get_all_group_snapshots", READER, "List snapshots of groups.", &[("GET", "/group_snapshots"), ("GET", "/group_snapshots/detail")]),
    rule("group:create_group_snapshot", MEMBER, "Create a snapshot of a group.", &[("POST", "/group_snapshots")]),
    rule("group:get_group_snapshot", READER, "Show a snapshot of a group.", &[("GET", "/group_snapshots/{group_snapshot_id}")]),
    rule("group:delete_group_snapshot", MEMBER, "Delete a snapshot of a group.", &[("DELETE", "/group_snapshots/{group_snapshot_id}")]),
    rule("group:group_snapshot_project_attribute", ADMIN, "See the project of a snapshot of a group.", &[("GET", "/group_snapshots/{group_snapshot_id}"), ("GET", "/group_snapshots/detail")]),
    rule("group:reset_group_snapshot_status", ADMIN, "Set the status of a snapshot of a group.", &[("POST", "/group_snapshots/{g_snapshot_id}/action")]),
    rule("group:delete", MEMBER, "Delete a group.", &[("POST", "/groups/{group_id}/action")]),
    rule("group:reset_status", ADMIN, "Set the status of a group.", &[("POST", "/groups/{group_id}/action")]),
    rule("group:enable_replication", MEMBER, "Enable the replication of a group.", &[("POST", "/groups/{group_id}/action")]),
    rule("group:disable_replication", MEMBER, "Disable the replication of a group.", &[("POST", "/groups/{group_id}/action")]),
    rule("group:failover_replication", MEMBER, "Fail a replicated group over.", &[("POST", "/groups/{group_id}/action")]),
    rule("group:list_replication_targets", MEMBER, "List where a group is replicated to.", &[("POST", "/groups/{group_id}/action")]),
];
