//! The sections about the companions and the databases.

use std::path::PathBuf;
use std::str::FromStr;

use settings::{Opt, Reader, Section};

use super::policy;

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
