//! The sections about the companions and the databases.

use std::path::PathBuf;
use std::str::FromStr;

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
            policy_file: policy::file(from),
        }
    }
}

/// `[database]`.
#[derive(Debug, Clone)]
pub struct DatabaseSection {
    pub connection: Option<String>,
}

impl Section for DatabaseSection {
    const NAME: &'static str = "database";
    const ABOUT: &'static str = "The database of compute.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[Opt::secret(
            "connection",
            "",
            "`sqlite:/path/file`, `postgres://user:password@host/name` or \
             `mysql://user:password@host/name`; a file of the state folder when empty.",
        )];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        DatabaseSection {
            connection: from.optional("connection"),
        }
    }
}
