//! The sections about the companions and the databases.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use network::GatewayService;
use settings::{Opt, Reader, Section};

use super::policy;

/// `[identity]`.
#[derive(Debug, Clone)]
pub struct IdentitySection {
    pub connection: Option<String>,
    pub token_expiration: i64,
    pub password_hash_rounds: u32,
    pub policy_file: Option<PathBuf>,
}

impl Section for IdentitySection {
    const NAME: &'static str = "identity";
    const ABOUT: &'static str = "The embedded identity service.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::secret(
                "connection",
                "",
                "Its database; a file of the state folder when empty.",
            ),
            Opt::integer("token_expiration", "3600", "Life of a token in seconds.")
                .range(60, 31_536_000)
                .formerly(&["token/expiration"]),
            Opt::integer(
                "password_hash_rounds",
                "12",
                "Cost of a password hash: 2^rounds.",
            )
            .range(4, 31),
            policy::OPTION,
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        IdentitySection {
            connection: from.optional("connection"),
            token_expiration: from.integer("token_expiration"),
            password_hash_rounds: from.integer("password_hash_rounds"),
            policy_file: policy::file(from),
        }
    }
}

/// What makes networks real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// `Linux` where it can work, else `None` with a warning.
    Auto,
    Linux,
    None,
}

impl FromStr for Plane {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "auto" => Ok(Plane::Auto),
            "linux" => Ok(Plane::Linux),
            "none" => Ok(Plane::None),
            _ => Err("auto, linux or none"),
        }
    }
}

/// `[network]`.
#[derive(Debug, Clone)]
pub struct NetworkSection {
    pub connection: Option<String>,
    pub plane: Plane,
    pub mtu: i32,
    pub dns_domain: String,
    pub gateway_services: BTreeSet<GatewayService>,
    pub connections_per_port: Option<u32>,
    pub policy_file: Option<PathBuf>,
}

impl Section for NetworkSection {
    const NAME: &'static str = "network";
    const ABOUT: &'static str = "The embedded network service.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::secret(
                "connection",
                "",
                "Its database; a file of the state folder when empty.",
            ),
            Opt::choice(
                "plane",
                &["auto", "linux", "none"],
                "auto",
                "What makes networks real: bridges, taps and namespaces of this machine (`linux`, \
                 needs root), nothing (`none`), or `auto`: `linux` for QEMU as root, else `none`.",
            ),
            Opt::integer("mtu", "1500", "Largest packet of new networks in bytes.")
                .range(576, 65535),
            Opt::text(
                "dns_domain",
                "openstacklocal",
                "Domain of names that DHCP hands out.",
            ),
            Opt::list(
                "gateway_services",
                "",
                "What servers and routers reach of this machine by the gateway address of an external network, as in \
                 `tcp/53, udp/53, tcp/8000-8010`. Beside these, pings and replies of this machine's own connections \
                 pass; nothing else does, on none of its addresses.",
            ),
            Opt::integer(
                "connections_per_port",
                "",
                "Tracked connections that one server's port may have begun: what is more is dropped, so that one \
                 server cannot use up the kernel's table. When empty 16384, at most a quarter of \
                 `net.netfilter.nf_conntrack_max`; more than half of that is refused.",
            )
            .range(16, 1 << 30),
            policy::OPTION,
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        NetworkSection {
            connection: from.optional("connection"),
            plane: from.parsed("plane").unwrap_or(Plane::Auto),
            mtu: from.integer("mtu"),
            dns_domain: from.text("dns_domain"),
            gateway_services: gateway_services(from),
            connections_per_port: from.optional_integer("connections_per_port"),
            policy_file: policy::file(from),
        }
    }
}

fn gateway_services(from: &mut Reader<'_>) -> BTreeSet<GatewayService> {
    let mut services = BTreeSet::new();
    for text in from.list("gateway_services") {
        match text.parse() {
            Ok(service) => {
                services.insert(service);
            }
            Err(form) => from.refuse("gateway_services", format!("{text:?} is not {form}")),
        }
    }
    services
}

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
            workflows: kept("purge_workflows_after"),
        };
        DatabaseSection {
            connection: from.optional("connection"),
            options,
            keep,
        }
    }
}
