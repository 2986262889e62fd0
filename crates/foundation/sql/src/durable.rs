//! What was committed outlives a power cut: on SQLite by one sync for many commits.
//!
//! `synchronous=NORMAL` leaves commits of a write-ahead log in the system's memory, `FULL` syncs the
//! log in every commit, while the only writer waits. Here the writer goes on, and whoever is about to
//! promise something syncs the log first; all who wait at that moment share one sync. The log's frames
//! are in order and have checksums, so a synced log holds every commit before the sync.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

/// The write-ahead log of a SQLite file.
#[derive(Debug)]
pub(crate) struct Log {
    file: PathBuf,
    /// Callers so far.
    asked: AtomicU64,
    synced: Mutex<Synced>,
    /// Logs that hold what this one's rows speak of: they are synced first.
    first: OnceLock<Vec<Arc<Log>>>,
}

#[derive(Debug, Default)]
struct Synced {
    /// The callers whose commits are on the disk: those up to this number.
    upto: u64,
    /// The log as it was when the last sync began.
    seen: Option<Seen>,
    /// How often the disk was asked.
    syncs: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    length: u64,
    changed_at: SystemTime,
    /// Whether the last change was so long before the sync that a later one has another time.
    settled: bool,
}

/// The clock of a file system may be so coarse, several times over.
const COARSE: Duration = Duration::from_millis(50);

impl Log {
    pub fn of(database: &Path) -> Arc<Self> {
        let mut file = database.as_os_str().to_owned();
        file.push("-wal");
        Arc::new(Log {
            file: file.into(),
            asked: AtomicU64::new(0),
            synced: Mutex::default(),
            first: OnceLock::new(),
        })
    }

    /// Has other logs synced before this one. Set once.
    pub fn after(&self, first: Vec<Arc<Log>>) {
        if self.first.set(first).is_err() {
            tracing::error!(log = %self.file.display(), "what it follows was set before");
        }
    }

    /// Returns when every commit made before the call is on the disk.
    pub async fn sync(self: &Arc<Self>) -> io::Result<()> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut synced = self.synced.lock().await;
        if synced.upto >= number {
            return Ok(());
        }
        let upto = self.asked.load(Ordering::SeqCst);
        for first in self.first.get().into_iter().flatten() {
            Box::pin(first.sync()).await?;
        }
        let (log, before) = (self.clone(), synced.seen);
        let ended = tokio::task::spawn_blocking(move || log.sync_now(before)).await;
        let (seen, asked_disk) = ended.map_err(io::Error::other)??;
        synced.seen = seen;
        synced.upto = upto;
        synced.syncs += u64::from(asked_disk);
        Ok(())
    }

    /// Syncs unless nothing changed since `before`; gives what was seen, and whether it synced.
    fn sync_now(&self, before: Option<Seen>) -> io::Result<(Option<Seen>, bool)> {
        let log = match File::open(&self.file) {
            Ok(log) => log,
            // Folded into the database by its last connection, which synced that.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, false)),
            Err(error) => return Err(error),
        };
        let meta = log.metadata()?;
        let changed_at = meta.modified()?;
        let age = SystemTime::now().duration_since(changed_at);
        let now = Seen {
            inode: meta.ino(),
            length: meta.len(),
            changed_at,
            settled: age.is_ok_and(|age| age > COARSE),
        };
        if before.is_some_and(|before| before.settled && before == now) {
            return Ok((before, false));
        }
        log.sync_data()?;
        if before.is_none_or(|before| before.inode != now.inode)
            && let Some(folder) = self.file.parent()
        {
            // A new log: its name must be on the disk, too.
            fs::File::open(folder)?.sync_all()?;
        }
        Ok((Some(now), true))
    }

    /// How often the disk was asked; for tests.
    #[cfg(test)]
    pub async fn syncs(&self) -> u64 {
        self.synced.lock().await.syncs
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;

    #[tokio::test]
    async fn many_commits_share_a_sync_and_none_is_left_out() {
        let db = crate::testing::sqlite().await;
        db.write()
            .execute_unprepared("CREATE TABLE t (a INT)")
            .await
            .expect("a table");
        db.durable().await.expect("synced");
        let log = db.log.clone().expect("a log");
        let before = log.syncs().await;
        let commit = |number: u32| {
            let db = db.clone();
            async move {
                let insert = format!("INSERT INTO t VALUES ({number})");
                db.write().execute_unprepared(&insert).await.expect("row");
                db.durable().await.expect("synced");
            }
        };
        futures::future::join_all((0..64).map(commit)).await;
        let syncs = log.syncs().await - before;
        assert!((1..64).contains(&syncs), "{syncs} syncs for 64 commits");
    }

    #[tokio::test]
    async fn what_a_row_speaks_of_is_safe_before_the_row() {
        let (servers, ports) = (
            crate::testing::sqlite().await,
            crate::testing::sqlite().await,
        );
        servers.durable_after(&[&ports]);
        let log = ports.log.clone().expect("a log");
        ports
            .write()
            .execute_unprepared("CREATE TABLE t (a INT)")
            .await
            .expect("a table");
        let before = log.syncs().await;
        servers.durable().await.expect("synced");
        assert_eq!(log.syncs().await, before + 1);
    }

    #[tokio::test]
    async fn what_did_not_change_is_not_synced_again() {
        let db = crate::testing::sqlite().await;
        let log = db.log.clone().expect("a log");
        // Until the last change is old enough to tell it from a later one.
        let mut syncs = None;
        while syncs != Some(log.syncs().await) {
            syncs = Some(log.syncs().await);
            tokio::time::sleep(COARSE * 2).await;
            db.durable().await.expect("synced");
        }
        db.write()
            .execute_unprepared("CREATE TABLE t (a INT)")
            .await
            .expect("a table");
        db.durable().await.expect("synced");
        assert_eq!(log.syncs().await, syncs.expect("a number") + 1);
    }
}
