//! Opening a database and beginning transactions.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as Orm, DatabaseConnection, DatabaseTransaction,
    DbErr, RuntimeErr, SqliteTransactionMode, SqlxSqliteConnector, TransactionOptions,
    TransactionTrait,
};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::connection::{Connection, no_answer};
use crate::durable::Log;
use crate::{Options, SqlError};

/// Readers of a SQLite file: more than two cores' worth gains nothing, and each costs a thread.
const SQLITE_READERS: u32 = 4;

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
    pub(crate) engine: Engine,
    reader: Connection,
    pub(crate) writer: Connection,
    /// The write-ahead log of a SQLite file.
    pub(crate) log: Option<Arc<Log>>,
}

impl Database {
    /// Opens `url` (`sqlite:/path/file`, `postgres://…`, `mysql://…`) with the usual limits; a missing
    /// SQLite file is made.
    ///
    /// # Errors
    /// [`SqlError::Open`] with a hint for the operator when the file is not writable or the server
    /// does not answer.
    pub async fn open(url: &str) -> Result<Self, SqlError> {
        Self::open_with(url, &Options::default()).await
    }

    /// [`Database::open`] with an operator's limits.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_with(url: &str, options: &Options) -> Result<Self, SqlError> {
        let engine = Engine::of(url)?;
        let patience = options.patience();
        if engine != Engine::Sqlite {
            let pool = connect(url, url, options, |connect| {
                connect.max_connections(options.connections);
                limited(connect, options);
            })
            .await?;
            let pool = Connection {
                inner: pool,
                patience,
            };
            return Ok(Database {
                engine,
                reader: pool.clone(),
                writer: pool,
                log: None,
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
        let shown = format!("sqlite:{file}");
        let writer = sqlite_writer(&shown, options).await?;
        refuse_read_only(&writer, file).await?;
        let reader = sqlite_readers(&shown, options)?;
        let bounded = |inner| Connection { inner, patience };
        Ok(Database {
            engine,
            reader: bounded(reader),
            writer: bounded(writer),
            log: Some(Log::of(Path::new(file))),
        })
    }

    /// Which engine answers.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// A connection for reading outside a transaction. Writing through it breaks the one-writer
    /// promise on SQLite.
    pub fn read(&self) -> &Connection {
        &self.reader
    }

    /// Begins a transaction for writing. On SQLite it holds the only writer until it ends.
    ///
    /// It is begun to the end even when nobody waits for it any more, and rolled back then: the library loses count of
    /// a transaction whose `BEGIN` was dropped on its way, and what is written on that connection later would be a part
    /// of it and never committed.
    pub async fn begin(&self) -> Result<DatabaseTransaction, SqlError> {
        let mode = (self.engine == Engine::Sqlite).then_some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions {
            sqlite_transaction_mode: mode,
            ..Default::default()
        };
        let patience = self.writer.patience;
        let writer = self.writer.inner.clone();
        let begun = tokio::spawn(async move { writer.begin_with_options(options).await });
        match tokio::time::timeout(patience, begun).await {
            Ok(Ok(begun)) => Ok(begun?),
            Ok(Err(ended)) => Err(DbErr::Custom(ended.to_string()).into()),
            Err(_) => Err(no_answer(patience).into()),
        }
    }

    /// A connection for a single writing statement, which is its own transaction.
    pub fn write(&self) -> &Connection {
        &self.writer
    }

    /// Closes all connections; on SQLite this also folds the write-ahead log into the file.
    pub async fn close(self) -> Result<(), SqlError> {
        if self.engine == Engine::Sqlite {
            self.reader.inner.close().await?;
        }
        Ok(self.writer.inner.close().await?)
    }

    /// Rows of this database speak of rows of `others`, which are written first and not waited for:
    /// [`Database::durable`] sees to those before its own. Set once, at the start.
    pub fn durable_after(&self, others: &[&Database]) {
        if let Some(log) = &self.log {
            log.after(others.iter().filter_map(|db| db.log.clone()).collect());
        }
    }

    /// Returns when everything that was committed before the call outlives a power cut. To be waited
    /// for before a client is told that something was done or accepted. Calls at the same time share
    /// the cost. PostgreSQL and MariaDB see to it themselves.
    ///
    /// # Errors
    /// [`SqlError::NotDurable`]: the disk refuses. What was committed is there, but may be lost.
    pub async fn durable(&self) -> Result<(), SqlError> {
        match &self.log {
            Some(log) => log.sync().await.map_err(SqlError::NotDurable),
            None => Ok(()),
        }
    }
}

/// The one connection that writes to a file, which is made when it is missing.
async fn sqlite_writer(shown: &str, options: &Options) -> Result<DatabaseConnection, SqlError> {
    let url = format!("{shown}?mode=rwc");
    let wait = options.lock_timeout;
    // A file does not hang up: asking first would cost a second trip per statement.
    let tune = |connect: &mut ConnectOptions| {
        connect
            .max_connections(1)
            .test_before_acquire(false)
            .map_sqlx_sqlite_opts(move |sqlite| tuned(sqlite, wait))
            .map_sqlx_sqlite_pool_opts(|pool| {
                pool.after_release(|session, _| Box::pin(is_at_rest(session)))
            });
    };
    let until = Instant::now() + wait;
    loop {
        // SQLite does not wait by itself while another process makes the log.
        match connect(&url, shown, options, tune).await {
            Err(error) if error.is_conflict() && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened,
        }
    }
}

/// Connections for reading a file that a writer opened, each made when somebody reads.
fn sqlite_readers(shown: &str, options: &Options) -> Result<DatabaseConnection, SqlError> {
    let url = format!("{shown}?mode=rw");
    let unusable = |error: sqlx::Error| SqlError::Open {
        url: shown.to_owned(),
        hint: hint(shown),
        source: DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    };
    let file: sqlx::sqlite::SqliteConnectOptions = url.parse().map_err(unusable)?;
    let file = tuned(file, options.lock_timeout).disable_statement_logging();
    let pool = sqlx::sqlite::SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(options.pool_timeout)
        .test_before_acquire(false)
        .connect_lazy_with(file);
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

/// WAL lets readers and the writer work side by side; with it `NORMAL` loses at most the last
/// transactions at a power cut, never consistency, and [`Database::durable`] makes sure of those.
fn tuned(
    options: sqlx::sqlite::SqliteConnectOptions,
    wait: Duration,
) -> sqlx::sqlite::SqliteConnectOptions {
    use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .with_regexp()
        .busy_timeout(wait)
        .foreign_keys(true)
        .pragma("cache_size", "-4096")
        .pragma("temp_store", "memory")
        // The journal of workflows holds secrets while they are needed: what is deleted is gone from the file.
        .pragma("secure_delete", "on")
}

/// Tells every new session of a server its limits, and lets go of one that does not answer when it is
/// given back: the pool would wait for it for ever, and be one connection smaller.
fn limited(connect: &mut ConnectOptions, options: &Options) {
    let limit = options.pool_timeout;
    let (postgres, mariadb) = (options.postgres(), options.mariadb());
    connect.map_sqlx_postgres_pool_opts(move |pool| {
        let told = postgres.clone();
        pool.after_connect(move |session, _| {
            let told = sqlx::raw_sql(sqlx::AssertSqlSafe(told.clone()));
            Box::pin(async move { session.execute(told).await.map(|_| ()) })
        })
        .after_release(move |session, _| Box::pin(answers(session, limit)))
    });
    connect.map_sqlx_mysql_pool_opts(move |pool| {
        let told = mariadb.clone();
        pool.after_connect(move |session, _| {
            let told = sqlx::raw_sql(sqlx::AssertSqlSafe(told.clone()));
            Box::pin(async move { session.execute(told).await.map(|_| ()) })
        })
        .after_release(move |session, _| Box::pin(answers(session, limit)))
    });
}

/// Whether a connection to a file has no transaction left open when it is given back. On a full disk SQLite ends a
/// transaction by itself, and the library's own roll-back then fails: it would go on counting a transaction, and later
/// ones would be parts of it that nobody ever commits. Such a connection is closed.
async fn is_at_rest(session: &mut sqlx::SqliteConnection) -> Result<bool, sqlx::Error> {
    use sqlx::Connection;
    if session.is_in_transaction() {
        // Answered after whatever was sent before it, a roll-back that nobody waits for among it.
        session.ping().await?;
    }
    Ok(!session.is_in_transaction())
}

async fn answers<S: sqlx::Connection>(
    session: &mut S,
    limit: Duration,
) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(limit, session.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

async fn connect(
    url: &str,
    shown: &str,
    limits: &Options,
    tune: impl FnOnce(&mut ConnectOptions),
) -> Result<DatabaseConnection, SqlError> {
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .acquire_timeout(limits.pool_timeout)
        .connect_timeout(Duration::from_secs(10))
        .min_connections(1);
    tune(&mut options);
    Orm::connect(options)
        .await
        .map_err(|source| SqlError::Open {
            url: without_password(shown),
            hint: hint(shown),
            source: quotes_nothing(source, url),
        })
}

/// The libraries quote a URL that they cannot read.
fn quotes_nothing(error: DbErr, url: &str) -> DbErr {
    let text = error.to_string();
    match text.contains(url) {
        true => DbErr::Custom(text.replace(url, &without_password(url))),
        false => error,
    }
}

/// A read-only file opens without complaint and fails at the first write: find out now.
async fn refuse_read_only(writer: &DatabaseConnection, file: &str) -> Result<(), SqlError> {
    // To begin as a writer is refused already; nothing need be written.
    let probe = "BEGIN IMMEDIATE; ROLLBACK";
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

/// The URL without the part between `:` and `@` and without options, which may hold a password too,
/// for messages.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // A password may have a question mark that should have been written as `%3F`.
    let options = rest.rfind('@').unwrap_or_default();
    let options = rest[options..].find('?').map(|at| options + at);
    let rest = &rest[..options.unwrap_or(rest.len())];
    match rest.rsplit_once('@') {
        Some((login, place)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{place}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::FutureExt;

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
        for url in [
            "postgres://me:hidden@127.0.0.1:1/x",
            "postgres://me:hidden@127.0.0.1:odd/x",
            "postgres://me:hi@hidden@127.0.0.1:1/x",
            "postgres://127.0.0.1:1/x?user=me&password=hidden",
            "mysql://me:hidden@127.0.0.1:odd/x?ssl-mode=odd",
            "odd://me:hidden@127.0.0.1:1/x",
        ] {
            let options = Options {
                pool_timeout: Duration::from_secs(1),
                ..Options::default()
            };
            let opened = Database::open_with(url, &options).await;
            let error = opened.expect_err("nobody listens");
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = source {
                assert!(!error.to_string().contains("hidden"), "{url}: {error}");
                source = error.source();
            }
        }
    }

    #[tokio::test]
    async fn a_transaction_that_nobody_waits_for_any_more_takes_no_later_write_with_it() {
        for (db, other) in crate::testing::pairs().await {
            db.write()
                .execute_unprepared("CREATE TABLE t (a INT)")
                .await
                .expect("create");
            for round in 0..100 {
                // Dropped after so many polls, each after something happened.
                let mut polls = round % 7;
                let begun = std::pin::pin!(db.begin());
                let mut begun = begun.fuse();
                std::future::poll_fn(|cx| {
                    if polls == 0 || begun.poll_unpin(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    polls -= 1;
                    Poll::Pending
                })
                .await;
            }
            for written in 1..=30_i64 {
                db.write()
                    .execute_unprepared("INSERT INTO t VALUES (1)")
                    .await
                    .expect("written");
                let count = sea_orm::Statement::from_string(
                    other.read().get_database_backend(),
                    "SELECT COUNT(*) AS n FROM t",
                );
                let row = other.read().query_one_raw(count).await.expect("read");
                let seen: i64 = row.expect("a row").try_get("", "n").expect("a number");
                assert_eq!(seen, written, "{:?}", db.engine());
            }
        }
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
        use crate::schema::{History, Kind, Migration, Step, Table, col};

        const NOTES: History = History {
            table: "note_migrations",
            migrations: &[Migration {
                name: "note",
                steps: &[Step::Create(&[Table::new(
                    "note",
                    &["text"],
                    &[col("text", Kind::Varchar(100))],
                )])],
            }],
        };
        for db in crate::testing::engines().await {
            db.apply(&NOTES).await.expect("migrate");
            for text in ["Ost", "ost", "東京 🥊"] {
                let insert = format!("INSERT INTO note (text) VALUES ('{text}')");
                let inserted = db.write().execute_unprepared(&insert).await;
                inserted.unwrap_or_else(|error| panic!("{:?} {text}: {error}", db.engine()));
            }
        }
    }
}
