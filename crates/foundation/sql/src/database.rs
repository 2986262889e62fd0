//! Opening a database and beginning transactions.

use std::path::Path;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as Orm, DatabaseConnection, DatabaseTransaction,
    DbErr, RuntimeErr, SqliteTransactionMode, SqlxMySqlConnector, Statement, TransactionOptions,
    TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use crate::SqlError;

/// Readers of a SQLite file: more than two cores' worth gains nothing, and each costs a thread.
const SQLITE_READERS: u32 = 4;

/// Connections to a database server, per service and process.
const SERVER_CONNECTIONS: u32 = 20;

/// Compares by code point.
const MARIADB_COLLATION: &str = "utf8mb4_bin";

/// How long a request waits for a connection before it fails. Longer than any transaction, short
/// enough that a client still listens.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// The engines that every query and migration of ours must run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Engine {
    fn of(url: &str) -> Result<Self, SqlError> {
        match url.split(':').next().unwrap_or_default() {
            "sqlite" => Ok(Engine::Sqlite),
            "postgres" | "postgresql" => Ok(Engine::Postgres),
            "mysql" | "mariadb" => Ok(Engine::MariaDb),
            _ => Err(SqlError::UnknownEngine(without_password(url))),
        }
    }
}

/// An open database: cheap to clone, shared by all tasks of a service.
#[derive(Debug, Clone)]
pub struct Database {
    engine: Engine,
    reader: DatabaseConnection,
    writer: DatabaseConnection,
}

impl Database {
    /// Opens `url` (`sqlite:/path/file`, `postgres://…`, `mysql://…`); a missing SQLite file is made.
    ///
    /// # Errors
    /// [`SqlError::Open`] with a hint for the operator when the file is not writable or the server
    /// does not answer.
    pub async fn open(url: &str) -> Result<Self, SqlError> {
        let engine = Engine::of(url)?;
        if engine != Engine::Sqlite {
            let pool = connect(url, url, |options| {
                options.max_connections(SERVER_CONNECTIONS);
            })
            .await?;
            return Ok(Database {
                engine,
                reader: pool.clone(),
                writer: pool,
            });
        }
        if url.contains(":memory:") {
            return Err(SqlError::InMemory);
        }
        let file = url
            .trim_start_matches("sqlite:")
            .trim_start_matches("//")
            .split('?')
            .next()
            .unwrap_or_default();
        let writer = connect(
            &format!("sqlite:{file}?mode=rwc"),
            &format!("sqlite:{file}"),
            |options| {
                options
                    .max_connections(1)
                    .test_before_acquire(false)
                    .map_sqlx_sqlite_opts(tuned);
            },
        )
        .await?;
        refuse_read_only(&writer, file).await?;
        let reader = connect(
            &format!("sqlite:{file}?mode=rw"),
            &format!("sqlite:{file}"),
            |options| {
                options
                    .max_connections(SQLITE_READERS)
                    // A file does not hang up: asking first would cost a second trip per read.
                    .test_before_acquire(false)
                    .map_sqlx_sqlite_opts(tuned);
            },
        )
        .await?;
        Ok(Database {
            engine,
            reader,
            writer,
        })
    }

    /// Brings the tables of `M` up to date.
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), SqlError> {
        if self.engine == Engine::MariaDb {
            return self.migrate_mariadb::<M>().await;
        }
        Ok(M::up(&self.writer, None).await?)
    }

    /// New tables hold any text and tell case apart, as on the other engines: MariaDB's own
    /// default is latin1, which refuses most of the world's names. A session learns its database's
    /// collation when it begins, so all of this happens in one session of its own.
    async fn migrate_mariadb<M: MigratorTrait>(&self) -> Result<(), SqlError> {
        let options = self.writer.get_mysql_connection_pool().connect_options();
        let pool = sqlx::mysql::MySqlPoolOptions::new()
            .max_connections(1)
            .connect_with(options.as_ref().clone())
            .await
            .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
        let session = SqlxMySqlConnector::from_sqlx_mysql_pool(pool);
        let question = "SELECT CAST(@@collation_database AS CHAR) AS collation";
        let question = Statement::from_string(session.get_database_backend(), question);
        let collation: Option<String> = match session.query_one_raw(question).await? {
            Some(row) => row.try_get("", "collation")?,
            None => None,
        };
        if collation.as_deref() != Some(MARIADB_COLLATION) {
            let alter = format!("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {MARIADB_COLLATION}");
            session.execute_unprepared(&alter).await?;
        }
        M::up(&session, None).await?;
        Ok(session.close().await?)
    }

    /// Which engine answers.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// A connection for reading outside a transaction. Writing through it breaks the one-writer
    /// promise on SQLite.
    pub fn read(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Begins a transaction for writing. On SQLite it holds the only writer until it ends.
    pub async fn begin(&self) -> Result<DatabaseTransaction, SqlError> {
        let mode = (self.engine == Engine::Sqlite).then_some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions {
            sqlite_transaction_mode: mode,
            ..Default::default()
        };
        Ok(self.writer.begin_with_options(options).await?)
    }

    /// A connection for a single writing statement, which is its own transaction.
    pub fn write(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Closes all connections; on SQLite this also folds the write-ahead log into the file.
    pub async fn close(self) -> Result<(), SqlError> {
        if self.engine == Engine::Sqlite {
            self.reader.close().await?;
        }
        Ok(self.writer.close().await?)
    }
}

/// WAL lets readers and the writer work side by side; with it `NORMAL` loses at most the last
/// transactions at a power cut, never consistency.
fn tuned(options: sqlx::sqlite::SqliteConnectOptions) -> sqlx::sqlite::SqliteConnectOptions {
    use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .with_regexp()
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true)
        .pragma("cache_size", "-4096")
        .pragma("temp_store", "memory")
}

async fn connect(
    url: &str,
    shown: &str,
    tune: impl FnOnce(&mut ConnectOptions),
) -> Result<DatabaseConnection, SqlError> {
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(Duration::from_secs(10))
        .min_connections(1);
    tune(&mut options);
    Orm::connect(options)
        .await
        .map_err(|source| SqlError::Open {
            url: without_password(shown),
            hint: hint(shown),
            source,
        })
}

/// A read-only file opens without complaint and fails at the first write: find out now.
async fn refuse_read_only(writer: &DatabaseConnection, file: &str) -> Result<(), SqlError> {
    let probe = "PRAGMA user_version = 1";
    match writer.execute_unprepared(probe).await {
        Ok(_) => Ok(()),
        Err(source) => Err(SqlError::Open {
            url: format!("sqlite:{file}"),
            hint: hint(&format!("sqlite:{file}")),
            source,
        }),
    }
}

fn hint(url: &str) -> String {
    match url.strip_prefix("sqlite:") {
        Some(file) => {
            let folder = Path::new(file).parent().unwrap_or(Path::new("."));
            if folder.is_dir() {
                format!(
                    "check that this user may write {file} and its folder, and that the disk is not full"
                )
            } else {
                format!("the folder {} does not exist", folder.display())
            }
        }
        None => "check that the server runs and that user, password and database name are right"
            .to_owned(),
    }
}

/// The URL without the part between `:` and `@`, for messages.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((login, place)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{place}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_missing_is_named() {
        let error = Database::open("sqlite:/nowhere/at/all.sqlite")
            .await
            .expect_err("cannot open");
        assert!(
            error
                .to_string()
                .contains("the folder /nowhere/at does not exist")
        );
    }

    #[tokio::test]
    async fn a_password_never_reaches_a_message() {
        let error = Database::open("postgres://me:hidden@127.0.0.1:1/x")
            .await
            .expect_err("nobody listens");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }

    #[tokio::test]
    async fn readers_do_not_wait_for_the_writer() {
        for db in crate::testing::engines().await {
            let tx = db.begin().await.expect("begin");
            tx.execute_unprepared("CREATE TABLE t (a INT)")
                .await
                .expect("create");
            db.read()
                .execute_unprepared("SELECT 1")
                .await
                .expect("read");
            tx.rollback().await.expect("rollback");
        }
    }

    #[tokio::test]
    async fn every_engine_keeps_any_text_and_tells_case_apart() {
        use sea_orm_migration::async_trait::async_trait;
        use sea_orm_migration::prelude::*;

        struct Notes;
        impl MigratorTrait for Notes {
            fn migrations() -> Vec<Box<dyn MigrationTrait>> {
                vec![Box::new(Note)]
            }
        }
        struct Note;
        impl MigrationName for Note {
            fn name(&self) -> &str {
                "note"
            }
        }
        #[async_trait]
        impl MigrationTrait for Note {
            async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
                let text = ColumnDef::new("text")
                    .string_len(100)
                    .primary_key()
                    .to_owned();
                let table = Table::create().table("note").col(text).to_owned();
                manager.create_table(table).await
            }
        }
        for db in crate::testing::engines().await {
            db.migrate::<Notes>().await.expect("migrate");
            for text in ["Ost", "ost", "東京 🥊"] {
                let insert = format!("INSERT INTO note (text) VALUES ('{text}')");
                let inserted = db.write().execute_unprepared(&insert).await;
                inserted.unwrap_or_else(|error| panic!("{:?} {text}: {error}", db.engine()));
            }
        }
    }
}
