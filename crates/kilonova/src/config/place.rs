//! `[DEFAULT]`: where this process is and what it does.

use std::path::PathBuf;
use std::str::FromStr;

use compute_model::HostName;
use settings::{Opt, Reader, Section};

/// Which hypervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    Qemu,
    Fake,
}

impl FromStr for Driver {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "qemu" => Ok(Driver::Qemu),
            "fake" => Ok(Driver::Fake),
            _ => Err("must be qemu (there is no libvirt) or fake"),
        }
    }
}

/// Where this process is and what it does.
#[derive(Debug, Clone)]
pub struct Place {
    pub state_path: PathBuf,
    pub host: HostName,
    pub my_ip: String,
    pub transport_url: String,
    pub compute_driver: Driver,
    pub region: String,
    /// Bytes.
    pub disk_reserve: u64,
}

impl Section for Place {
    const NAME: &'static str = "DEFAULT";
    const ABOUT: &'static str = "Where this process is and what it does.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::path(
                "state_path",
                "var",
                "Folder of everything that this cloud keeps: databases, images, disks, keys, logs.",
            ),
            Opt::text(
                "host",
                "",
                "Name of this machine in the cloud; the machine's own name when empty.",
            ),
            Opt::text(
                "my_ip",
                "127.0.0.1",
                "Address of this machine for other machines.",
            ),
            Opt::text(
                "transport_url",
                "memory://",
                "How roles talk to each other: `memory://` within one process, or \
                 `rabbit://user:password@host:5672/vhost`.",
            )
            .hidden(),
            Opt::choice(
                "compute_driver",
                &["qemu", "fake"],
                "qemu",
                "What runs servers: QEMU, or a simulation for tests and measurements.",
            ),
            Opt::text("region", "RegionOne", "Name of the region in the catalog."),
            Opt::integer(
                "disk_reserve_mb",
                "256",
                "MiB that stay free on the disk of the state folder, for databases and records: \
                 uploads, imports, fetched images, new servers, suspends and copies of disks that would \
                 use them are refused.",
            )
            .range(0, 1 << 30),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let host = match from.optional("host") {
            Some(_) => from.parsed("host"),
            None => machine_name(from),
        };
        Place {
            state_path: from.path("state_path"),
            host: host.unwrap_or_else(localhost),
            my_ip: from.text("my_ip"),
            transport_url: from.text("transport_url"),
            compute_driver: from.parsed("compute_driver").unwrap_or(Driver::Qemu),
            region: from.text("region"),
            disk_reserve: from.integer::<u64>("disk_reserve_mb") << 20,
        }
    }
}

/// The machine's own name; one that cannot be a host's is a mistake to be mended by the option.
fn machine_name(from: &mut Reader<'_>) -> Option<HostName> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    if name.is_empty() {
        return None;
    }
    match name.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            from.refuse("host", format!("the machine's own name {name:?} {error}"));
            None
        }
    }
}

fn localhost() -> HostName {
    "localhost".parse().expect("a host name")
}
