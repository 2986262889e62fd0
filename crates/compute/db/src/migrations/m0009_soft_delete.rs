//! Deleted servers that are kept for a while: since when.

use sql::schema::Kind::Time;
use sql::schema::{Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "compute_0009_soft_delete",
    steps: &[Step::AddColumn(
        "servers",
        col("soft_deleted_at", Time).null(),
    )],
};
