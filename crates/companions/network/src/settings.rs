//! What the service has to be told.

use std::collections::BTreeSet;
use std::path::PathBuf;

use network_plane::GatewayService;
use network_plane::host::Places;
use secrecy::SecretString;

/// What makes the virtual networks real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaneKind {
    /// Bridges, taps, namespaces and nftables on this host, by crate `network-plane`. Needs root.
    Linux,
    /// Nothing: ports that are bound become ACTIVE at once. For the fake driver and for tests with many hosts.
    #[default]
    None,
}

/// Settings of the network service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// URL of its database, which the caller opens; `None` for one of the caller's choice.
    pub connection: Option<String>,
    /// Name of this host as compute spells it in `binding:host_id`. Default: the machine's host name.
    pub host: String,
    /// What makes the networks real.
    pub plane: PlaneKind,
    /// Whether nobody said what makes them real (`plane = auto`): the caller chooses before it opens the service.
    pub choose_plane: bool,
    /// 1 to 8 letters or digits, part of every namespace's name; must differ between clouds of one machine.
    pub cloud_id: String,
    /// Where the data plane keeps its files.
    pub state_dir: PathBuf,
    /// Where name servers, proxies and package mirrors of the host are named. Only with the Linux plane.
    pub places: Places,
    /// What tells this cloud from every other of this machine: up to 64 letters, digits and dashes. Namespaces that
    /// bear another owner's label are left alone.
    pub owner: String,
    /// What guests and routers may reach of the host by the gateway address of an external network.
    pub gateway_services: BTreeSet<GatewayService>,
    /// Tracked connections that one port may have begun; `None` for the usual limit.
    pub connections_per_port: Option<u32>,
    /// Number of the user that dnsmasq runs as; nobody else may have it.
    pub dhcp_uid: u32,
    /// Whether servers reach a metadata service at 169.254.169.254. Only with the Linux plane.
    pub metadata: bool,
    /// The secret shared with the metadata service, by which it knows that the proxy spoke.
    pub metadata_secret: SecretString,
    /// MTU of new networks, bytes. 1500 suits networks that never leave this host; lower it for tunnels.
    pub mtu: i32,
    /// Domain of the names that DHCP hands out.
    pub dns_domain: String,
    /// A file of rules that replace defaults, `policy.yaml` or `.json` (`[oslo_policy] policy_file`).
    pub policy_file: Option<PathBuf>,
    /// Availability zone of networks and routers.
    pub availability_zone: String,
    /// Seconds between two rounds of the reconciler when nobody nudges it.
    pub reconcile_seconds: u64,
    /// Largest page of a list, and the page size when none is asked for; 0 is no limit (Neutron's default).
    pub max_page: usize,
    /// Largest number of subnet DNS servers (Neutron's `max_dns_nameservers`).
    pub max_dns_nameservers: usize,
    /// Largest number of subnet host routes (Neutron's `max_subnet_host_routes`).
    pub max_host_routes: usize,
    /// Largest number of fixed addresses of a port (Neutron's `max_fixed_ips_per_port`, 9 here for v4 and v6 mixes).
    pub max_fixed_ips: usize,
    /// Largest number of extra routes of a router (Neutron's `max_routes`).
    pub max_routes: usize,
    /// Largest number of address pairs of a port (Neutron's `max_allowed_address_pair`).
    pub max_address_pairs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        settings::defaults()
    }
}
