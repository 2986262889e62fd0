//! From networks, ports and routers to namespaces, devices, addresses and routes: a pure function.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::dhcp::METADATA_ADDRESS;
use crate::kernel::links::{MAIN_TABLE, Route};
use crate::kernel::rules::Detour;
use crate::names;
use crate::report::Object;
use crate::wanted::{Interface, Network, Port, Router, Wanted};

/// All namespaces by their key; see [`Key`].
pub type Layout = BTreeMap<Key, Space>;

/// Which namespace. The order is the order of work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Bridges and taps.
    Switch,
    /// The host's own; only devices that we made there are ours.
    Host,
    /// By the namespace's name.
    Dhcp(String),
    /// By the namespace's name.
    Router(String),
}

/// What should be in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    pub owner: Object,
    /// By name.
    pub devices: BTreeMap<String, Device>,
    pub routes: BTreeSet<Route>,
    pub detours: BTreeSet<Detour>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub owner: Object,
    pub kind: Kind,
    /// `None`: as the kernel made it.
    pub mac: Option<[u8; 6]>,
    pub mtu: u32,
    /// The bridge that it is a port of.
    pub master: Option<String>,
    pub up: bool,
    pub addresses: BTreeSet<IpNet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Bridge,
    Tap,
    /// The switch's end of a cable, and where the other end is.
    Cable {
        space: Key,
        far: String,
    },
    /// The other end of a cable.
    End,
}

impl Kind {
    /// The kernel's word for it.
    pub fn kernel(&self) -> &'static str {
        match self {
            Kind::Bridge => "bridge",
            Kind::Tap => "tun",
            Kind::Cable { .. } | Kind::End => "veth",
        }
    }
}

/// A cable from a bridge to a device in another namespace.
struct Cable {
    owner: Object,
    near: String,
    far: String,
    mac: Option<[u8; 6]>,
    up: bool,
    addresses: BTreeSet<IpNet>,
}

/// Names of devices on the host by network, where the usual one is somebody else's.
pub type Uplinks = BTreeMap<String, String>;

/// The name of the host's end of an external network.
pub fn uplink_name(network_id: &str, uplinks: &Uplinks) -> String {
    let other = uplinks.get(network_id).cloned();
    other.unwrap_or_else(|| names::uplink_host(network_id))
}

/// What the host should look like. `wanted` has passed [`crate::check::admit`].
pub fn layout(cloud_id: &str, wanted: &Wanted, uplinks: &Uplinks) -> Layout {
    let mut layout = Layout::from([
        (Key::Switch, space(Object::Plane)),
        (Key::Host, space(Object::Plane)),
    ]);
    let networks: BTreeMap<&str, &Network> =
        wanted.networks.iter().map(|n| (n.id.as_str(), n)).collect();
    for network in &wanted.networks {
        place_network(&mut layout, cloud_id, network, uplinks);
    }
    for port in &wanted.ports {
        if let Some(network) = networks.get(port.network_id.as_str()) {
            switch(&mut layout).insert(port.tap.clone(), tap(port, network));
        }
    }
    for router in &wanted.routers {
        place_router(&mut layout, cloud_id, router, &networks);
    }
    layout
}

fn space(owner: Object) -> Space {
    Space {
        owner,
        devices: BTreeMap::new(),
        routes: BTreeSet::new(),
        detours: BTreeSet::new(),
    }
}

fn switch(layout: &mut Layout) -> &mut BTreeMap<String, Device> {
    &mut layout
        .get_mut(&Key::Switch)
        .expect("every layout has a switch")
        .devices
}

fn place_network(layout: &mut Layout, cloud_id: &str, network: &Network, uplinks: &Uplinks) {
    let owner = Object::Network(network.id.clone());
    let bridge = Device {
        owner: owner.clone(),
        kind: Kind::Bridge,
        mac: None,
        mtu: network.mtu,
        master: None,
        up: network.admin_up,
        addresses: BTreeSet::new(),
    };
    switch(layout).insert(names::bridge(&network.id), bridge);
    if let Some(uplink) = &network.uplink {
        let cable = Cable {
            owner: owner.clone(),
            near: names::uplink_cable(&network.id),
            far: uplink_name(&network.id, uplinks),
            mac: None,
            up: network.admin_up,
            addresses: uplink.addresses.iter().copied().collect(),
        };
        place_cable(layout, network, Key::Host, cable);
    }
    let Some(port) = network
        .dhcp_port
        .as_ref()
        .filter(|_| has_dhcp_space(network))
    else {
        return;
    };
    let key = Key::Dhcp(names::dhcp_namespace(cloud_id, &network.id));
    layout.insert(key.clone(), space(owner.clone()));
    let mut addresses: BTreeSet<IpNet> = port
        .ips
        .iter()
        .filter_map(|ip| with_prefix(*ip, network))
        .collect();
    if network.metadata {
        addresses.insert(IpNet::from(IpAddr::from([169, 254, 169, 254])));
    }
    let cable = Cable {
        owner,
        near: names::dhcp_cable(&network.id),
        far: names::DHCP_DEVICE.into(),
        mac: crate::check::mac(&port.mac).ok(),
        up: true,
        addresses,
    };
    place_cable(layout, network, key, cable);
}

/// Whether a network needs a namespace for DHCP or metadata.
pub fn has_dhcp_space(network: &Network) -> bool {
    network.dhcp_port.is_some() && (network.metadata || network.subnets.iter().any(|s| s.dhcp))
}

fn with_prefix(ip: IpAddr, network: &Network) -> Option<IpNet> {
    let subnet = network.subnets.iter().find(|s| s.cidr.contains(&ip))?;
    IpNet::new(ip, subnet.cidr.prefix_len()).ok()
}

fn place_cable(layout: &mut Layout, network: &Network, to: Key, cable: Cable) {
    let near = Device {
        owner: cable.owner.clone(),
        kind: Kind::Cable {
            space: to.clone(),
            far: cable.far.clone(),
        },
        mac: None,
        mtu: network.mtu,
        master: Some(names::bridge(&network.id)),
        up: true,
        addresses: BTreeSet::new(),
    };
    switch(layout).insert(cable.near, near);
    let far = Device {
        owner: cable.owner,
        kind: Kind::End,
        mac: cable.mac,
        mtu: network.mtu,
        master: None,
        up: cable.up,
        addresses: cable.addresses,
    };
    layout
        .get_mut(&to)
        .expect("spaces are made before their cables")
        .devices
        .insert(cable.far, far);
}

fn tap(port: &Port, network: &Network) -> Device {
    Device {
        owner: Object::Port(port.id.clone()),
        kind: Kind::Tap,
        // The host's side of a tap needs a MAC of its own: the guest has the port's.
        mac: None,
        mtu: network.mtu,
        master: Some(names::bridge(&network.id)),
        up: port.admin_up,
        addresses: BTreeSet::new(),
    }
}

fn place_router(
    layout: &mut Layout,
    cloud_id: &str,
    router: &Router,
    networks: &BTreeMap<&str, &Network>,
) {
    let key = Key::Router(names::router_namespace(cloud_id, &router.id));
    layout.insert(key.clone(), space(Object::Router(router.id.clone())));
    let main = |destination: IpNet, next_hop| Route {
        table: MAIN_TABLE,
        destination: destination.trunc(),
        next_hop,
    };
    let mut routes: BTreeSet<Route> = router
        .routes
        .iter()
        .map(|r| main(r.destination, r.next_hop))
        .collect();
    let mut detours: BTreeSet<Detour> = BTreeSet::new();
    for interface in &router.interfaces {
        let name = names::router_interface(&interface.port_id);
        let Some(network) = networks.get(interface.network_id.as_str()) else {
            continue;
        };
        let cable = router_cable(router, &name, &interface.mac, interface.ips.iter().copied());
        place_cable(layout, network, key.clone(), cable);
        if let Some(next_hop) = metadata_hop(network, interface) {
            let mut detour = Detour::of(&name);
            while detours.iter().any(|other| other.table == detour.table) {
                detour.table += 1;
            }
            routes.insert(Route {
                table: detour.table,
                destination: IpAddr::from(METADATA_ADDRESS).into(),
                next_hop,
            });
            detours.insert(detour);
        }
    }
    if let Some(gateway) = &router.gateway
        && let Some(network) = networks.get(gateway.network_id.as_str())
    {
        // Floating IPs are the router's own addresses, so it answers ARP for them.
        let floating: BTreeSet<IpAddr> = router.floating_addresses().collect();
        let floating = floating.into_iter().map(IpNet::from);
        let addresses = gateway.ips.iter().copied().chain(floating);
        let cable = router_cable(
            router,
            &names::router_gateway(&gateway.port_id),
            &gateway.mac,
            addresses,
        );
        place_cable(layout, network, key.clone(), cable);
        routes.extend(
            gateway
                .next_hops
                .iter()
                .map(|hop| main(default_route(*hop), *hop)),
        );
    }
    if router.admin_up {
        let space = layout.get_mut(&key).expect("made above");
        (space.routes, space.detours) = (routes, detours);
    }
}

fn router_cable(
    router: &Router,
    name: &str,
    mac: &str,
    addresses: impl Iterator<Item = IpNet>,
) -> Cable {
    Cable {
        owner: Object::Router(router.id.clone()),
        near: name.to_owned(),
        far: name.to_owned(),
        mac: crate::check::mac(mac).ok(),
        up: router.admin_up,
        addresses: addresses.collect(),
    }
}

/// Guests that do not take routes from DHCP send their metadata requests to the router: it passes them on to the
/// network's DHCP namespace, which answers them directly and still sees who asked.
fn metadata_hop(network: &Network, interface: &Interface) -> Option<IpAddr> {
    let port = network.dhcp_port.as_ref().filter(|_| network.metadata)?;
    let near = |ip: &&IpAddr| ip.is_ipv4() && interface.ips.iter().any(|net| net.contains(*ip));
    port.ips.iter().find(near).copied()
}

/// Everything, in the IP version of a next hop.
fn default_route(hop: IpAddr) -> IpNet {
    let any: IpAddr = if hop.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0u16; 8].into()
    };
    IpNet::new_assert(any, 0)
}
