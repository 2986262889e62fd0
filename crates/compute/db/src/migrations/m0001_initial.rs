//! All tables of the first release.

use sql::schema::Kind::{BigInt, Bool, Double, Int, LongText, Serial, Time, Varchar};
use sql::schema::{Migration, Step, Table, col, index, unique};

use super::{ID, NAME, UUID};

pub const MIGRATION: Migration = Migration {
    name: "compute_0001_initial",
    steps: &[
        Step::Create(TABLES),
        Step::Run("INSERT INTO changes (id, number) VALUES (1, 0)"),
    ],
};

const TABLES: &[Table] = &[
    Table::new(
        "servers",
        &["seq"],
        &[
            col("seq", Serial),
            col("id", UUID),
            col("project_id", ID),
            col("user_id", ID),
            col("name", Varchar(255)),
            col("hostname", Varchar(255)),
            col("description", Varchar(255)).null(),
            col("vm_state", Varchar(32)),
            col("task_state", Varchar(32)).null(),
            col("power_state", Int),
            col("epoch", BigInt),
            col("host", NAME).null(),
            col("node", NAME).null(),
            col("node_id", UUID).null(),
            col("availability_zone", Varchar(255)).null(),
            col("pinned_zone", Varchar(255)).null(),
            col("launch_index", Int),
            col("reservation_id", ID),
            col("key_name", Varchar(255)).null(),
            col("config_drive", Bool),
            col("locked_by", Varchar(16)).null(),
            col("image_id", ID).null(),
            col("flavor_id", Varchar(255)),
            col("vcpus", BigInt),
            col("memory_mb", BigInt),
            col("access_ip_v4", ID).null(),
            col("access_ip_v6", ID).null(),
            col("progress", Int),
            col("root_device_name", Varchar(255)).null(),
            col("ip4", LongText),
            col("ip6", LongText),
            col("tags", LongText),
            col("created_at", Time),
            col("updated_at", Time),
            col("launched_at", Time).null(),
            col("terminated_at", Time).null(),
            col("deleted_at", Time).null(),
            col("user_data", LongText).null(),
            col("document", LongText),
        ],
    )
    .indexes(&[
        unique("servers_id", &["id"]),
        index("servers_project", &["project_id", "deleted_at"]),
        index("servers_host", &["host"]),
        index("servers_updated", &["updated_at"]),
    ]),
    Table::new(
        "flavors",
        &["seq"],
        &[
            col("seq", Serial),
            col("id", NAME),
            col("name", NAME),
            col("ram", BigInt),
            col("vcpus", BigInt),
            col("disk", BigInt),
            col("ephemeral", BigInt),
            col("swap", BigInt),
            col("rxtx_factor", Double),
            col("is_public", Bool),
            col("disabled", Bool),
            col("description", LongText).null(),
            col("extra_specs", LongText),
            col("created_at", Time),
            col("updated_at", Time).null(),
        ],
    )
    .indexes(&[
        unique("flavors_id", &["id"]),
        unique("flavors_name", &["name"]),
    ]),
    Table::new(
        "flavor_access",
        &["flavor_id", "project_id"],
        &[col("flavor_id", NAME), col("project_id", ID)],
    ),
    Table::new(
        "keypairs",
        &["user_id", "name"],
        &[
            col("user_id", ID),
            col("name", NAME),
            col("seq", BigInt),
            col("kind", Varchar(16)),
            col("fingerprint", Varchar(255)),
            col("public_key", LongText),
            col("created_at", Time),
        ],
    ),
    Table::new(
        "quotas",
        &["project_id", "user_id", "resource"],
        &[
            col("project_id", ID),
            col("user_id", ID),
            col("resource", ID),
            col("hard_limit", BigInt),
        ],
    ),
    Table::new(
        "services",
        &["seq"],
        &[
            col("seq", Serial),
            col("id", UUID),
            col("host", NAME),
            col("binary", ID),
            col("disabled", Bool),
            col("disabled_reason", Varchar(255)).null(),
            col("forced_down", Bool),
            col("last_seen", Time).null(),
            col("created_at", Time),
            col("updated_at", Time).null(),
        ],
    )
    .indexes(&[
        unique("services_id", &["id"]),
        unique("services_host", &["host", "binary"]),
    ]),
    Table::new(
        "nodes",
        &["seq"],
        &[
            col("seq", Serial),
            col("id", UUID),
            col("host", NAME),
            col("name", NAME),
            col("facts", LongText),
            col("servers", BigInt),
            col("change", BigInt),
            col("created_at", Time),
            col("updated_at", Time).null(),
        ],
    )
    .indexes(&[
        unique("nodes_id", &["id"]),
        unique("nodes_name", &["name"]),
        index("nodes_change", &["change"]),
    ]),
    Table::new(
        "inventories",
        &["node_id", "class"],
        &[
            col("node_id", UUID),
            col("class", NAME),
            col("total", BigInt),
            col("reserved", BigInt),
            col("ratio", Double),
            col("used", BigInt),
        ],
    ),
    Table::new(
        "claims",
        &["consumer_id", "node_id", "class"],
        &[
            col("consumer_id", UUID),
            col("node_id", UUID),
            col("class", NAME),
            col("amount", BigInt),
        ],
    )
    .indexes(&[index("claims_node", &["node_id"])]),
    Table::new("changes", &["id"], &[col("id", Int), col("number", BigInt)]),
    Table::new(
        "instance_actions",
        &["seq"],
        &[
            col("seq", Serial),
            col("server_id", UUID),
            col("request_id", ID),
            col("action", ID),
            col("user_id", ID).null(),
            col("project_id", ID).null(),
            col("start_time", Time),
            col("updated_at", Time).null(),
            col("message", Varchar(255)).null(),
        ],
    )
    .indexes(&[index("actions_server", &["server_id", "request_id"])]),
    Table::new(
        "instance_action_events",
        &["seq"],
        &[
            col("seq", Serial),
            col("server_id", UUID),
            col("request_id", ID),
            col("event", Varchar(255)),
            col("start_time", Time),
            col("finish_time", Time).null(),
            col("result", ID).null(),
            col("traceback", LongText).null(),
            col("host", NAME).null(),
            col("details", Varchar(255)).null(),
        ],
    )
    .indexes(&[index("events_server", &["server_id", "request_id"])]),
    Table::new(
        "console_tokens",
        &["token_hash"],
        &[
            col("token_hash", ID),
            col("server_id", UUID),
            col("epoch", BigInt),
            col("host", NAME),
            col("kind", Varchar(16)),
            col("access_url_base", Varchar(255)),
            col("expires_at", Time),
        ],
    )
    .indexes(&[index("console_tokens_server", &["server_id"])]),
];
