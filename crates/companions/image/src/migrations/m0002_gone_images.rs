//! Ids of images that were deleted, which no other image may take (see [`crate::db::gone`]).

use sql::schema::Kind::Time;
use sql::schema::{Migration, Step, Table, col};

use super::UUID;

pub const MIGRATION: Migration = Migration {
    name: "m0002_gone_images",
    steps: &[Step::Create(&[Table::new(
        "gone_images",
        &["id"],
        &[col("id", UUID), col("deleted_at", Time)],
    )])],
};
