//! Passwords that guests post.

use sql::schema::Kind::{Time, Varchar};
use sql::schema::{Migration, Step, Table, col};

use super::UUID;

pub const MIGRATION: Migration = Migration {
    name: "compute_0003_server_passwords",
    steps: &[Step::Create(&[Table::new(
        "server_passwords",
        &["server_id"],
        &[
            col("server_id", UUID),
            // Nova's room for it: four pieces of 255 characters.
            col("password", Varchar(1020)),
            col("created_at", Time),
        ],
    )])],
};
