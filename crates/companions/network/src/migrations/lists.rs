//! Indexes for lists: pages within a project or a network in the order of ids, and what is often looked for.

use sql::schema::{Migration, Step, index};

pub const MIGRATION: Migration = Migration {
    name: "lists",
    steps: &[
        Step::AddIndexes(
            "net_address_scopes",
            &[
                index("net_address_scopes_name", &["name"]),
                index("net_address_scopes_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_allocations",
            &[index("net_allocations_ip_address", &["ip_address"])],
        ),
        Step::AddIndexes(
            "net_floatingips",
            &[
                index(
                    "net_floatingips_floating_ip_address",
                    &["floating_ip_address"],
                ),
                index(
                    "net_floatingips_floating_network_id_id",
                    &["floating_network_id", "id"],
                ),
                index("net_floatingips_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_networks",
            &[
                index("net_networks_name", &["name"]),
                index("net_networks_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_ports",
            &[
                index("net_ports_mac_address", &["mac_address"]),
                index("net_ports_name", &["name"]),
                index("net_ports_network_id_id", &["network_id", "id"]),
                index("net_ports_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_rbac_policies",
            &[
                index(
                    "net_rbac_policies_object_type_target_project",
                    &["object_type", "target_project"],
                ),
                index("net_rbac_policies_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_routers",
            &[
                index("net_routers_name", &["name"]),
                index("net_routers_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_security_group_rules",
            &[
                index(
                    "net_security_group_rules_project_id_id",
                    &["project_id", "id"],
                ),
                index(
                    "net_security_group_rules_remote_group_id",
                    &["remote_group_id"],
                ),
                index(
                    "net_security_group_rules_security_group_id_id",
                    &["security_group_id", "id"],
                ),
            ],
        ),
        Step::AddIndexes(
            "net_security_groups",
            &[
                index("net_security_groups_name", &["name"]),
                index("net_security_groups_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_subnetpools",
            &[
                index("net_subnetpools_name", &["name"]),
                index("net_subnetpools_project_id_id", &["project_id", "id"]),
            ],
        ),
        Step::AddIndexes(
            "net_subnets",
            &[
                index("net_subnets_name", &["name"]),
                index("net_subnets_network_id_id", &["network_id", "id"]),
                index("net_subnets_project_id_id", &["project_id", "id"]),
                index("net_subnets_subnetpool_id", &["subnetpool_id"]),
            ],
        ),
        // What those above make superfluous.
        Step::DropIndexes(
            "net_floatingips",
            &[index("net_floatingips_project_id", &["project_id"])],
        ),
        Step::DropIndexes(
            "net_networks",
            &[index("net_networks_project_id", &["project_id"])],
        ),
        Step::DropIndexes(
            "net_ports",
            &[
                index("net_ports_network_id", &["network_id"]),
                index("net_ports_project_id", &["project_id"]),
            ],
        ),
        Step::DropIndexes(
            "net_routers",
            &[index("net_routers_project_id", &["project_id"])],
        ),
        Step::DropIndexes(
            "net_security_groups",
            &[index("net_security_groups_project_id", &["project_id"])],
        ),
        Step::DropIndexes(
            "net_subnetpools",
            &[index("net_subnetpools_project_id", &["project_id"])],
        ),
        Step::DropIndexes(
            "net_subnets",
            &[
                index("net_subnets_network_id", &["network_id"]),
                index("net_subnets_project_id", &["project_id"]),
            ],
        ),
    ],
};
