//! Volumes that are to take the place of others, which servers have.

use sql::schema::Kind::Varchar;
use sql::schema::{Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "m0008_targets",
    steps: &[Step::AddColumn(
        "volumes",
        col("target_of", Varchar(36)).null(),
    )],
};
