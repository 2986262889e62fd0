//! `network_data.json`: links, networks and services of a guest.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::Server;
use crate::network::{FixedAddress, Vif};

/// The document; `{}` without ports.
pub fn of(server: &Server) -> Value {
    if server.vifs.is_empty() {
        return json!({});
    }
    let mut networks: Vec<Value> = Vec::new();
    let mut services: Vec<Value> = Vec::new();
    for vif in &server.vifs {
        // Only the first subnet of each kind, as Nova does.
        for v4 in [true, false] {
            let mut addresses = vif.addresses.iter();
            let Some(fixed) = addresses.find(|fixed| fixed.address.is_ipv4() == v4) else {
                continue;
            };
            networks.push(network(vif, fixed, networks.len()));
            if !fixed.dhcp {
                for dns in &fixed.dns {
                    let service = json!({"type": "dns", "address": dns});
                    if !services.contains(&service) {
                        services.push(service);
                    }
                }
            }
        }
    }
    json!({
        "links": server.vifs.iter().map(link).collect::<Vec<_>>(),
        "networks": networks,
        "services": services,
    })
}

fn link_id(vif: &Vif) -> String {
    let short: String = vif.port_id.chars().take(11).collect();
    vif.tap.clone().unwrap_or_else(|| format!("tap{short}"))
}

fn link(vif: &Vif) -> Value {
    json!({
        "id": link_id(vif),
        "vif_id": vif.port_id,
        "type": "tap",
        "mtu": (vif.mtu > 0).then_some(vif.mtu),
        "ethernet_mac_address": vif.mac,
    })
}

fn network(vif: &Vif, fixed: &FixedAddress, number: usize) -> Value {
    let family = if fixed.address.is_ipv4() {
        "ipv4"
    } else {
        "ipv6"
    };
    if fixed.dhcp && fixed.address.is_ipv4() {
        return json!({
            "id": format!("network{number}"),
            "type": "ipv4_dhcp",
            "link": link_id(vif),
            "network_id": vif.network_id,
        });
    }
    let mut routes: Vec<Value> = Vec::new();
    if let Some(gateway) = fixed.gateway {
        routes.push(json!({
            "network": if gateway.is_ipv4() { "0.0.0.0" } else { "::" },
            "netmask": if gateway.is_ipv4() { "0.0.0.0" } else { "::" },
            "gateway": gateway,
        }));
    }
    for route in &fixed.routes {
        let (base, length) = split(&route.destination);
        routes.push(json!({
            "network": base,
            "netmask": netmask(route.nexthop, length),
            "gateway": route.nexthop,
        }));
    }
    let (_, length) = split(&fixed.cidr);
    json!({
        "id": format!("network{number}"),
        "type": if fixed.dhcp { format!("{family}_dhcp") } else { family.to_owned() },
        "link": link_id(vif),
        "network_id": vif.network_id,
        "ip_address": fixed.address,
        "netmask": netmask(fixed.address, length),
        "routes": routes,
        "services": fixed.dns.iter().map(|dns| json!({"type": "dns", "address": dns})).collect::<Vec<_>>(),
    })
}

fn split(cidr: &str) -> (&str, u8) {
    let (base, length) = cidr.split_once('/').unwrap_or((cidr, "0"));
    (base, length.parse().unwrap_or_default())
}

/// A prefix length in the form of addresses.
fn netmask(family: IpAddr, length: u8) -> String {
    match family {
        IpAddr::V4(_) => {
            let bits = u32::MAX
                .checked_shl(32 - u32::from(length.min(32)))
                .unwrap_or(0);
            std::net::Ipv4Addr::from(bits).to_string()
        }
        IpAddr::V6(_) => {
            let bits = u128::MAX
                .checked_shl(128 - u32::from(length.min(128)))
                .unwrap_or(0);
            std::net::Ipv6Addr::from(bits).to_string()
        }
    }
}
