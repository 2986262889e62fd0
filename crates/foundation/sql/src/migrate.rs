//! Bringing tables up to date: one process at a time, and all or nothing.
//!
//! Whoever starts first holds a lock of the database itself, the others wait and find the work done.
//! SQLite and PostgreSQL undo a migration that was cut off, since it is one transaction. MariaDB
//! commits every change of a table at once: there a migration is noted before it begins, and what one
//! that did not end had made is removed before it runs again.

mod leftovers;

use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, RuntimeErr, SqlxMySqlConnector, Statement,
};
use sea_orm_migration::MigratorTrait;

use crate::{Database, Engine, SqlError};

/// How long a start waits for another that brings the same tables up to date.
const TURN: Duration = Duration::from_secs(300);

/// Compares by code point.
const MARIADB_COLLATION: &str = "utf8mb4_bin";

/// The advisory lock of migrations on PostgreSQL: "kilonova" as a number. Locks of a PostgreSQL
/// database are its own, so all services that share one take turns.
const POSTGRES_LOCK: i64 = 0x6b69_6c6f_6e6f_7661;

impl Database {
    /// Brings the tables of `M` up to date.
    ///
    /// # Errors
    /// [`SqlError::Busy`] when another process does so for too long, or the database's own error; then
    /// nothing, or only whole migrations, were done, and the next start goes on.
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), SqlError> {
        match self.engine {
            Engine::Sqlite => self.migrate_sqlite::<M>().await,
            Engine::Postgres => self.migrate_postgres::<M>().await,
            Engine::MariaDb => self.migrate_mariadb::<M>().await,
        }
    }

    async fn migrate_sqlite<M: MigratorTrait>(&self) -> Result<(), SqlError> {
        let until = Instant::now() + TURN;
        loop {
            // The transaction is the lock: it begins as a writer.
            let tx = match self.begin().await {
                Err(error) if error.is_conflict() && Instant::now() < until => continue,
                Err(error) if error.is_conflict() => return Err(SqlError::Busy),
                other => other?,
            };
            M::up(&tx, None).await?;
            return Ok(tx.commit().await?);
        }
    }

    async fn migrate_postgres<M: MigratorTrait>(&self) -> Result<(), SqlError> {
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
        M::up(&tx, None).await?;
        Ok(tx.commit().await?)
    }

    /// New tables hold any text and tell case apart, as on the other engines: MariaDB's own
    /// default is latin1, which refuses most of the world's names. A session learns its database's
    /// collation when it begins, and a lock is a session's, so all of this happens in one session of
    /// its own.
    async fn migrate_mariadb<M: MigratorTrait>(&self) -> Result<(), SqlError> {
        let options = self.writer.inner.get_mysql_connection_pool();
        let options = options.connect_options().as_ref().clone();
        let pool = sqlx::mysql::MySqlPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
        let session = SqlxMySqlConnector::from_sqlx_mysql_pool(pool);
        // Closing the session frees the lock, also after an error.
        let done = up_to_date::<M>(&session).await;
        session.close().await?;
        done
    }
}

async fn up_to_date<M: MigratorTrait>(session: &DatabaseConnection) -> Result<(), SqlError> {
    let turn = TURN.as_secs();
    let lock = format!(
        "SELECT CAST(GET_LOCK(MD5(CONCAT('kilonova migrations ', DATABASE())), {turn}) AS SIGNED) AS held"
    );
    let held: Option<i64> = ask(session, &lock, "held").await?;
    if held != Some(1) {
        return Err(SqlError::Busy);
    }
    let collation: Option<String> = ask(
        session,
        "SELECT CAST(@@collation_database AS CHAR) AS collation",
        "collation",
    )
    .await?;
    if collation.as_deref() != Some(MARIADB_COLLATION) {
        let alter = format!("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {MARIADB_COLLATION}");
        session.execute_unprepared(&alter).await?;
    }
    let begun = Begun::open::<M>(session).await?;
    loop {
        // One at a time, so that the note names the one under way.
        let pending = M::get_pending_migrations(session).await?;
        let Some(next) = pending.first() else {
            return Ok(());
        };
        if begun.was(session, next.name()).await? {
            tracing::warn!(
                migration = next.name(),
                "a migration was cut off: it runs anew"
            );
            leftovers::remove::<M>(session, next.name()).await?;
        } else {
            begun.note(session, next.name()).await?;
        }
        M::up(session, Some(1)).await?;
        begun.forget(session, next.name()).await?;
    }
}

async fn ask<T: sea_orm::TryGetable>(
    session: &DatabaseConnection,
    question: &str,
    column: &str,
) -> Result<Option<T>, DbErr> {
    let question = Statement::from_string(session.get_database_backend(), question);
    match session.query_one_raw(question).await? {
        Some(row) => row.try_get("", column),
        None => Ok(None),
    }
}

/// The migrations of `M` that began and have not ended: a table beside that of those that have.
struct Begun {
    table: String,
}

impl Begun {
    async fn open<M: MigratorTrait>(session: &DatabaseConnection) -> Result<Self, DbErr> {
        let table = format!("{}_begun", M::migration_table_name());
        let create =
            format!("CREATE TABLE IF NOT EXISTS `{table}` (version VARCHAR(255) PRIMARY KEY)");
        session.execute_unprepared(&create).await?;
        Ok(Begun { table })
    }

    async fn was(&self, session: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
        let question = format!("SELECT version FROM `{}` WHERE version = ?", self.table);
        Ok(session
            .query_one_raw(with(session, &question, name))
            .await?
            .is_some())
    }

    async fn note(&self, session: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
        let insert = format!("INSERT INTO `{}` VALUES (?)", self.table);
        session.execute_raw(with(session, &insert, name)).await?;
        Ok(())
    }

    async fn forget(&self, session: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
        let delete = format!("DELETE FROM `{}` WHERE version = ?", self.table);
        session.execute_raw(with(session, &delete, name)).await?;
        Ok(())
    }
}

fn with(session: &DatabaseConnection, statement: &str, name: &str) -> Statement {
    Statement::from_sql_and_values(session.get_database_backend(), statement, [name.into()])
}

#[cfg(test)]
mod tests;
