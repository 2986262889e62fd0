//! Bytes that an upload has reserved of its project's quota, and a row per project on which those
//! who count its images wait for each other.

use sql::schema::Kind::BigInt;
use sql::schema::{Migration, Step, Table, col};

use super::OWNER;

pub const MIGRATION: Migration = Migration {
    name: "m0003_reservations",
    steps: &[
        Step::AddColumn("images", col("reserved", BigInt).null()),
        Step::Create(&[Table::new(
            "quota_turns",
            &["project"],
            &[col("project", OWNER), col("taken", BigInt)],
        )]),
    ],
};
