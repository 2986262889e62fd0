//! The section about the databases.

use std::time::Duration;

use settings::{Opt, Reader, Section};

/// `[database]`.
#[derive(Debug, Clone)]
pub struct DatabaseSection {
    pub connection: Option<String>,
    /// Of all four databases.
    pub options: sql::Options,
    /// Of compute's database.
    pub keep: compute_conductor::Keep,
}

impl Section for DatabaseSection {
    const NAME: &'static str = "database";
    const ABOUT: &'static str = "The database of compute, and limits that hold for all databases.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::secret(
                "connection",
                "",
                "`sqlite:/path/file`, `postgres://user:password@host/name` or \
                 `mysql://user:password@host/name`; a file of the state folder when empty.",
            ),
            Opt::integer(
                "max_pool_size",
                "20",
                "Most connections of each service to a PostgreSQL or MariaDB server.",
            )
            .range(2, 10_000),
            Opt::seconds(
                "pool_timeout",
                "30",
                "Longest wait for a connection to be free.",
            ),
            Opt::seconds(
                "statement_timeout",
                "60",
                "Longest that a statement runs on PostgreSQL and MariaDB.",
            ),
            Opt::seconds(
                "lock_timeout",
                "10",
                "Longest wait for a lock that another transaction, or on SQLite another process, \
                 holds. Must be less than `statement_timeout`.",
            ),
            Opt::seconds(
                "idle_transaction_timeout",
                "60",
                "After so long PostgreSQL and MariaDB end a transaction whose process hangs or is \
                 gone, and free its locks.",
            ),
            Opt::seconds(
                "purge_deleted_after",
                "2592000",
                "Deleted servers, with their actions, are forgotten after so long; 0 keeps them for \
                 ever. One stays while its host, silent since, may still have its guest.",
            ),
            Opt::seconds(
                "purge_actions_after",
                "31536000",
                "Actions of servers that live are forgotten after so long; 0 keeps them for ever.",
            ),
            Opt::seconds(
                "purge_events_after",
                "604800",
                "Events of the sequence (`GET /servers/events`) are forgotten after so long; 0 keeps them for ever.",
            ),
            Opt::seconds(
                "purge_workflows_after",
                "604800",
                "Operations that ended are forgotten after so long; 0 keeps them for ever.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let options = sql::Options {
            connections: from.integer("max_pool_size"),
            pool_timeout: from.seconds("pool_timeout"),
            statement_timeout: from.seconds("statement_timeout"),
            lock_timeout: from.seconds("lock_timeout"),
            idle_transaction_timeout: from.seconds("idle_transaction_timeout"),
        };
        let limits = [
            ("pool_timeout", options.pool_timeout),
            ("statement_timeout", options.statement_timeout),
            ("lock_timeout", options.lock_timeout),
            ("idle_transaction_timeout", options.idle_transaction_timeout),
        ];
        for (name, limit) in limits {
            if limit < Duration::from_secs(1) {
                from.refuse(
                    name,
                    "a limit is at least a second: without one a wait has no end",
                );
            }
        }
        if options.lock_timeout >= options.statement_timeout {
            from.refuse(
                "lock_timeout",
                "must be less than statement_timeout, which ends the statement that waits",
            );
        }
        let mut kept = |name: &str| Some(from.seconds(name)).filter(|keep| !keep.is_zero());
        let keep = compute_conductor::Keep {
            deleted_servers: kept("purge_deleted_after"),
            actions: kept("purge_actions_after"),
            events: kept("purge_events_after"),
            workflows: kept("purge_workflows_after"),
        };
        DatabaseSection {
            connection: from.optional("connection"),
            options,
            keep,
        }
    }
}
