//! Ways to what is old enough to be forgotten, and whose turn it is to do so.

use sql::schema::Kind::Time;
use sql::schema::{Migration, Step, Table, col, index};

use super::ID;

pub const MIGRATION: Migration = Migration {
    name: "compute_0006_purge",
    steps: &[
        Step::Create(&[TURNS]),
        Step::AddIndexes(
            "servers",
            &[index("servers_deleted", &["deleted_at", "seq"])],
        ),
        Step::AddIndexes(
            "instance_actions",
            &[index("actions_updated", &["updated_at"])],
        ),
        Step::AddIndexes(
            "console_tokens",
            &[index("console_tokens_expire", &["expires_at"])],
        ),
    ],
};

/// Work that one process at a time does, and until when nobody else begins it.
const TURNS: Table = Table::new("turns", &["name"], &[col("name", ID), col("until", Time)]);
