//! The ways of servers to another size or host.

use sql::schema::Kind::{BigInt, Serial, Time, Varchar};
use sql::schema::{Migration, Step, Table, col, index, unique};

use super::{ID, NAME, UUID};

pub const MIGRATION: Migration = Migration {
    name: "compute_0008_server_migrations",
    steps: &[Step::Create(&[SERVER_MIGRATIONS])],
};

const SERVER_MIGRATIONS: Table = Table::new(
    "server_migrations",
    &["seq"],
    &[
        col("seq", Serial),
        col("id", UUID),
        col("server_id", UUID),
        col("kind", Varchar(32)),
        col("status", Varchar(32)),
        col("source_host", NAME),
        col("source_node", NAME),
        col("dest_host", NAME),
        col("dest_node", NAME),
        col("dest_ip", ID).null(),
        col("old_flavor", BigInt),
        col("new_flavor", BigInt),
        col("user_id", ID),
        col("project_id", ID),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[
    unique("server_migrations_id", &["id"]),
    index("server_migrations_server", &["server_id"]),
    index("server_migrations_created", &["created_at", "seq"]),
]);
