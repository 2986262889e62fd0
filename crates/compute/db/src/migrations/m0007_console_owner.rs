//! Console tokens know who asked: the token of the user, sealed with the console's own.

use sql::schema::Kind::Text;
use sql::schema::{Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "compute_0007_console_owner",
    steps: &[Step::AddColumn(
        "console_tokens",
        col("sealed_token", Text).null(),
    )],
};
