//! Aggregates of hosts.

use sql::schema::Kind::{BigInt, LongText, Serial, Time};
use sql::schema::{Migration, Step, Table, col, unique};

use super::{NAME, UUID};

pub const MIGRATION: Migration = Migration {
    name: "compute_0002_aggregates",
    steps: &[Step::Create(&[
        Table::new(
            "aggregates",
            &["seq"],
            &[
                col("seq", Serial),
                col("id", UUID),
                col("name", NAME),
                col("metadata", LongText),
                col("created_at", Time),
                col("updated_at", Time).null(),
            ],
        )
        .indexes(&[unique("aggregates_name", &["name"])]),
        Table::new(
            "aggregate_hosts",
            &["aggregate_seq", "host"],
            &[col("aggregate_seq", BigInt), col("host", NAME)],
        ),
    ])],
};
