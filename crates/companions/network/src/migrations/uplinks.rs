//! Whether this host is the way out of an external network: only operators make it that.

use sql::schema::Kind::Bool;
use sql::schema::{Literal, Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "uplinks",
    steps: &[Step::AddColumn(
        "net_networks",
        col("uplink", Bool).default(Literal::Flag(true)),
    )],
};
