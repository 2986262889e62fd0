//! How far snapshots are whose bytes others make.

use sql::schema::Kind::Int;
use sql::schema::{Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "m0010_progress",
    steps: &[Step::AddColumn("snapshots", col("progress", Int).null())],
};
