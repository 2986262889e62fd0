//! Migrations on MariaDB, which commits every change of a table at once.
//!
//! A migration is noted before it begins, and only when none of its tables is there: so whatever is found of a
//! migration that was noted and not applied is its own, and is taken back. Nobody has used that, since services
//! start when all migrations are applied.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, RuntimeErr, SqlxMySqlConnector};

use crate::schema::{History, Migration, Step};
use crate::{Database, Engine, SqlError};

use super::{TURN, apply_one, ask, open, pending};

const ENGINE: Engine = Engine::MariaDb;

/// Compares by code point.
const COLLATION: &str = "utf8mb4_bin";

/// New tables hold any text and tell case apart, as on the other engines: MariaDB's own
/// default is latin1, which refuses most of the world's names. A session learns its database's
/// collation when it begins, and a lock is a session's, so all of this happens in one session of
/// its own.
pub(super) async fn apply_all(db: &Database, history: &History) -> Result<(), SqlError> {
    let options = db.writer.inner.get_mysql_connection_pool();
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
    let done = up_to_date(&session, history).await;
    session.close().await?;
    done
}

async fn up_to_date(session: &DatabaseConnection, history: &History) -> Result<(), SqlError> {
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
    if collation.as_deref() != Some(COLLATION) {
        let alter = format!("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {COLLATION}");
        session.execute_unprepared(&alter).await?;
    }
    let begun = Begun::open(session, history).await?;
    open(session, ENGINE, history).await?;
    for migration in pending(session, ENGINE, history).await? {
        if begun.was(session, migration).await? {
            tracing::warn!(
                migration = migration.name,
                "a migration was cut off: it runs anew"
            );
            take_back(session, migration).await?;
        } else {
            refuse_others(session, migration).await?;
            begun.note(session, migration).await?;
        }
        apply_one(session, ENGINE, history, migration).await?;
        begun.forget(session, migration).await?;
    }
    Ok(())
}

/// Takes back what a migration made that did not end.
async fn take_back(session: &DatabaseConnection, migration: &Migration) -> Result<(), SqlError> {
    for step in migration.steps.iter().rev() {
        for statement in back(step) {
            session.execute_unprepared(&statement).await?;
        }
    }
    Ok(())
}

/// What takes back a step, whether it was made, half made or not at all. Its table may be one that the migration
/// would have made.
fn back(step: &Step) -> Vec<String> {
    match step {
        Step::Create(tables) => tables
            .iter()
            .rev()
            .map(|table| format!("DROP TABLE IF EXISTS `{}`", table.name))
            .collect(),
        Step::AddColumn(table, column) => vec![format!(
            "ALTER TABLE IF EXISTS `{table}` DROP COLUMN IF EXISTS `{}`",
            column.name
        )],
        Step::AddIndexes(table, indexes) => indexes
            .iter()
            .map(|index| {
                format!(
                    "ALTER TABLE IF EXISTS `{table}` DROP INDEX IF EXISTS `{}`",
                    index.name
                )
            })
            .collect(),
        // What was dropped is dropped when the migration runs again, what a statement wrote is written again, and what
        // is wide enough stays so.
        Step::DropIndexes(..) | Step::Run(_) | Step::Widen(..) => Vec::new(),
    }
}

/// Refuses tables of others that are called as those of a migration which did not begin.
async fn refuse_others(
    session: &DatabaseConnection,
    migration: &Migration,
) -> Result<(), SqlError> {
    let created = migration.steps.iter().flat_map(|step| match step {
        Step::Create(tables) => *tables,
        _ => &[],
    });
    for table in created {
        let question = format!(
            "SELECT CAST(table_name AS CHAR) AS found FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = '{}'",
            table.name
        );
        if let Some(table) = ask(session, &question, "found").await? {
            return Err(SqlError::Taken { table });
        }
    }
    Ok(())
}

/// Migrations that began and have not ended: a table beside that of those that have.
struct Begun {
    table: String,
}

impl Begun {
    async fn open(session: &DatabaseConnection, history: &History) -> Result<Self, DbErr> {
        let table = format!("`{}_begun`", history.table);
        let create =
            format!("CREATE TABLE IF NOT EXISTS {table} (version VARCHAR(255) PRIMARY KEY)");
        session.execute_unprepared(&create).await?;
        Ok(Begun { table })
    }

    async fn was(
        &self,
        session: &DatabaseConnection,
        migration: &Migration,
    ) -> Result<bool, DbErr> {
        let (table, name) = (&self.table, migration.name);
        let question = format!("SELECT version FROM {table} WHERE version = '{name}'");
        let found: Option<String> = ask(session, &question, "version").await?;
        Ok(found.is_some())
    }

    async fn note(&self, session: &DatabaseConnection, migration: &Migration) -> Result<(), DbErr> {
        let (table, name) = (&self.table, migration.name);
        let insert = format!("INSERT INTO {table} VALUES ('{name}')");
        session.execute_unprepared(&insert).await?;
        Ok(())
    }

    async fn forget(
        &self,
        session: &DatabaseConnection,
        migration: &Migration,
    ) -> Result<(), DbErr> {
        let (table, name) = (&self.table, migration.name);
        let delete = format!("DELETE FROM {table} WHERE version = '{name}'");
        session.execute_unprepared(&delete).await?;
        Ok(())
    }
}
