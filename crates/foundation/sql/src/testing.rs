//! Fresh, empty databases for tests: SQLite always; PostgreSQL and MariaDB when
//! `KILONOVA_TEST_POSTGRES` or `KILONOVA_TEST_MARIADB` hold a server's URL with the right to create
//! databases (`cargo xtask services -- cargo test` starts both and sets them).

use sea_orm::ConnectionTrait;

use crate::{Database, Engine};

/// Variables that name database servers for tests.
const SERVERS: [&str; 2] = ["KILONOVA_TEST_POSTGRES", "KILONOVA_TEST_MARIADB"];

/// One fresh database on each engine that this environment offers.
pub async fn engines() -> Vec<Database> {
    let mut all = Vec::new();
    for url in urls().await {
        all.push(Database::open(&url).await.expect("fresh database"));
    }
    all
}

/// The same, each opened twice, as two processes do that share it.
pub async fn pairs() -> Vec<(Database, Database)> {
    let mut all = Vec::new();
    for url in urls().await {
        let open = async || Database::open(&url).await.expect("fresh database");
        all.push((open().await, open().await));
    }
    all
}

/// The URL of a fresh database on each engine that this environment offers: for tests that open one
/// several times, as several processes would.
pub async fn urls() -> Vec<String> {
    let mut all = vec![sqlite_url()];
    for variable in SERVERS {
        if let Some(server) = server(variable) {
            all.push(fresh_url(&server).await);
        }
    }
    all
}

/// The URL of the database server that this variable names; without one, what needs it is skipped.
#[allow(
    clippy::disallowed_methods,
    reason = "tests learn from the environment which servers there are"
)]
pub fn server(variable: &str) -> Option<String> {
    let server = std::env::var(variable).ok();
    if server.is_none() {
        skips::skip(format!("{variable} names no database server"));
    }
    server
}

/// A fresh SQLite database in a file that is forgotten with the temporary folder.
pub async fn sqlite() -> Database {
    Database::open(&sqlite_url())
        .await
        .expect("fresh SQLite database")
}

fn sqlite_url() -> String {
    let folder = tempfile::tempdir().expect("temporary folder").keep();
    format!("sqlite:{}", folder.join("test.sqlite").display())
}

/// Creates a database on `server` and gives its URL.
pub async fn fresh_url(server: &str) -> String {
    let name = format!("kn_{}", uuid::Uuid::new_v4().simple());
    let admin = Database::open(server)
        .await
        .expect("database server answers");
    admin
        .write()
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("create database");
    let (base, _) = server.rsplit_once('/').expect("a URL ends in /database");
    match admin.engine() {
        Engine::Sqlite => unreachable!("SQLite needs no server"),
        Engine::Postgres | Engine::MariaDb => format!("{base}/{name}"),
    }
}
