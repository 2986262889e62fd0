//! Limits of types with long names have room: a name of 255 characters behind a word, 300 as in Cinder's tables.

use sql::schema::Kind::Varchar;
use sql::schema::{Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "m0007_quotas",
    steps: &[Step::Widen("quotas", col("resource", Varchar(300)))],
};
