//! Migrations: how the tables came to be, oldest first. A migration that shipped is never edited.

mod first;
mod lists;
mod port_forwardings;
mod uplinks;

use sql::schema::{History, Kind};

/// The tables of this service.
pub const HISTORY: History = History {
    table: "network_migrations",
    migrations: &[
        first::MIGRATION,
        port_forwardings::MIGRATION,
        lists::MIGRATION,
        uplinks::MIGRATION,
    ],
};

/// The longest text that the API accepts in most places.
const NAME: Kind = Kind::Varchar(255);
const UUID: Kind = Kind::Varchar(36);
