//! What the host's networks should look like, read off the tables.
//!
//! Only what this host needs is wanted: networks with a server's port or a router here, and what their ports and
//! routers use.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use network_plane as plane;
use serde::Deserialize;
use sql::sea_orm::EntityTrait;

use crate::core::Core;
use crate::db::sharing::makes_uplink;
use crate::db::store::read_json;
use crate::dns;
use crate::fault::{Fault, Result};
use crate::owners;
use crate::ranges::Route;
use crate::tables::*;
use crate::words::{Direction, Ethertype, Transport, VifType};

/// The tables, as one picture.
struct Picture {
    networks: Vec<networks::Model>,
    subnets: HashMap<String, Vec<subnets::Model>>,
    ports: Vec<ports::Model>,
    ips: HashMap<String, Vec<allocations::Model>>,
    guards: HashMap<String, Vec<String>>,
    rules: HashMap<String, Vec<security_group_rules::Model>>,
    routers: Vec<routers::Model>,
    floating: Vec<floatingips::Model>,
    forwardings: Vec<port_forwardings::Model>,
    /// Networks whose way out is this host.
    uplinks: BTreeSet<String>,
}

impl Picture {
    async fn take(core: &Core) -> Result<Self> {
        let db = core.db.read();
        let mut picture = Picture {
            networks: networks::Entity::find().all(db).await?,
            subnets: HashMap::new(),
            ports: ports::Entity::find().all(db).await?,
            ips: HashMap::new(),
            guards: HashMap::new(),
            rules: HashMap::new(),
            routers: routers::Entity::find().all(db).await?,
            floating: floatingips::Entity::find().all(db).await?,
            forwardings: port_forwardings::Entity::find().all(db).await?,
            uplinks: BTreeSet::new(),
        };
        for subnet in subnets::Entity::find().all(db).await? {
            picture
                .subnets
                .entry(subnet.network_id.clone())
                .or_default()
                .push(subnet);
        }
        for ip in allocations::Entity::find().all(db).await? {
            picture.ips.entry(ip.port_id.clone()).or_default().push(ip);
        }
        for link in port_security_groups::Entity::find().all(db).await? {
            picture
                .guards
                .entry(link.port_id)
                .or_default()
                .push(link.group_id);
        }
        for rule in security_group_rules::Entity::find().all(db).await? {
            picture
                .rules
                .entry(rule.security_group_id.clone())
                .or_default()
                .push(rule);
        }
        for policy in rbac_policies::Entity::find().all(db).await? {
            if makes_uplink(&policy) {
                picture.uplinks.insert(policy.object_id);
            }
        }
        for ips in picture.ips.values_mut() {
            ips.sort_by_key(|ip| ip.position);
        }
        Ok(picture)
    }

    fn ips(&self, port: &ports::Model) -> Vec<IpAddr> {
        let held = self
            .ips
            .get(&port.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        held.iter()
            .filter_map(|ip| ip.ip_address.parse().ok())
            .collect()
    }

    /// The port's addresses with the prefix length of their subnet.
    fn nets(&self, port: &ports::Model) -> Result<Vec<IpNet>> {
        let held = self
            .ips
            .get(&port.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mine = self
            .subnets
            .get(&port.network_id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut nets = Vec::new();
        for ip in held {
            let Some(subnet) = mine.iter().find(|subnet| subnet.id == ip.subnet_id) else {
                continue;
            };
            let range = crate::ranges::range(subnet)?;
            let address: IpAddr = ip
                .ip_address
                .parse()
                .map_err(|_| Fault::Broken(format!("address {}", ip.ip_address)))?;
            let net = IpNet::new(address, range.prefix_len());
            nets.push(net.map_err(|error| Fault::Broken(error.to_string()))?);
        }
        Ok(nets)
    }

    /// Whether the port is a tap on this host.
    fn is_local_tap(&self, core: &Core, port: &ports::Model) -> bool {
        port.vif_type == VifType::Tap && port.host == core.settings.host
    }
}

/// Reads the wanted state of this host.
pub async fn read(core: &Core) -> Result<plane::Wanted> {
    let picture = Picture::take(core).await?;
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    for port in &picture.ports {
        let router_port = port.device_owner == owners::ROUTER_INTERFACE
            || port.device_owner == owners::ROUTER_GATEWAY;
        if router_port || picture.is_local_tap(core, port) {
            needed.insert(&port.network_id);
        }
    }
    let mut wanted = plane::Wanted::default();
    for network in picture
        .networks
        .iter()
        .filter(|network| needed.contains(network.id.as_str()))
    {
        wanted.networks.push(network_of(core, &picture, network)?);
    }
    let mut sets: BTreeSet<String> = BTreeSet::new();
    for port in picture
        .ports
        .iter()
        .filter(|port| picture.is_local_tap(core, port))
    {
        wanted.ports.push(port_of(&picture, port, &mut sets)?);
    }
    for router in &picture.routers {
        wanted.routers.push(router_of(&picture, router)?);
    }
    wanted.address_sets = sets
        .into_iter()
        .map(|group| members_of(&picture, group))
        .collect::<Result<_>>()?;
    Ok(wanted)
}

/// The smallest that Linux takes for a device, in bytes. No subnet is on a network with less.
const LEAST_MTU: u32 = 68;

fn network_of(core: &Core, picture: &Picture, network: &networks::Model) -> Result<plane::Network> {
    let mine = picture
        .subnets
        .get(&network.id)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let on_it = || {
        picture
            .ports
            .iter()
            .filter(|port| port.network_id == network.id)
    };
    let server = on_it().find(|port| port.device_owner == owners::DHCP);
    let uplink = picture.uplinks.contains(&network.id);
    let domain = dns::domain(&core.settings, &network.dns_domain);
    Ok(plane::Network {
        id: network.id.clone(),
        mtu: u32::try_from(network.mtu).unwrap_or(1500).max(LEAST_MTU),
        admin_up: network.admin_state_up,
        subnets: mine.iter().map(subnet_of).collect::<Result<_>>()?,
        dhcp_port: server.map(|port| plane::DhcpPort {
            mac: port.mac_address.clone(),
            ips: picture.ips(port),
        }),
        dhcp_hosts: on_it()
            .filter(|port| !owners::is_service(&port.device_owner))
            .map(|port| dhcp_host(picture, port, domain))
            .collect::<Result<_>>()?,
        dns_domain: Some(domain.to_owned()).filter(|domain| !domain.is_empty()),
        metadata: core.settings.metadata && server.is_some(),
        uplink: uplink.then(|| uplink_of(mine)).transpose()?,
    })
}

/// The host is the router of a network that an operator made external: it has the gateway's address.
fn uplink_of(subnets: &[subnets::Model]) -> Result<plane::Uplink> {
    let mut addresses = Vec::new();
    for subnet in subnets {
        let Some(gateway) = subnet
            .gateway_ip
            .as_ref()
            .and_then(|ip| ip.parse::<IpAddr>().ok())
        else {
            continue;
        };
        let range = crate::ranges::range(subnet)?;
        addresses.extend(IpNet::new(gateway, range.prefix_len()).ok());
    }
    Ok(plane::Uplink { addresses })
}

fn subnet_of(subnet: &subnets::Model) -> Result<plane::Subnet> {
    let mode = subnet
        .ipv6_ra_mode
        .as_deref()
        .or(subnet.ipv6_address_mode.as_deref());
    Ok(plane::Subnet {
        id: subnet.id.clone(),
        cidr: crate::ranges::range(subnet)?,
        gateway: subnet.gateway_ip.as_ref().and_then(|ip| ip.parse().ok()),
        dhcp: subnet.enable_dhcp,
        dns: read_json(&subnet.dns_nameservers)?,
        host_routes: routes_of(&subnet.host_routes)?,
        ipv6_mode: mode.and_then(|mode| match mode {
            "slaac" => Some(plane::Ipv6Mode::Slaac),
            "dhcpv6-stateful" => Some(plane::Ipv6Mode::Dhcpv6Stateful),
            "dhcpv6-stateless" => Some(plane::Ipv6Mode::Dhcpv6Stateless),
            _ => None,
        }),
    })
}

fn routes_of(text: &str) -> Result<Vec<plane::HostRoute>> {
    let routes: Vec<Route> = read_json(text)?;
    let route = |route: Route| plane::HostRoute {
        destination: route.destination,
        next_hop: route.nexthop,
    };
    Ok(routes.into_iter().map(route).collect())
}

/// One of a port's DHCP options as stored.
#[derive(Deserialize)]
struct StoredOption {
    opt_name: String,
    opt_value: String,
    ip_version: u8,
}

fn dhcp_host(picture: &Picture, port: &ports::Model, domain: &str) -> Result<plane::DhcpHost> {
    let options: Vec<StoredOption> = read_json(&port.extra_dhcp_opts)?;
    let ips = picture.ips(port);
    let hostname = dns::served(&port.dns_name, domain, &ips);
    Ok(plane::DhcpHost {
        mac: port.mac_address.clone(),
        ips,
        hostname,
        options: options
            .into_iter()
            .map(|option| plane::DhcpOption {
                name: option.opt_name,
                value: option.opt_value,
                ip_version: option.ip_version,
            })
            .collect(),
    })
}

/// An allowed address pair as stored.
#[derive(Deserialize)]
struct StoredPair {
    mac_address: String,
    ip_address: String,
}

fn port_of(
    picture: &Picture,
    port: &ports::Model,
    sets: &mut BTreeSet<String>,
) -> Result<plane::Port> {
    let groups = picture
        .guards
        .get(&port.id)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut security = None;
    if port.port_security_enabled {
        let rules = groups
            .iter()
            .filter_map(|group| picture.rules.get(group))
            .flatten();
        let rules: BTreeSet<plane::Rule> = rules.filter_map(|rule| rule_of(rule, sets)).collect();
        security = Some(rules.into_iter().collect());
    }
    let pairs: Vec<StoredPair> = read_json(&port.allowed_address_pairs)?;
    Ok(plane::Port {
        id: port.id.clone(),
        network_id: port.network_id.clone(),
        mac: port.mac_address.clone(),
        ips: picture.ips(port),
        tap: plane::tap_name(&port.id),
        admin_up: port.admin_state_up,
        security,
        allowed_address_pairs: pairs
            .into_iter()
            .filter_map(|pair| {
                let ip = pair.ip_address.parse::<IpNet>().ok();
                let ip = ip.or_else(|| pair.ip_address.parse::<IpAddr>().ok().map(IpNet::from))?;
                let mac = (pair.mac_address != port.mac_address).then_some(pair.mac_address);
                Some(plane::AddressPair { ip, mac })
            })
            .collect(),
    })
}

/// A stored rule as the plane applies it; `None` for one that can match nothing here (which allows nothing).
fn rule_of(rule: &security_group_rules::Model, sets: &mut BTreeSet<String>) -> Option<plane::Rule> {
    let protocol = match &rule.protocol {
        // Protocol 0 by its name "ip" means any, as in Neutron's firewall drivers.
        Some(text) if text == "ip" => None,
        Some(text) => Some(crate::protocols::number(text)?),
        None => None,
    };
    let matching = match (protocol, rule.port_range_min, rule.port_range_max) {
        (Some(1 | 58), Some(kind), code) => plane::Matching::Icmp {
            kind: u8::try_from(kind).ok()?,
            code: code.map(u8::try_from).transpose().ok()?,
        },
        (Some(_), Some(min), Some(max)) => plane::Matching::Ports {
            min: u16::try_from(min).ok()?,
            max: u16::try_from(max).ok()?,
        },
        _ => plane::Matching::Any,
    };
    let remote = match (&rule.remote_ip_prefix, &rule.remote_group_id) {
        (Some(prefix), _) => plane::Remote::Cidr(prefix.parse::<IpNet>().ok()?.trunc()),
        (None, Some(group)) => {
            sets.insert(group.clone());
            plane::Remote::Set(group.clone())
        }
        (None, None) => plane::Remote::Anywhere,
    };
    Some(plane::Rule {
        direction: match rule.direction {
            Direction::Egress => plane::Direction::Egress,
            Direction::Ingress => plane::Direction::Ingress,
        },
        ethertype: match rule.ethertype {
            Ethertype::IPv6 => plane::Ethertype::IPv6,
            Ethertype::IPv4 => plane::Ethertype::IPv4,
        },
        protocol,
        matching,
        remote,
    })
}

/// The addresses of a group's members, and what they may send from besides.
fn members_of(picture: &Picture, group: String) -> Result<plane::AddressSet> {
    let mut members: BTreeSet<IpNet> = BTreeSet::new();
    for port in &picture.ports {
        if !picture
            .guards
            .get(&port.id)
            .is_some_and(|groups| groups.contains(&group))
        {
            continue;
        }
        members.extend(picture.ips(port).into_iter().map(IpNet::from));
        for pair in read_json::<Vec<StoredPair>>(&port.allowed_address_pairs)? {
            let net = pair.ip_address.parse::<IpNet>().ok();
            members.extend(net.or_else(|| pair.ip_address.parse::<IpAddr>().ok().map(IpNet::from)));
        }
    }
    Ok(plane::AddressSet {
        id: group,
        members: members.into_iter().collect(),
    })
}

fn router_of(picture: &Picture, router: &routers::Model) -> Result<plane::Router> {
    let inside = |port: &&ports::Model| {
        port.device_id == router.id && port.device_owner == owners::ROUTER_INTERFACE
    };
    let mut interfaces = Vec::new();
    for port in picture.ports.iter().filter(inside) {
        interfaces.push(plane::Interface {
            port_id: port.id.clone(),
            network_id: port.network_id.clone(),
            mac: port.mac_address.clone(),
            ips: picture.nets(port)?,
        });
    }
    let mut gateway = None;
    // The router says which port is its gateway; what a port says of itself is not enough.
    let way_out = |port: &&ports::Model| router.gateway_port_id.as_ref() == Some(&port.id);
    if let Some(port) = picture.ports.iter().find(way_out) {
        let outside = picture
            .subnets
            .get(&port.network_id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let held = picture
            .ips
            .get(&port.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        // One way out for each IP version, through a subnet on which the router has an address.
        let mut hops: BTreeMap<i32, IpAddr> = BTreeMap::new();
        for subnet in outside
            .iter()
            .filter(|subnet| held.iter().any(|ip| ip.subnet_id == subnet.id))
        {
            if let Some(ip) = subnet.gateway_ip.as_ref().and_then(|ip| ip.parse().ok()) {
                hops.entry(subnet.ip_version).or_insert(ip);
            }
        }
        gateway = Some(plane::Gateway {
            port_id: port.id.clone(),
            network_id: port.network_id.clone(),
            mac: port.mac_address.clone(),
            ips: picture.nets(port)?,
            next_hops: hops.into_values().collect(),
            snat: router.enable_snat,
        });
    }
    let mine = |ip: &&floatingips::Model| ip.router_id.as_deref() == Some(router.id.as_str());
    let floating = picture.floating.iter().filter(mine).filter_map(|ip| {
        Some(plane::Floating {
            floating: ip.floating_ip_address.parse().ok()?,
            fixed: ip.fixed_ip_address.as_ref()?.parse().ok()?,
        })
    });
    Ok(plane::Router {
        id: router.id.clone(),
        admin_up: router.admin_state_up,
        interfaces,
        gateway,
        routes: routes_of(&router.routes)?,
        floating: floating.collect(),
        forwardings: forwardings_of(picture, router),
    })
}

/// The forwarded ports of the floating addresses that a router carries.
fn forwardings_of(picture: &Picture, router: &routers::Model) -> Vec<plane::Forwarding> {
    let mine = |ip: &&floatingips::Model| ip.router_id.as_deref() == Some(router.id.as_str());
    let mut found = Vec::new();
    for ip in picture.floating.iter().filter(mine) {
        let all = picture.forwardings.iter();
        found.extend(
            all.filter(|one| one.floatingip_id == ip.id)
                .filter_map(|one| {
                    Some(plane::Forwarding {
                        floating: ip.floating_ip_address.parse().ok()?,
                        protocol: match one.protocol {
                            Transport::Udp => plane::Transport::Udp,
                            Transport::Tcp => plane::Transport::Tcp,
                        },
                        external_port: u16::try_from(one.external_port).ok()?,
                        fixed: one.internal_ip_address.parse().ok()?,
                        internal_port: u16::try_from(one.internal_port).ok()?,
                    })
                }),
        );
    }
    found
}

/// Whether the owner's ports belong to the service itself and follow its routers and networks.
pub fn is_own(device_owner: &str) -> bool {
    [
        owners::ROUTER_INTERFACE,
        owners::ROUTER_GATEWAY,
        owners::DHCP,
    ]
    .contains(&device_owner)
}
