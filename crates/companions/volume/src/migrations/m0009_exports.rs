//! Volumes that are served to hosts.

use sql::schema::Kind::{Bool, Int, Text, Time, Varchar};
use sql::schema::{Migration, Step, Table, col, index, unique};

pub const MIGRATION: Migration = Migration {
    name: "m0009_exports",
    steps: &[Step::Create(&[EXPORTS])],
};

const EXPORTS: Table = Table::new(
    "exports",
    &["id"],
    &[
        col("id", Varchar(64)),
        col("volume_id", Varchar(64)),
        col("attached", Bool),
        col("machine", Varchar(255)),
        col("backend", Varchar(255)),
        col("helper", Varchar(32)),
        col("read_only", Bool),
        col("token", Varchar(64)),
        col("port", Int).null(),
        col("initiator", Text).null(),
        col("secret", Text).null(),
        col("created_at", Time),
    ],
)
.indexes(&[
    index("ix_exports_volume_id", &["volume_id"]),
    unique("uq_exports_machine_port", &["machine", "port"]),
]);
