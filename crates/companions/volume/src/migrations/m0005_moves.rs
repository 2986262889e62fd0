//! How far volumes are that move to another back end.

use sql::schema::Kind::Varchar;
use sql::schema::{Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "m0005_moves",
    steps: &[Step::AddColumn(
        "volumes",
        col("migration_status", Varchar(32)).null(),
    )],
};
