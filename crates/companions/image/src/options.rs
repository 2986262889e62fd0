//! The section of the image service, as operators write it.

use std::time::Duration;

use settings::{Opt, Reader, Section, common};

use crate::limits::Limits;
use crate::settings::{Ranges, Settings, WebDownload};

const OPTIONS: &[Opt] = &[
    common::CONNECTION,
    Opt::path(
        "image_dir",
        "",
        "Folder of image data; `images` in the state folder when empty.",
    ),
    Opt::integer("image_size_cap", "1099511627776", "Largest upload in bytes.").range(1, i64::MAX),
    Opt::boolean(
        "use_keystone_limits",
        "true",
        "Whether the identity service's unified limits hold: what is registered for the image \
         service and what is set for a project goes before the four options that follow.",
    ),
    Opt::integer(
        "image_size_total",
        "102400",
        "MiB of image data that a project may have; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "image_stage_total",
        "102400",
        "MiB that a project may have staged for imports; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "image_count_total",
        "1000",
        "Images that a project may have; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "image_count_uploading",
        "100",
        "Images of a project that receive data or wait staged; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "transfers",
        "64",
        "Uploads and imports under way at once; each takes two threads.",
    )
    .range(1, 10_000),
    Opt::integer(
        "transfers_per_project",
        "8",
        "Uploads and imports of one project under way at once; more are answered 429.",
    )
    .range(1, 10_000),
    Opt::integer(
        "downloads_per_project",
        "32",
        "Downloads of one project under way at once; more are answered 429. Hosts that fetch images \
         are not counted.",
    )
    .range(1, 1_000_000),
    Opt::integer(
        "min_rate",
        "16384",
        "Bytes a second that uploads, and the servers that imports ask, must send at least; slower \
         ones end with 408. 0 asks for none.",
    )
    .range(0, i64::MAX),
    Opt::seconds(
        "min_rate_window",
        "60",
        "Over how long the least rate is measured.",
    ),
    Opt::list(
        "web_download_allowed_schemes",
        "http,https",
        "URL schemes that the import method web-download may ask.",
    ),
    Opt::list(
        "web_download_allowed_ports",
        "80,443",
        "Ports that it may ask; any when empty.",
    ),
    Opt::list(
        "web_download_disallowed_ports",
        "",
        "Ports that it may not ask.",
    ),
    Opt::list(
        "web_download_allowed_hosts",
        "",
        "Names or addresses of hosts that it may ask; any when empty.",
    ),
    Opt::list(
        "web_download_disallowed_hosts",
        "",
        "Names or addresses of hosts that it may not ask.",
    ),
    Opt::text(
        "web_download_allowed_ranges",
        "",
        "Ranges of addresses, as `10.0.0.0/8`, that it may ask although they are private, shared, \
         link-local, reserved or this machine's own. Every user of the cloud reaches through it \
         what lies there.",
    ),
    Opt::boolean(
        "web_download_local",
        "false",
        "Whether the import method web-download may ask loopback and link-local addresses, at any \
         port. Only for tests: users could reach this machine's own services.",
    ),
    common::POLICY_FILE,
];

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// What `web_download_local` lets be asked.
const LOCAL: &str = "127.0.0.0/8, 169.254.0.0/16, ::1, fe80::/10";

impl Section for Settings {
    const NAME: &'static str = "image";
    const ABOUT: &'static str = "The embedded image service.";

    fn options() -> &'static [Opt] {
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        Settings {
            connection: from.optional("connection"),
            image_dir: from.path("image_dir"),
            use_keystone_limits: from.boolean("use_keystone_limits"),
            size_cap: from.integer("image_size_cap"),
            max_virtual_size: 16 * TIB,
            keep_free: 64 * MIB,
            idle_timeout: Duration::from_secs(300),
            min_rate: from.integer("min_rate"),
            min_rate_window: from.seconds("min_rate_window"),
            transfers: from.integer("transfers"),
            transfers_per_project: from.integer("transfers_per_project"),
            downloads_per_project: from.integer("downloads_per_project"),
            limits: Limits {
                size_total: from.integer("image_size_total"),
                stage_total: from.integer("image_stage_total"),
                count_total: from.integer("image_count_total"),
                count_uploading: from.integer("image_count_uploading"),
            },
            disk_formats: texts(&[
                "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop",
            ]),
            container_formats: texts(&[
                "ami",
                "ari",
                "aki",
                "bare",
                "ovf",
                "ova",
                "docker",
                "compressed",
            ]),
            default_page: 25,
            max_page: 1000,
            member_limit: 128,
            property_limit: 128,
            tag_limit: 128,
            task_ttl: Duration::from_secs(48 * 3600),
            show_direct_url: true,
            web_download: web_download(from),
            policy_file: from.existing_file("policy_file"),
        }
    }
}

fn web_download(from: &mut Reader<'_>) -> WebDownload {
    let mut read = WebDownload {
        schemes: from.list("web_download_allowed_schemes"),
        ports: ports(from, "web_download_allowed_ports"),
        refused_ports: ports(from, "web_download_disallowed_ports"),
        hosts: from.list("web_download_allowed_hosts"),
        refused_hosts: from.list("web_download_disallowed_hosts"),
        ranges: from
            .parsed("web_download_allowed_ranges")
            .unwrap_or_default(),
        timeout: Duration::from_secs(60),
    };
    if from.boolean("web_download_local") {
        let local: Ranges = LOCAL.parse().unwrap_or_default();
        read.ranges.0.extend(local.0);
        read.ports = Vec::new();
    }
    read
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&one| one.to_owned()).collect()
}

/// Numbers of ports, separated by commas.
struct Ports(Vec<u16>);

impl std::str::FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim);
        let port = |part: &str| {
            let port = part.parse::<u16>().ok().filter(|port| *port != 0);
            port.ok_or_else(|| format!("'{part}' is no port"))
        };
        let ports = parts.filter(|part| !part.is_empty()).map(port);
        ports.collect::<Result<_, _>>().map(Ports)
    }
}

fn ports(from: &mut Reader<'_>, name: &str) -> Vec<u16> {
    from.parsed::<Ports>(name)
        .map_or_else(Vec::new, |ports| ports.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, settings::SettingsError> {
        let all = settings::Settings::from_text(text, &[settings::section::<Settings>()])?;
        Ok(all.read()?)
    }

    #[test]
    fn the_ranges_of_a_local_web_server_are_ranges() {
        assert_eq!(LOCAL.parse::<Ranges>().map(|all| all.0.len()), Ok(4));
    }

    #[test]
    fn what_is_no_port_and_no_range_is_named() {
        for (text, named) in [
            ("web_download_allowed_ports = 80, x", "'x' is no port"),
            ("web_download_disallowed_ports = 0", "'0' is no port"),
            (
                "web_download_allowed_ranges = 10.0.0.0/99",
                "'10.0.0.0/99' is no range",
            ),
        ] {
            let read = read(&format!("[image]\n{text}\n"));
            let said = read
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(said.contains(named), "{said}");
        }
        let text = "[image]\nweb_download_allowed_ranges = 10.1.0.0/16, fd00::7\n\
                    web_download_allowed_ports =\n";
        let read = read(text).expect("reads");
        let web = &read.web_download;
        assert_eq!((web.ranges.0.len(), web.ports.len()), (2, 0));
    }
}
