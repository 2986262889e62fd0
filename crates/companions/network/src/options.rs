//! The section of the network service, as operators write it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use network_plane::GatewayService;
use network_plane::host::Places;
use secrecy::SecretString;
use settings::{Opt, Reader, Section, common};

use crate::settings::{PlaneKind, Settings};

impl Section for Settings {
    const NAME: &'static str = "network";
    const ABOUT: &'static str = "The embedded network service.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            common::CONNECTION,
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
            Opt::integer(
                "dhcp_uid",
                "69999",
                "Number of the user that DHCP servers run as. No user of the machine and no guest may \
                 have it.",
            )
            .range(1, 2_000_000_000),
            common::POLICY_FILE,
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let plane = from.text("plane");
        Settings {
            connection: from.optional("connection"),
            host: machine_name(),
            plane: match plane.as_str() {
                "linux" => PlaneKind::Linux,
                _ => PlaneKind::None,
            },
            choose_plane: plane == "auto",
            cloud_id: "local".to_owned(),
            state_dir: PathBuf::from("./var/network"),
            places: Places::default(),
            owner: "local".to_owned(),
            gateway_services: gateway_services(from),
            connections_per_port: from.optional_integer("connections_per_port"),
            dhcp_uid: from.integer("dhcp_uid"),
            metadata: true,
            metadata_secret: SecretString::default(),
            mtu: from.integer("mtu"),
            dns_domain: from.text("dns_domain"),
            policy_file: from.existing_file("policy_file"),
            availability_zone: "nova".to_owned(),
            reconcile_seconds: 30,
            max_page: 0,
            max_dns_nameservers: 5,
            max_host_routes: 20,
            max_fixed_ips: 9,
            max_routes: 30,
            max_address_pairs: 10,
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

fn machine_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".to_owned())
}
