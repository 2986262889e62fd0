//! The one door to databases: SQLite, PostgreSQL and MariaDB behind one handle.
//!
//! Promises:
//! - the same migrations and queries run on all three engines;
//! - on SQLite there is one writing connection, so a transaction never meets `database is locked`
//!   inside this process, and readers never wait for it (WAL);
//! - a conflict that another attempt can heal is retried in one place: [`retry`];
//! - transactions of a server run at `READ COMMITTED`: whoever decides on what a row says locks it
//!   (or changes it on condition and counts the rows), whoever counts takes a turn first;
//! - nothing waits for ever: see [`Options`];
//! - tables are brought up to date by one process at a time, wholly or not at all.
//!
//! Rules for users: transactions are short, never wait for the network, and are never nested
//! (on SQLite a second `begin` in the same task would wait for the first for ever).

mod clock;
mod connection;
mod database;
mod durable;
mod error;
mod options;
mod probe;
mod read_only;
mod retry;
pub mod schema;
#[cfg(feature = "testing")]
pub mod testing;

pub use clock::{from_now, now};
pub use connection::Connection;
pub use database::{Database, Engine};
pub use error::{NO_ROOM, SqlError};
pub use options::Options;
pub use read_only::ReadOnly;
pub use retry::{AsConflict, attempt, retry};

pub use sea_orm;

/// A moment as our tables keep it.
///
/// PostgreSQL and MariaDB store microseconds; a nanosecond that is lost on the way would make a
/// value read back differ from the value written, so it is cut before writing.
pub fn micros(at: chrono::DateTime<chrono::Utc>) -> chrono::DateTime<chrono::Utc> {
    use chrono::SubsecRound;
    at.trunc_subsecs(6)
}
