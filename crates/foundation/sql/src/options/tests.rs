//! A database that hangs: a lock that is never freed, a statement without end, a transaction that
//! somebody forgot, a network that swallows everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use tokio::net::{TcpListener, TcpStream};

use crate::{Database, Engine, Options, SqlError};

/// Limits short enough for a test; MariaDB counts in whole seconds.
fn short() -> Options {
    Options {
        connections: 4,
        pool_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(3),
        lock_timeout: Duration::from_secs(1),
        idle_transaction_timeout: Duration::from_secs(2),
    }
}

/// Far more than any of the limits.
const FOR_EVER: Duration = Duration::from_secs(30);

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(FOR_EVER, work)
        .await
        .unwrap_or_else(|_| panic!("{what} waits for ever"))
}

async fn with_a_row(url: &str) -> Database {
    let db = Database::open_with(url, &short()).await.expect("opened");
    for statement in [
        "CREATE TABLE t (a INT PRIMARY KEY, b INT)",
        "INSERT INTO t VALUES (1, 1)",
    ] {
        db.write()
            .execute_unprepared(statement)
            .await
            .expect(statement);
    }
    db
}

const CHANGE: &str = "UPDATE t SET b = b + 1 WHERE a = 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_never_freed_keeps_nobody() {
    for url in crate::testing::urls().await {
        let db = with_a_row(&url).await;
        let other = Database::open_with(&url, &short()).await.expect("opened");
        let holder = other.begin().await.expect("begin");
        holder.execute_unprepared(CHANGE).await.expect("held");
        let begun = Instant::now();
        let change = async || -> Result<(), SqlError> {
            let tx = db.begin().await?;
            tx.execute_unprepared(CHANGE).await?;
            Ok(tx.commit().await?)
        };
        let one = in_time("a change", change()).await;
        let conflict = one.as_ref().is_err_and(SqlError::is_conflict);
        assert!(conflict, "{:?}: {one:?}", db.engine());
        assert!(
            begun.elapsed() >= Duration::from_millis(900),
            "it did not wait"
        );
        // The server ends the transaction that is forgotten; then the change goes through.
        if db.engine() != Engine::Sqlite {
            in_time("a retried change", crate::retry(change))
                .await
                .expect("changed");
            assert!(holder.commit().await.is_err(), "{:?}", db.engine());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_end_is_ended() {
    for url in crate::testing::urls().await {
        let db = with_a_row(&url).await;
        let endless = match db.engine() {
            // SQLite runs in this process, where no statement of ours waits.
            Engine::Sqlite => continue,
            Engine::Postgres => "SELECT pg_sleep(3600)",
            Engine::MariaDb => "SELECT SLEEP(3600) FROM t",
        };
        let begun = Instant::now();
        let ended = in_time("a statement", db.read().execute_unprepared(endless)).await;
        // MariaDB ends the sleep, and the statement says that it was interrupted.
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{:?}: {ended:?}",
            db.engine()
        );
        let again = in_time("another", db.read().execute_unprepared("SELECT 1")).await;
        again.expect("the connection is fine");
    }
}

/// Passes bytes between a client and `server` until `frozen`, then swallows them; the connections
/// stay open.
async fn relay(server: String, frozen: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&server).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(pass(from_client, to_server, frozen.clone()));
            tokio::spawn(pass(from_server, to_client, frozen.clone()));
        }
    });
    port
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    frozen: Arc<AtomicBool>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut piece = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        if !frozen.load(Ordering::SeqCst) && to.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_keeps_nobody() {
    for url in crate::testing::urls().await {
        let Some((login, place)) = url.rsplit_once('@') else {
            continue;
        };
        let (server, name) = place.split_once('/').expect("server/name");
        let frozen = Arc::new(AtomicBool::new(false));
        let port = relay(server.to_owned(), frozen.clone()).await;
        let db = with_a_row(&format!("{login}@127.0.0.1:{port}/{name}")).await;
        frozen.store(true, Ordering::SeqCst);
        let read = in_time("reading", db.read().execute_unprepared("SELECT 1")).await;
        assert!(read.is_err(), "{:?}", db.engine());
        // More than there are connections.
        let begun = futures::future::join_all((0..6).map(|_| db.begin()));
        for begun in in_time("a transaction", begun).await {
            assert!(begun.is_err(), "{:?}", db.engine());
        }
        // Connections that hang are given up: when the network is back, so is the service.
        frozen.store(false, Ordering::SeqCst);
        let again = async { while db.read().execute_unprepared("SELECT 1").await.is_err() {} };
        in_time("reading again", again).await;
    }
}
