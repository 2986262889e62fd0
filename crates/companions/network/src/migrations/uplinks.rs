//! Policies that make this host the way out of the network that they make external: those of operators.

use sql::schema::Kind::Bool;
use sql::schema::{Literal, Migration, Step, col};

pub const MIGRATION: Migration = Migration {
    name: "uplinks",
    steps: &[Step::AddColumn(
        "net_rbac_policies",
        col("uplink", Bool).default(Literal::Flag(true)),
    )],
};
