//! What can go wrong with a database, in the terms of somebody who has to act on it.

use sea_orm::DbErr;

/// A failure of the database or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The URL names no engine that we drive.
    #[error("database URL '{0}' must start with sqlite:, postgres: or mysql:")]
    UnknownEngine(String),
    /// In-memory SQLite would give readers and the writer different databases.
    #[error("an in-memory SQLite database cannot be shared between connections; give a file")]
    InMemory,
    /// The database could not be opened; the text says which and what to do.
    #[error("cannot open the database {url}: {hint}")]
    Open {
        url: String,
        hint: String,
        #[source]
        source: DbErr,
    },
    /// Who began the transaction lost the right to what it writes: nothing was committed.
    #[error("another one took over: nothing was written")]
    Overtaken,
    /// Another process brings the tables up to date, and does not come to an end.
    #[error(
        "another process has been bringing the tables up to date for minutes: stop it, or wait for it, and start again"
    )]
    Busy,
    /// The tables are those of a later version.
    #[error(
        "the database has the migration '{migration}', which this version does not know: start the version that made it, or a later one"
    )]
    Newer { migration: String },
    /// Another service's table is called as one that is to be made.
    #[error(
        "the database has a table '{table}' that is not this service's: give each service a database of its own"
    )]
    Taken { table: String },
    /// The disk does not take what was committed.
    #[error("what was committed may not outlive a power cut: the disk does not take it")]
    NotDurable(#[source] std::io::Error),
    /// A transaction took too long.
    #[error("the database did not finish a transaction within {0:?}")]
    Timeout(std::time::Duration),
    /// A statement failed.
    #[error("database statement failed")]
    Statement(#[from] DbErr),
}

impl SqlError {
    /// Whether another attempt of the same transaction may succeed: deadlock, serialisation
    /// failure, or a lock held by another process.
    pub fn is_conflict(&self) -> bool {
        match self {
            SqlError::Statement(source) | SqlError::Open { source, .. } => is_conflict(source),
            _ => false,
        }
    }

    /// Whether the database has no room left on its disk: reading goes on, and writing does as soon as
    /// there is room.
    pub fn is_full(&self) -> bool {
        match self {
            SqlError::Statement(error) => is_full(error),
            _ => false,
        }
    }

    /// Whether the statement broke a unique constraint: the row exists already.
    pub fn is_duplicate(&self) -> bool {
        match self {
            SqlError::Statement(error) => is_duplicate(error),
            _ => false,
        }
    }
}

/// See [`SqlError::is_duplicate`].
fn is_duplicate(error: &DbErr) -> bool {
    matches!(
        error.sql_err(),
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_))
    )
}

/// The message of a fault when a database is full.
pub const NO_ROOM: &str =
    "The service has no room left on its disk; nothing was changed. Try again later.";

/// SQLITE_FULL; SQLSTATE 53100 (PostgreSQL); 1021 and 1114 (MariaDB), and what the system says in each.
fn is_full(error: &DbErr) -> bool {
    let text = error.to_string();
    [
        "database or disk is full",
        "No space left on device",
        "53100",
        "Disk full",
        "1114 (",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

/// Codes: SQLSTATE 40001, 40P01 and 55P03 (PostgreSQL), 1205 and 1213 (MariaDB), SQLITE_BUSY.
fn is_conflict(error: &DbErr) -> bool {
    let text = error.to_string();
    [
        "40001",
        "40P01",
        "deadlock",
        "Deadlock",
        "Lock wait timeout",
        "lock timeout",
        "could not serialize",
        "database is locked",
        "Record has changed since last read",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;

    #[tokio::test]
    async fn a_full_database_is_no_other_failure_and_writes_again_when_there_is_room() {
        let db = crate::testing::sqlite().await;
        let run = async |text: &str| {
            let done = db.write().execute_unprepared(text).await;
            done.map(drop).map_err(SqlError::from)
        };
        run("CREATE TABLE t (x TEXT)").await.expect("made");
        run("PRAGMA max_page_count = 1").await.expect("as it is");
        let write = "INSERT INTO t VALUES (hex(randomblob(100000)))";
        let refused = run(write).await.expect_err("no room");
        assert!(refused.is_full(), "{refused:?}");
        let wrong = run("INSERT INTO u VALUES (1)").await.expect_err("no table");
        assert!(!wrong.is_full());
        run("PRAGMA max_page_count = 1000000").await.expect("room");
        run(write).await.expect("written");
    }
}
