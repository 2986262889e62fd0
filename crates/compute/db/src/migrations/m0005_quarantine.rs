//! Which cloud this database is of, which hosts were to let which servers go, and the guests that
//! no row accounts for.

use sql::schema::Kind::{BigInt, Int, Time, Varchar};
use sql::schema::{Migration, Step, Table, col, index};

use super::{NAME, UUID};

pub const MIGRATION: Migration = Migration {
    name: "compute_0005_quarantine",
    steps: &[Step::Create(&[
        Table::new(
            "cloud",
            &["number"],
            &[
                // Always 1: there is one row.
                col("number", Int),
                col("id", UUID),
                col("created_at", Time),
            ],
        ),
        Table::new(
            "letting_go",
            &["server_id", "node_id"],
            &[
                col("server_id", UUID),
                col("node_id", UUID),
                col("host", NAME),
                col("epoch", BigInt),
                col("at", Time),
            ],
        )
        .indexes(&[index("letting_go_node", &["node_id"])]),
        Table::new(
            "quarantine",
            &["server_id", "node_id"],
            &[
                col("server_id", UUID),
                col("node_id", UUID),
                col("host", NAME),
                col("epoch", BigInt),
                col("power_state", Int),
                col("why", Varchar(255)),
                col("first_seen", Time),
                col("last_seen", Time),
            ],
        )
        .indexes(&[index("quarantine_node", &["node_id"])]),
    ])],
};
