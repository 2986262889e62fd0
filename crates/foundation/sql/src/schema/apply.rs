//! Bringing tables up to date: one process at a time, and all or nothing.
//!
//! Whoever starts first holds a lock of the database itself, the others wait and find the work done.
//! SQLite and PostgreSQL undo a migration that was cut off, since it is one transaction. MariaDB
//! commits every change of a table at once: there a migration is noted before it begins, and what one
//! that did not end had made is taken back before it runs again.

mod mariadb;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::{History, Migration, rules, statements};
use crate::{Database, Engine, SqlError};

/// How long a start waits for another that brings the same tables up to date.
const TURN: Duration = Duration::from_secs(300);

/// The advisory lock of migrations on PostgreSQL: "kilonova" as a number. Locks of a PostgreSQL
/// database are its own, so all services that share one take turns.
const POSTGRES_LOCK: i64 = 0x6b69_6c6f_6e6f_7661;

impl Database {
    /// Brings the tables of `history` up to date.
    ///
    /// # Errors
    /// [`SqlError::Busy`] when another process does so for too long, [`SqlError::Newer`] when a later version was
    /// here, or the database's own error; then nothing, or only whole migrations, were done, and the next start goes
    /// on.
    pub async fn apply(&self, history: &History) -> Result<(), SqlError> {
        debug_assert_eq!(rules::broken(history), Vec::<String>::new());
        match self.engine {
            Engine::Sqlite => self.apply_on_sqlite(history).await,
            Engine::Postgres => self.apply_on_postgres(history).await,
            Engine::MariaDb => mariadb::apply_all(self, history).await,
        }
    }

    async fn apply_on_sqlite(&self, history: &History) -> Result<(), SqlError> {
        let until = Instant::now() + TURN;
        loop {
            // The transaction is the lock: it begins as a writer.
            let tx = match self.begin().await {
                Err(error) if error.is_conflict() && Instant::now() < until => continue,
                Err(error) if error.is_conflict() => return Err(SqlError::Busy),
                other => other?,
            };
            apply_pending(&tx, self.engine, history).await?;
            return Ok(tx.commit().await?);
        }
    }

    async fn apply_on_postgres(&self, history: &History) -> Result<(), SqlError> {
        let tx = self.begin().await?;
        let turn = TURN.as_millis();
        let lock = format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SET LOCAL lock_timeout = {turn}; SELECT pg_advisory_xact_lock({POSTGRES_LOCK})"
        );
        match tx.execute_unprepared(&lock).await.map_err(SqlError::from) {
            Err(error) if error.is_conflict() => return Err(SqlError::Busy),
            other => other?,
        };
        apply_pending(&tx, self.engine, history).await?;
        Ok(tx.commit().await?)
    }
}

/// Applies what is missing, in a transaction that is rolled back after an error.
async fn apply_pending(
    tx: &impl ConnectionTrait,
    engine: Engine,
    history: &History,
) -> Result<(), SqlError> {
    open(tx, engine, history).await?;
    for migration in pending(tx, engine, history).await? {
        apply_one(tx, engine, history, migration).await?;
    }
    Ok(())
}

/// Makes the table that remembers which migrations were applied.
async fn open(
    conn: &impl ConnectionTrait,
    engine: Engine,
    history: &History,
) -> Result<(), SqlError> {
    let (text, number) = match engine {
        Engine::Sqlite => ("varchar", "integer"),
        Engine::Postgres => ("varchar", "bigint"),
        Engine::MariaDb => ("varchar(255)", "bigint"),
    };
    let table = statements::quoted(engine, history.table);
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {table} \
         ( version {text} NOT NULL PRIMARY KEY, applied_at {number} NOT NULL )"
    );
    conn.execute_unprepared(&create).await?;
    Ok(())
}

/// Migrations that were not applied, oldest first.
async fn pending<'a>(
    conn: &impl ConnectionTrait,
    engine: Engine,
    history: &'a History,
) -> Result<Vec<&'a Migration>, SqlError> {
    let table = statements::quoted(engine, history.table);
    let question = format!("SELECT version FROM {table} ORDER BY version");
    let question = Statement::from_string(conn.get_database_backend(), question);
    let mut applied = BTreeSet::new();
    for row in conn.query_all_raw(question).await? {
        applied.insert(row.try_get::<String>("", "version")?);
    }
    let pending = history
        .migrations
        .iter()
        .filter(|one| !applied.remove(one.name))
        .collect();
    match applied.pop_first() {
        Some(migration) => Err(SqlError::Newer { migration }),
        None => Ok(pending),
    }
}

/// Applies a migration and remembers that it was.
async fn apply_one(
    conn: &impl ConnectionTrait,
    engine: Engine,
    history: &History,
    migration: &Migration,
) -> Result<(), SqlError> {
    tracing::debug!(migration = migration.name, "tables are brought up to date");
    for step in migration.steps {
        for statement in statements::make(engine, step) {
            conn.execute_unprepared(&statement).await?;
        }
    }
    let table = statements::quoted(engine, history.table);
    // Seconds, since 1970.
    let now = chrono::Utc::now().timestamp();
    let insert = format!(
        "INSERT INTO {table} (version, applied_at) VALUES ('{}', {now})",
        migration.name
    );
    conn.execute_unprepared(&insert).await?;
    Ok(())
}

/// The first column of the first row, as `column`.
async fn ask<T: sea_orm::TryGetable>(
    conn: &impl ConnectionTrait,
    question: &str,
    column: &str,
) -> Result<Option<T>, DbErr> {
    let question = Statement::from_string(conn.get_database_backend(), question);
    match conn.query_one_raw(question).await? {
        Some(row) => row.try_get("", column),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
