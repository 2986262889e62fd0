//! The tables' history. Each migration keeps its own description of the tables, so that an old
//! step never changes when an entity does.

mod m0001_first;
mod m0002_endpoint_filters;
mod m0003_password_rules;

use sql::schema::{History, Kind};

/// The tables of the identity database.
pub const HISTORY: History = History {
    table: "identity_migrations",
    migrations: &[
        m0001_first::MIGRATION,
        m0002_endpoint_filters::MIGRATION,
        m0003_password_rules::MIGRATION,
    ],
};

/// 32 characters of a UUID, or what an operator chose.
const ID: Kind = Kind::Varchar(64);
const NAME: Kind = Kind::Varchar(255);
