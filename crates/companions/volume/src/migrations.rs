//! How the tables came to be, step by step.

mod m0001_volumes;
mod m0002_messages;
mod m0003_backups;
mod m0004_groups;
mod m0005_moves;

use sql::schema::History;

/// The tables of the volume service, workflows included.
pub const HISTORY: History = History {
    table: "volume_migrations",
    migrations: &[
        workflow::MIGRATION,
        workflow::SIGNALS_MIGRATION,
        m0001_volumes::MIGRATION,
        m0002_messages::MIGRATION,
        m0003_backups::MIGRATION,
        m0004_groups::MIGRATION,
        m0005_moves::MIGRATION,
    ],
};
