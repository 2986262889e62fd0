//! A router's NAT, as nftables.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Chain, Map, Table};
use crate::names;
use crate::wanted::Router;

/// Packets that came in by the gateway carry this mark.
const FROM_OUTSIDE: &str = "0x2";

/// The tables of a router's namespace. Without a gateway there is nothing to translate.
pub fn tables(router: &Router) -> Vec<Table> {
    let Some(gateway) = &router.gateway else {
        return Vec::new();
    };
    let device = names::router_gateway(&gateway.port_id);
    let own = gateway
        .ips
        .iter()
        .map(|net| net.addr())
        .find(IpAddr::is_ipv4);
    let mut inward = Map::keyed("type ipv4_addr : ipv4_addr;");
    let mut outward = inward.clone();
    for pair in router
        .floating
        .iter()
        .filter(|p| p.floating.is_ipv4() && p.fixed.is_ipv4())
    {
        inward
            .elements
            .insert(pair.floating.to_string(), pair.fixed.to_string());
        outward
            .elements
            .insert(pair.fixed.to_string(), pair.floating.to_string());
    }
    let mut leaving = vec![format!(
        "oifname \"{device}\" snat to ip saddr map @outward"
    )];
    if let Some(own) = own {
        if gateway.snat {
            leaving.push(format!(
                "oifname \"{device}\" meta mark != {FROM_OUTSIDE} ip saddr != {own} snat to {own}"
            ));
        }
        // A guest that talks to a neighbour's floating IP: the answer must come back through here.
        leaving.push(format!(
            "oifname != \"{device}\" meta mark != {FROM_OUTSIDE} ct status dnat snat to {own}"
        ));
    }
    let table = Table {
        name: "ip kn".into(),
        maps: BTreeMap::from([("inward".into(), inward), ("outward".into(), outward)]),
        chains: BTreeMap::from([
            // A floating IP that has moved away is not ours to pass on.
            (
                "through".into(),
                Chain::base(
                    "type filter hook forward priority 0;",
                    vec![format!("iifname \"{device}\" oifname \"{device}\" drop")],
                ),
            ),
            (
                "outside".into(),
                Chain::base(
                    "type filter hook prerouting priority -150;",
                    vec![format!("iifname \"{device}\" meta mark set {FROM_OUTSIDE}")],
                ),
            ),
            (
                "arriving".into(),
                Chain::base(
                    "type nat hook prerouting priority -100;",
                    vec!["dnat to ip daddr map @inward".into()],
                ),
            ),
            (
                "leaving".into(),
                Chain::base("type nat hook postrouting priority 100;", leaving),
            ),
        ]),
    };
    vec![table]
}

/// The floating IPs that a router's tables translate: floating to fixed.
pub fn floating(tables: &[Table]) -> BTreeMap<String, String> {
    tables
        .iter()
        .find_map(|t| t.maps.get("inward"))
        .map(|m| m.elements.clone())
        .unwrap_or_default()
}
