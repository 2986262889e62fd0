//! Server groups, and what the scheduler needs to spread load: failed builds of hosts, and a way to
//! the servers that something is being done with.

use sql::schema::Kind::{BigInt, Serial, Time, Varchar};
use sql::schema::{Literal, Migration, Step, Table, col, index, unique};

use super::{ID, UUID};

pub const MIGRATION: Migration = Migration {
    name: "compute_0004_server_groups",
    steps: &[
        Step::Create(&[
            Table::new(
                "server_groups",
                &["seq"],
                &[
                    col("seq", Serial),
                    col("id", UUID),
                    col("project_id", ID),
                    col("user_id", ID),
                    col("name", Varchar(255)),
                    col("policy", Varchar(32)),
                    col("max_server_per_host", BigInt).null(),
                    col("created_at", Time),
                ],
            )
            .indexes(&[
                unique("server_groups_id", &["id"]),
                index("server_groups_project", &["project_id"]),
            ]),
            Table::new(
                "server_group_members",
                &["seq"],
                &[
                    col("seq", Serial),
                    col("group_id", UUID),
                    col("server_id", UUID),
                ],
            )
            .indexes(&[
                unique("group_members_server", &["server_id"]),
                index("group_members_group", &["group_id"]),
            ]),
        ]),
        Step::AddIndexes("servers", &[index("servers_task", &["task_state"])]),
        Step::AddColumn(
            "nodes",
            col("failed_builds", BigInt).default(Literal::Number(0)),
        ),
    ],
};
