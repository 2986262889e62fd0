//! How the tables came to be, step by step.

mod m0001_images;
mod m0002_gone_images;
mod m0003_reservations;
mod m0004_metadefs;

use sql::schema::{History, Kind};

/// The tables of the image service.
pub const HISTORY: History = History {
    table: "image_migrations",
    migrations: &[
        m0001_images::MIGRATION,
        m0002_gone_images::MIGRATION,
        m0003_reservations::MIGRATION,
        m0004_metadefs::MIGRATION,
    ],
};

/// A project's id.
const OWNER: Kind = Kind::Varchar(255);
const UUID: Kind = Kind::Varchar(36);
