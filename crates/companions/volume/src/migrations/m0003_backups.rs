//! Backups of volumes.

use sql::schema::Kind::{BigInt, MediumText, Time, Varchar};
use sql::schema::{Migration, Step, Table, col, index};

pub const MIGRATION: Migration = Migration {
    name: "m0003_backups",
    steps: &[Step::Create(&[BACKUPS])],
};

const BACKUPS: Table = Table::new(
    "backups",
    &["id"],
    &[
        col("id", Varchar(64)),
        col("project_id", Varchar(64)),
        col("user_id", Varchar(64)),
        col("volume_id", Varchar(64)),
        col("snapshot_id", Varchar(64)).null(),
        col("parent_id", Varchar(64)).null(),
        col("name", Varchar(255)).null(),
        col("description", MediumText).null(),
        col("status", Varchar(32)),
        col("size", BigInt),
        col("object_count", BigInt),
        col("container", Varchar(255)).null(),
        col("availability_zone", Varchar(255)).null(),
        col("host", Varchar(255)).null(),
        col("service", Varchar(255)).null(),
        col("fail_reason", MediumText).null(),
        col("restore_volume_id", Varchar(64)).null(),
        col("data_timestamp", Time),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[
    index(
        "ix_backups_project_id_created_at",
        &["project_id", "created_at"],
    ),
    index("ix_backups_volume_id", &["volume_id"]),
    index("ix_backups_parent_id", &["parent_id"]),
]);
