//! What compute remembers of a server's ports: enough to show addresses, to describe the guest's
//! network to itself, and to plug it, without asking the network service each time.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One port of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vif {
    pub port_id: String,
    pub network_id: String,
    /// The network's name: the key in `addresses`.
    pub network_name: String,
    pub mac: String,
    /// Bytes; 0 when unknown.
    pub mtu: u32,
    pub addresses: Vec<FixedAddress>,
    /// Whether the network service says that the port carries traffic.
    pub active: bool,
    /// Given by the user rather than made by us: unbound, not deleted, when the server goes.
    pub preexisting: bool,
    pub tag: Option<String>,
    /// Neutron's `binding:vnic_type`.
    pub vnic_type: String,
    /// Where the host end is: tap device and network namespace, from `binding:vif_details`.
    pub tap: Option<String>,
    pub netns: Option<String>,
}

/// A fixed address of a port with what a guest must know about its subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FixedAddress {
    pub address: IpAddr,
    pub subnet_id: String,
    pub cidr: String,
    pub gateway: Option<IpAddr>,
    pub dns: Vec<IpAddr>,
    pub routes: Vec<Route>,
    pub dhcp: bool,
    /// Floating addresses that lead here.
    pub floating: Vec<IpAddr>,
}

/// A route that the subnet gives to guests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub destination: String,
    pub nexthop: IpAddr,
}

/// A network that a server asks for at creation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NetworkRequest {
    /// A new port on this network, perhaps with a given address.
    Network {
        id: String,
        fixed_ip: Option<IpAddr>,
        tag: Option<String>,
    },
    /// A port that exists.
    Port { id: String, tag: Option<String> },
}
