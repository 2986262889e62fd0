//! What an operator decides about the way to a database.

use std::time::Duration;

/// Limits on connections and on what is done over them: nothing waits for ever.
///
/// The database server keeps the limits of statements, locks and idle transactions; it also drops a
/// client that is gone. A server that hangs keeps none of them: [`crate::Connection`] and
/// [`crate::retry`] give up by themselves, [`Options::grace`] later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Most connections of a service to a database server (`max_pool_size`). SQLite has its own.
    pub connections: u32,
    /// Longest wait for a connection: longer than any transaction, short enough that a client
    /// still listens.
    pub pool_timeout: Duration,
    /// Longest a single statement runs.
    pub statement_timeout: Duration,
    /// Longest wait for a lock that somebody else holds; on SQLite for another process's.
    pub lock_timeout: Duration,
    /// Longest a transaction stays open with nothing to do, before the server ends it and frees its
    /// locks: whoever began it hangs or is gone.
    pub idle_transaction_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connections: 20,
            pool_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(10),
            idle_transaction_timeout: Duration::from_secs(60),
        }
    }
}

/// What a server is given to say by itself that a limit was passed.
const GRACE: Duration = Duration::from_secs(5);

impl Options {
    /// After so long without an answer a statement is given up on this side.
    pub(crate) fn patience(&self) -> Duration {
        self.pool_timeout + self.statement_timeout + GRACE
    }

    /// What a new PostgreSQL session is told. TCP's own questions go to a silent client after 30
    /// seconds, three times, so that the locks of a machine that died are free within a minute.
    pub(crate) fn postgres(&self) -> String {
        let millis = |limit: Duration| limit.as_millis();
        format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}; \
             SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3",
            millis(self.statement_timeout),
            millis(self.lock_timeout),
            millis(self.idle_transaction_timeout),
        )
    }

    /// What a new MariaDB session is told; the second part only MariaDB reads, MySQL has other names.
    ///
    /// With `READ COMMITTED`, PostgreSQL's own level, what a transaction reads after it got a lock
    /// is what the lock's last holder left, on both engines.
    pub(crate) fn mariadb(&self) -> String {
        let seconds = |limit: Duration| limit.as_secs().max(1);
        format!(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
             SET SESSION innodb_lock_wait_timeout = {} \
             /*M!100301 , SESSION max_statement_time = {}, SESSION idle_transaction_timeout = {} */",
            seconds(self.lock_timeout),
            seconds(self.statement_timeout),
            seconds(self.idle_transaction_timeout),
        )
    }
}

#[cfg(test)]
mod tests;
