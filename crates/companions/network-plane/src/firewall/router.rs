//! A router's NAT, and its way to metadata, as nftables.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Chain, Map, Table};
use crate::names;
use crate::wanted::{Gateway, Router};

/// Packets that came in by the gateway carry this mark.
const FROM_OUTSIDE: &str = "0x2";

/// Packets that were sent to the metadata address, before any translation, carry this mark.
const ASKING: &str = "0x4";

/// The table of a router's namespace.
pub fn tables(router: &Router) -> Vec<Table> {
    let mut table = Table {
        name: "ip kn".into(),
        ..Table::default()
    };
    metadata(router, &mut table);
    if let Some(gateway) = &router.gateway {
        translation(router, gateway, &mut table);
    }
    vec![table]
}

/// Metadata knows a guest by the address that its own network gave it, so a router passes such a request on only to the
/// network that it came from: no route, floating IP or other network leads there.
fn metadata(router: &Router, table: &mut Table) {
    const TO_METADATA: &str = "ip daddr 169.254.169.254";
    let devices = router
        .interfaces
        .iter()
        .map(|i| names::router_interface(&i.port_id));
    let mut through: Vec<String> = devices
        .map(|device| {
            format!(
                "iifname \"{device}\" oifname \"{device}\" {TO_METADATA} meta mark {ASKING} accept"
            )
        })
        .collect();
    through.sort();
    through.push(format!("{TO_METADATA} drop"));
    table.chains.insert(
        "asking".into(),
        Chain::base(
            "type filter hook prerouting priority -160;",
            vec![format!("{TO_METADATA} meta mark set {ASKING}")],
        ),
    );
    table.chains.insert(
        "through".into(),
        Chain::base("type filter hook forward priority 0;", through),
    );
}

fn translation(router: &Router, gateway: &Gateway, table: &mut Table) {
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
    let mut forwarded =
        Map::keyed("type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service;");
    for one in router
        .forwardings
        .iter()
        .filter(|one| one.floating.is_ipv4() && one.fixed.is_ipv4())
    {
        let protocol = one.protocol.word();
        forwarded.elements.insert(
            format!("{} . {protocol} . {}", one.floating, one.external_port),
            format!("{} . {}", one.fixed, one.internal_port),
        );
    }
    table.maps.insert("forwarded".into(), forwarded);
    table.maps.insert("inward".into(), inward);
    table.maps.insert("outward".into(), outward);
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
    // A floating IP that has moved away is not ours to pass on.
    let through = table.chains.entry("through".into()).or_default();
    through
        .rules
        .push(format!("iifname \"{device}\" oifname \"{device}\" drop"));
    table.chains.extend([
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
                vec![
                    "dnat to ip daddr map @inward".into(),
                    "dnat ip to ip daddr . meta l4proto . th dport map @forwarded".into(),
                ],
            ),
        ),
        (
            "leaving".into(),
            Chain::base("type nat hook postrouting priority 100;", leaving),
        ),
    ]);
}

/// The floating IPs that a router's tables translate: floating to fixed.
pub fn floating(tables: &[Table]) -> BTreeMap<String, String> {
    elements(tables, "inward")
}

/// The ports of floating IPs that a router's tables translate: address, IANA number of the protocol and port, to where.
pub fn forwarded(tables: &[Table]) -> BTreeMap<(IpAddr, u8, u16), String> {
    let key = |text: &str| {
        let mut parts = text.split(" . ");
        let address = parts.next()?.parse().ok()?;
        let protocol = match parts.next()? {
            "tcp" => 6,
            _ => 17,
        };
        Some((address, protocol, parts.next()?.parse().ok()?))
    };
    let all = elements(tables, "forwarded").into_iter();
    all.filter_map(|(from, to)| Some((key(&from)?, to)))
        .collect()
}

fn elements(tables: &[Table], map: &str) -> BTreeMap<String, String> {
    tables
        .iter()
        .find_map(|t| t.maps.get(map))
        .map(|m| m.elements.clone())
        .unwrap_or_default()
}
