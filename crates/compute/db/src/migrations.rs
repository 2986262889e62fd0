//! How the tables come to be. Migrations that were released are never edited.

mod m0001_initial;
mod m0002_aggregates;
mod m0003_server_passwords;
mod m0004_server_groups;
mod m0005_quarantine;
mod m0006_purge;
mod m0007_console_owner;
mod m0008_server_migrations;
mod m0009_soft_delete;
mod m0010_lists;
mod m0011_events;

use sql::schema::{History, Kind};

/// The tables of the compute database, workflows included.
pub const HISTORY: History = History {
    table: "compute_migrations",
    migrations: &[
        workflow::MIGRATION,
        m0001_initial::MIGRATION,
        m0002_aggregates::MIGRATION,
        m0003_server_passwords::MIGRATION,
        m0004_server_groups::MIGRATION,
        m0005_quarantine::MIGRATION,
        m0006_purge::MIGRATION,
        m0007_console_owner::MIGRATION,
        workflow::SIGNALS_MIGRATION,
        m0008_server_migrations::MIGRATION,
        m0009_soft_delete::MIGRATION,
        m0010_lists::MIGRATION,
        m0011_events::MIGRATION,
    ],
};

const ID: Kind = Kind::Varchar(64);
/// 191 characters are the most that every MariaDB index takes in utf8mb4.
const NAME: Kind = Kind::Varchar(191);
const UUID: Kind = Kind::Varchar(36);
