//! All tables of the first release.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "compute_0001_initial"
    }
}

/// A column's kind; the engine decides the type.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Text of at most so many characters.
    Text(u32),
    Document,
    Int,
    Big,
    Float,
    Bool,
    Time,
    /// A number that the database counts up.
    Serial,
}
use Kind::*;

/// (table, columns (name, kind, required), primary key; a serial column is the key by itself).
pub(super) type TableRow = (
    &'static str,
    &'static [(&'static str, Kind, bool)],
    &'static [&'static str],
);

/// 191 characters are the most that every MariaDB index takes in utf8mb4.
pub(super) const NAME: Kind = Text(191);
const ID: Kind = Text(64);

const TABLES: &[TableRow] = &[
    (
        "servers",
        &[
            ("seq", Serial, true),
            ("id", Text(36), true),
            ("project_id", ID, true),
            ("user_id", ID, true),
            ("name", Text(255), true),
            ("hostname", Text(255), true),
            ("description", Text(255), false),
            ("vm_state", Text(32), true),
            ("task_state", Text(32), false),
            ("power_state", Int, true),
            ("epoch", Big, true),
            ("host", NAME, false),
            ("node", NAME, false),
            ("node_id", Text(36), false),
            ("availability_zone", Text(255), false),
            ("pinned_zone", Text(255), false),
            ("launch_index", Int, true),
            ("reservation_id", ID, true),
            ("key_name", Text(255), false),
            ("config_drive", Bool, true),
            ("locked_by", Text(16), false),
            ("image_id", ID, false),
            ("flavor_id", Text(255), true),
            ("vcpus", Big, true),
            ("memory_mb", Big, true),
            ("access_ip_v4", ID, false),
            ("access_ip_v6", ID, false),
            ("progress", Int, true),
            ("root_device_name", Text(255), false),
            ("ip4", Document, true),
            ("ip6", Document, true),
            ("tags", Document, true),
            ("created_at", Time, true),
            ("updated_at", Time, true),
            ("launched_at", Time, false),
            ("terminated_at", Time, false),
            ("deleted_at", Time, false),
            ("user_data", Document, false),
            ("document", Document, true),
        ],
        &[],
    ),
    (
        "flavors",
        &[
            ("seq", Serial, true),
            ("id", NAME, true),
            ("name", NAME, true),
            ("ram", Big, true),
            ("vcpus", Big, true),
            ("disk", Big, true),
            ("ephemeral", Big, true),
            ("swap", Big, true),
            ("rxtx_factor", Float, true),
            ("is_public", Bool, true),
            ("disabled", Bool, true),
            ("description", Document, false),
            ("extra_specs", Document, true),
            ("created_at", Time, true),
            ("updated_at", Time, false),
        ],
        &[],
    ),
    (
        "flavor_access",
        &[("flavor_id", NAME, true), ("project_id", ID, true)],
        &["flavor_id", "project_id"],
    ),
    (
        "keypairs",
        &[
            ("user_id", ID, true),
            ("name", NAME, true),
            ("seq", Big, true),
            ("kind", Text(16), true),
            ("fingerprint", Text(255), true),
            ("public_key", Document, true),
            ("created_at", Time, true),
        ],
        &["user_id", "name"],
    ),
    (
        "quotas",
        &[
            ("project_id", ID, true),
            ("user_id", ID, true),
            ("resource", ID, true),
            ("hard_limit", Big, true),
        ],
        &["project_id", "user_id", "resource"],
    ),
    (
        "services",
        &[
            ("seq", Serial, true),
            ("id", Text(36), true),
            ("host", NAME, true),
            ("binary", ID, true),
            ("disabled", Bool, true),
            ("disabled_reason", Text(255), false),
            ("forced_down", Bool, true),
            ("last_seen", Time, false),
            ("created_at", Time, true),
            ("updated_at", Time, false),
        ],
        &[],
    ),
    (
        "nodes",
        &[
            ("seq", Serial, true),
            ("id", Text(36), true),
            ("host", NAME, true),
            ("name", NAME, true),
            ("facts", Document, true),
            ("servers", Big, true),
            ("change", Big, true),
            ("created_at", Time, true),
            ("updated_at", Time, false),
        ],
        &[],
    ),
    (
        "inventories",
        &[
            ("node_id", Text(36), true),
            ("class", NAME, true),
            ("total", Big, true),
            ("reserved", Big, true),
            ("ratio", Float, true),
            ("used", Big, true),
        ],
        &["node_id", "class"],
    ),
    (
        "claims",
        &[
            ("consumer_id", Text(36), true),
            ("node_id", Text(36), true),
            ("class", NAME, true),
            ("amount", Big, true),
        ],
        &["consumer_id", "node_id", "class"],
    ),
    (
        "changes",
        &[("id", Int, true), ("number", Big, true)],
        &["id"],
    ),
    (
        "instance_actions",
        &[
            ("seq", Serial, true),
            ("server_id", Text(36), true),
            ("request_id", ID, true),
            ("action", ID, true),
            ("user_id", ID, false),
            ("project_id", ID, false),
            ("start_time", Time, true),
            ("updated_at", Time, false),
            ("message", Text(255), false),
        ],
        &[],
    ),
    (
        "instance_action_events",
        &[
            ("seq", Serial, true),
            ("server_id", Text(36), true),
            ("request_id", ID, true),
            ("event", Text(255), true),
            ("start_time", Time, true),
            ("finish_time", Time, false),
            ("result", ID, false),
            ("traceback", Document, false),
            ("host", NAME, false),
            ("details", Text(255), false),
        ],
        &[],
    ),
    (
        "console_tokens",
        &[
            ("token_hash", ID, true),
            ("server_id", Text(36), true),
            ("epoch", Big, true),
            ("host", NAME, true),
            ("kind", Text(16), true),
            ("access_url_base", Text(255), true),
            ("expires_at", Time, true),
        ],
        &["token_hash"],
    ),
];

/// (name, table, columns, unique).
const INDEXES: &[(&str, &str, &[&str], bool)] = &[
    ("servers_id", "servers", &["id"], true),
    (
        "servers_project",
        "servers",
        &["project_id", "deleted_at"],
        false,
    ),
    ("servers_host", "servers", &["host"], false),
    ("servers_updated", "servers", &["updated_at"], false),
    ("flavors_id", "flavors", &["id"], true),
    ("flavors_name", "flavors", &["name"], true),
    ("services_id", "services", &["id"], true),
    ("services_host", "services", &["host", "binary"], true),
    ("nodes_id", "nodes", &["id"], true),
    ("nodes_name", "nodes", &["name"], true),
    ("nodes_change", "nodes", &["change"], false),
    ("claims_node", "claims", &["node_id"], false),
    (
        "actions_server",
        "instance_actions",
        &["server_id", "request_id"],
        false,
    ),
    (
        "events_server",
        "instance_action_events",
        &["server_id", "request_id"],
        false,
    ),
    (
        "console_tokens_server",
        "console_tokens",
        &["server_id"],
        false,
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        for row in TABLES {
            manager.create_table(table(engine, row)).await?;
        }
        for (name, table, columns, unique) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table);
            for column in *columns {
                index.col(*column);
            }
            if *unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        let first = Query::insert()
            .into_table("changes")
            .columns(["id", "number"])
            .values_panic([1.into(), 0i64.into()])
            .to_owned();
        manager.execute(first).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _, _) in TABLES.iter().rev() {
            manager
                .drop_table(Table::drop().table(*name).to_owned())
                .await?;
        }
        Ok(())
    }
}

pub(super) fn table(engine: DbBackend, (name, columns, key): &TableRow) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(*name);
    for (column, kind, required) in *columns {
        table.col(column_def(engine, column, *kind, *required));
    }
    if !key.is_empty() {
        let mut primary = Index::create();
        for column in *key {
            primary.col(*column);
        }
        table.primary_key(&mut primary);
    }
    table
}

fn column_def(engine: DbBackend, name: &'static str, kind: Kind, required: bool) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match kind {
        Text(length) => column.string_len(length),
        // MariaDB's TEXT ends at 64 KiB, less than user data alone may take.
        Document if engine == DbBackend::MySql => column.custom("longtext"),
        Document => column.text(),
        Int => column.integer(),
        Big => column.big_integer(),
        Float => column.double(),
        Bool => column.boolean(),
        // MariaDB keeps whole seconds unless told otherwise.
        Time if engine == DbBackend::MySql => column.custom("datetime(6)"),
        Time => column.timestamp_with_time_zone(),
        Serial => column.big_integer().auto_increment().primary_key(),
    };
    if required {
        column.not_null();
    }
    column
}
