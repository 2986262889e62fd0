//! What the host's networks should look like, as one value.
//!
//! The network service builds a [`Wanted`] from its tables and hands it to [`crate::Plane::apply`]. It is complete:
//! whatever is not in it is removed from the host. Ids are the UUID texts of the Neutron API; device names are made
//! from their first 11 characters, so ids must differ there (random UUIDs do).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::firewall::host::Transport;

/// Everything that should exist on this host. The order of the lists has no meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub networks: Vec<Network>,
    pub ports: Vec<Port>,
    pub routers: Vec<Router>,
    /// The members of security groups (and address groups) that rules name by [`Remote::Set`].
    pub address_sets: Vec<AddressSet>,
}

/// A layer-2 network: one bridge, and a namespace for DHCP and metadata if it needs one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub id: String,
    /// Bytes; set on every device of the network and offered by DHCP (option 26).
    pub mtu: u32,
    /// `false` takes the bridge down: nothing passes.
    pub admin_up: bool,
    pub subnets: Vec<Subnet>,
    /// The port of the DHCP server. Needed when a subnet has DHCP or when `metadata` is asked for.
    pub dhcp_port: Option<DhcpPort>,
    /// Who gets which address: every port of the network, wherever its server runs.
    pub dhcp_hosts: Vec<DhcpHost>,
    /// The domain of the names that DHCP hands out ("openstacklocal" in Neutron); `None` for none.
    pub dns_domain: Option<String>,
    /// Serve 169.254.169.254 in the DHCP namespace; see [`crate::Plane::listeners`].
    pub metadata: bool,
    /// For an external network: how it reaches this host.
    pub uplink: Option<Uplink>,
}

/// A range of addresses on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub id: String,
    pub cidr: IpNet,
    pub gateway: Option<IpAddr>,
    pub dhcp: bool,
    /// Name servers for the guests. Empty: the DHCP server itself, which knows the names of the network's ports.
    pub dns: Vec<IpAddr>,
    pub host_routes: Vec<HostRoute>,
    /// For IPv6: how guests get their address; `None` means by hand.
    pub ipv6_mode: Option<Ipv6Mode>,
}

/// How guests on an IPv6 subnet get their address (Neutron's `ipv6_address_mode` and `ipv6_ra_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ipv6Mode {
    Slaac,
    Dhcpv6Stateful,
    Dhcpv6Stateless,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    pub destination: IpNet,
    pub next_hop: IpAddr,
}

/// The port that the DHCP server and the metadata listener of a network use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpPort {
    /// `aa:bb:cc:dd:ee:ff`
    pub mac: String,
    /// At most one address in each subnet; the prefix length is taken from the subnet that contains it.
    pub ips: Vec<IpAddr>,
}

/// One reservation: a port's addresses as DHCP offers them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpHost {
    pub mac: String,
    pub ips: Vec<IpAddr>,
    /// Its name, relative to the network's domain.
    pub hostname: Option<String>,
    /// Neutron's `extra_dhcp_opts`.
    pub options: Vec<DhcpOption>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOption {
    /// dnsmasq's option name (`bootfile-name`) or a decimal number.
    pub name: String,
    pub value: String,
    /// 4 or 6.
    pub ip_version: u8,
}

/// An external network's way to this host: a cable from its bridge into the host's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// The host's addresses on that cable: the gateway address of each subnet, with the subnet's prefix length.
    pub addresses: Vec<IpNet>,
}

/// A server's port on this host: a persistent tap on the network's bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub id: String,
    pub network_id: String,
    pub mac: String,
    pub ips: Vec<IpAddr>,
    /// Device name, at most 15 characters; [`crate::tap_name`] makes the usual one (`tap` + first 11 of the id).
    pub tap: String,
    pub admin_up: bool,
    /// `None`: port security is off, nothing is filtered. `Some(rules)`: addresses are guarded and only what the
    /// rules allow passes (an empty list is closed both ways but for DHCP, neighbour discovery and metadata).
    pub security: Option<Vec<Rule>>,
    /// Further addresses that the guest may send from.
    pub allowed_address_pairs: Vec<AddressPair>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    pub ip: IpNet,
    /// `None`: the port's own.
    pub mac: Option<String>,
}

/// One rule of a security group. Rules allow; what no rule allows is dropped. Replies always pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    pub direction: Direction,
    pub ethertype: Ethertype,
    /// IANA number; `None` for any. 1 (icmp) on an IPv6 rule means 58 (icmpv6), as in Neutron.
    pub protocol: Option<u8>,
    pub matching: Matching,
    pub remote: Remote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Ingress,
    Egress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ethertype {
    IPv4,
    IPv6,
}

/// What a rule asks of the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    Any,
    /// Destination ports, both ends included. Only for protocols with ports (tcp, udp, sctp, dccp, udplite).
    Ports {
        min: u16,
        max: u16,
    },
    /// Only for protocols 1 and 58.
    Icmp {
        kind: u8,
        code: Option<u8>,
    },
}

/// The other side: the source for ingress, the destination for egress.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remote {
    Anywhere,
    Cidr(IpNet),
    /// The members of the [`AddressSet`] of this id. A missing set is empty: the rule allows nothing.
    Set(String),
}

/// A named list of addresses. Both families may be mixed; a rule uses those of its ethertype.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSet {
    /// The security group's or address group's id.
    pub id: String,
    pub members: Vec<IpNet>,
}

/// A router: a namespace with a cable to every network it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    pub id: String,
    pub admin_up: bool,
    pub interfaces: Vec<Interface>,
    pub gateway: Option<Gateway>,
    /// Extra routes.
    pub routes: Vec<HostRoute>,
    pub floating: Vec<Floating>,
    /// Ports of floating IPs that lead to a guest each.
    #[serde(default)]
    pub forwardings: Vec<Forwarding>,
}

impl Router {
    /// The floating IPs that lead to guests behind it, associated or forwarded.
    pub fn floating_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let associated = self.floating.iter().map(|pair| pair.floating);
        let forwarded = self.forwardings.iter().map(|one| one.floating);
        associated.chain(forwarded)
    }
}

/// A router's port on an internal network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    pub port_id: String,
    pub network_id: String,
    pub mac: String,
    /// Address with the prefix length of its subnet.
    pub ips: Vec<IpNet>,
}

/// A router's port on its external network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    pub port_id: String,
    pub network_id: String,
    pub mac: String,
    pub ips: Vec<IpNet>,
    /// Default routes, one for each IP version: the external subnets' gateways.
    pub next_hops: Vec<IpAddr>,
    /// Hide internal addresses behind the gateway's own (`enable_snat`). Only IPv4.
    pub snat: bool,
}

/// A floating IP that is associated with a port behind this router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floating {
    pub floating: IpAddr,
    pub fixed: IpAddr,
}

/// One port of a floating IP that leads to one port of a guest behind this router. The floating IP is not associated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarding {
    pub floating: IpAddr,
    pub protocol: Transport,
    pub external_port: u16,
    pub fixed: IpAddr,
    pub internal_port: u16,
}
