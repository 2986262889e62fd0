//! Security groups and address guards of the switch namespace, as nftables.
//!
//! The kernel's bridge family knows ports (taps) but not connections; its inet family knows connections but not ports.
//! So two tables work together, joined by the packet mark:
//!
//! 1. bridge/prerouting: by input tap, the guard: a guest sends only from its own MAC and addresses, is no DHCP server
//!    and no IPv6 router. What passes is marked with the port's number.
//! 2. inet/prerouting (by way of br_netfilter): each bridge is a conntrack zone of its own, since networks may use the
//!    same addresses; then the egress rules of the port in the mark.
//! 3. bridge/forward: the mark becomes the number of the output port (0 for cables).
//! 4. inet/forward: the ingress rules of the port in the mark.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Chain, Map, Table, disjoint, nft_name, nft_net};
use crate::names;
use crate::numbers::Numbers;
use crate::wanted::{Direction, Ethertype, Matching, Port, Remote, Rule, Wanted};

/// The switch namespace's tables. Every port and network must have its number. `connections` is how many tracked
/// connections a port may have begun.
pub fn tables(wanted: &Wanted, numbers: &Numbers, connections: u32) -> Vec<Table> {
    let mut bridge = bridge_table();
    let mut inet = inet_table(wanted, numbers, connections);
    for port in &wanted.ports {
        let tap = format!("\"{}\"", port.tap);
        let Some(number) = numbers.port(&port.id) else {
            // More ports than numbers: this one is cut off.
            bridge.put("guards", tap, "drop");
            continue;
        };
        let name = nft_name(names::short(&port.id));
        for ip in port.ips.iter().filter(|ip| ip.is_ipv4()) {
            bridge.put("owners", format!("{tap} . {ip}"), "");
        }
        bridge.put("guards", tap.clone(), &format!("goto g_{name}"));
        let Some(rules) = &port.security else {
            let mark = format!("0x{:08x}", number | UNGUARDED);
            let rules = vec![format!("meta mark set {mark} accept")];
            bridge
                .chains
                .insert(format!("g_{name}"), Chain::plain(rules));
            continue;
        };
        let mark = format!("0x{number:08x}");
        bridge.put("marks", tap, &mark);
        bridge
            .chains
            .insert(format!("g_{name}"), Chain::plain(guard_rules(port, &mark)));
        for (map, prefix, direction) in [
            ("egress", "e", Direction::Egress),
            ("ingress", "i", Direction::Ingress),
        ] {
            let map = inet.maps.get_mut(map).expect("declared in inet_table");
            map.elements
                .insert(mark.clone(), format!("goto {prefix}_{name}"));
            inet.chains.insert(
                format!("{prefix}_{name}"),
                Chain::plain(port_rules(rules, direction)),
            );
        }
    }
    vec![bridge, inet]
}

/// The packet mark of a port without port security has this bit: it is not filtered, but its connections are counted.
const UNGUARDED: u32 = 0x8000_0000;

fn bridge_table() -> Table {
    let rules = |rules: &[&str]| rules.iter().map(|&r| r.to_owned()).collect();
    Table {
        name: "bridge kn".into(),
        maps: BTreeMap::from([
            ("guards".into(), Map::keyed("type ifname : verdict;")),
            ("marks".into(), Map::keyed("type ifname : mark;")),
            // Which tap has which IPv4 address by right, whatever else its guest may send from.
            ("owners".into(), Map::set("type ifname . ipv4_addr;")),
        ]),
        chains: BTreeMap::from([
            (
                "prerouting".into(),
                Chain::base(
                    "type filter hook prerouting priority -300;",
                    rules(&["iifname vmap @guards", "iifname \"tap*\" drop"]),
                ),
            ),
            (
                "forward".into(),
                Chain::base(
                    "type filter hook forward priority -200;",
                    rules(&[
                        "oifname \"dh*\" jump asking",
                        "oifname \"ri*\" jump asking",
                        "meta mark set 0x0",
                        "meta mark set oifname map @marks",
                    ]),
                ),
            ),
            // On the way to the DHCP namespace, or to a router that leads there: metadata is only asked for from an
            // address that is the asking port's own. That holds without port security and for address pairs as well,
            // since the answer is another server's secrets. A tagged frame would hide its address from the rule.
            (
                "asking".into(),
                Chain::plain(rules(&[
                    "ether type { 0x8100, 0x88a8 } drop",
                    "iifname \"tap*\" ip daddr 169.254.169.254 iifname . ip saddr != @owners drop",
                ])),
            ),
            // What no guest may send.
            ("common".into(), Chain::plain(rules(IMPOSTORS))),
            // What a guest may send before it has an IPv6 address.
            (
                "unspecified".into(),
                Chain::plain(rules(&[
                    "icmpv6 type { mld-listener-report, nd-router-solicit, nd-neighbor-solicit, mld2-listener-report } accept",
                    "drop",
                ])),
            ),
        ]),
    }
}

/// Only the network's own DHCP server and routers may say these.
const IMPOSTORS: &[&str] = &[
    "udp sport 67 udp dport 68 drop",
    "udp sport 547 udp dport 546 drop",
    "icmpv6 type { nd-router-advert, nd-redirect } drop",
];

/// Before the rules of any port. Mark 0 is no port, or one without port security. Neighbour discovery is not tracked,
/// so it goes first.
const EGRESS: &[&str] = &[
    "icmpv6 type { mld-listener-report, mld-listener-done, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept",
    "ct state established,related accept",
    "ct state invalid drop",
    COUNT_OUTGOING,
    "udp sport 68 udp dport 67 accept",
    "udp sport 546 udp dport 547 accept",
    "ip daddr 169.254.169.254 tcp dport 80 accept",
    "meta mark vmap @egress",
    "drop",
];

const INGRESS: &[&str] = &[
    "meta mark 0x0 accept",
    "icmpv6 type { mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
    "ct state established,related accept",
    "ct state invalid drop",
    "udp sport 67 udp dport 68 accept",
    "udp sport 547 udp dport 546 accept",
    "meta mark vmap @ingress",
    "drop",
];

/// A new connection beyond the port's limit is dropped, before anything else accepts it: all connections share one table
/// of the kernel, and a guest that fills it would keep every other from beginning one. Only who begins is counted: a
/// limit on what comes in would let one guest shut another off. [`LIMIT`] stands for the number.
const COUNT_OUTGOING: &str = "ct state new add @outgoing { meta mark ct count over LIMIT } drop";
const LIMIT: &str = "LIMIT";
/// The connections of each port, kept by the kernel.
const COUNTERS: &str = "type mark; size 65535; flags dynamic;";

fn inet_table(wanted: &Wanted, numbers: &Numbers, connections: u32) -> Table {
    let mut zones = Map::keyed("typeof iifname : ct zone;");
    for network in &wanted.networks {
        if let Some(zone) = numbers.network(&network.id) {
            zones.elements.insert(
                format!("\"{}\"", names::bridge(&network.id)),
                zone.to_string(),
            );
        }
    }
    let mut maps = BTreeMap::from([
        ("zones".into(), zones),
        ("egress".into(), Map::keyed("type mark : verdict;")),
        ("ingress".into(), Map::keyed("type mark : verdict;")),
        ("outgoing".into(), Map::set(COUNTERS)),
    ]);
    for set in &wanted.address_sets {
        for (v4, kind) in [(true, "ipv4_addr"), (false, "ipv6_addr")] {
            let mut map = Map::set(&format!("type {kind}; flags interval;"));
            map.elements = disjoint(set.members.iter().copied(), v4)
                .iter()
                .map(|n| (element(n), String::new()))
                .collect();
            maps.insert(set_name(&set.id, v4), map);
        }
    }
    let connections = connections.to_string();
    let rules = |rules: &[&str]| {
        let rules = rules.iter();
        rules
            .map(|rule| rule.replace(LIMIT, &connections))
            .collect()
    };
    // The guard drops impostors as well, but cannot see into fragments; here they are whole.
    let free = [
        "meta mark 0x0 accept",
        "meta mark & 0x80000000 != 0x0 goto unguarded_out",
    ];
    let egress = [&free, IMPOSTORS, EGRESS].concat();
    Table {
        name: "inet kn".into(),
        maps,
        chains: BTreeMap::from([
            (
                "zone".into(),
                Chain::base(
                    "type filter hook prerouting priority -300;",
                    rules(&["ct zone set iifname map @zones"]),
                ),
            ),
            (
                "unguarded_out".into(),
                Chain::plain(rules(&[COUNT_OUTGOING, "accept"])),
            ),
            (
                "egress".into(),
                Chain::base("type filter hook prerouting priority -150;", rules(&egress)),
            ),
            (
                "ingress".into(),
                Chain::base("type filter hook forward priority 0;", rules(INGRESS)),
            ),
        ]),
    }
}

/// A set's element. The whole address space must be written as a range.
fn element(net: &IpNet) -> String {
    if net.prefix_len() == 0 {
        format!("{}-{}", net.network(), net.broadcast())
    } else {
        nft_net(net)
    }
}

fn set_name(id: &str, v4: bool) -> String {
    format!("s{}_{}", if v4 { 4 } else { 6 }, nft_name(id))
}

/// What a guest may send at all, whatever its security groups say.
///
/// A rule for each address instead of a set for each rule: nft reads every set of the table before each change, so
/// sets that come with every port would make all changes slow.
fn guard_rules(port: &Port, mark: &str) -> Vec<String> {
    let accept = format!("meta mark set {mark} accept");
    let mut rules = vec!["jump common".to_owned()];
    for (mac, nets) in &senders(port) {
        let from = format!("ether saddr {mac}");
        let v4 = disjoint(nets.iter().copied(), true);
        let mut v6 = disjoint(nets.iter().copied(), false);
        let own = link_local(mac).filter(|own| !v6.iter().any(|n| n.contains(own)));
        v6.extend(own);
        rules.push(format!(
            "{from} ip saddr 0.0.0.0 udp sport 68 udp dport 67 {accept}"
        ));
        // 0.0.0.0: looking for duplicates (RFC 5227).
        rules.push(format!(
            "{from} arp saddr ether {mac} arp saddr ip 0.0.0.0 accept"
        ));
        for net in &v4 {
            let net = if net.prefix_len() == 0 {
                String::new()
            } else {
                nft_net(net)
            };
            let (arp, ip) = (address("arp saddr ip", &net), address("ip saddr", &net));
            rules.push(format!(
                "{from} ether type arp arp saddr ether {mac} {arp}accept"
            ));
            rules.push(format!("{from} ether type ip {ip}{accept}"));
        }
        rules.push(format!(
            "{from} ip6 saddr :: meta mark set {mark} goto unspecified"
        ));
        // The target of an advertisement starts at byte 8 of the ICMPv6 header; ranges cannot be compared so.
        if v6.iter().all(|n| n.prefix_len() == 128) {
            for net in &v6 {
                rules.push(format!(
                    "{from} icmpv6 type nd-neighbor-advert @th,64,128 {} {accept}",
                    raw_v6(net)
                ));
            }
            rules.push(format!("{from} icmpv6 type nd-neighbor-advert drop"));
        }
        for net in &v6 {
            let net = if net.prefix_len() == 0 {
                String::new()
            } else {
                nft_net(net)
            };
            rules.push(format!(
                "{from} ether type ip6 {}{accept}",
                address("ip6 saddr", &net)
            ));
        }
    }
    rules.push("drop".into());
    rules
}

/// A comparison with an address; nothing for any address.
fn address(field: &str, net: &str) -> String {
    if net.is_empty() {
        String::new()
    } else {
        format!("{field} {net} ")
    }
}

/// MAC addresses that the guest may use, each with its IP addresses.
fn senders(port: &Port) -> BTreeMap<String, Vec<IpNet>> {
    let mut senders = BTreeMap::from([(port.mac.to_lowercase(), Vec::new())]);
    let own = port.ips.iter().map(|ip| (&port.mac, IpNet::from(*ip)));
    let pairs = port
        .allowed_address_pairs
        .iter()
        .map(|pair| (pair.mac.as_ref().unwrap_or(&port.mac), pair.ip));
    for (mac, net) in own.chain(pairs) {
        senders.entry(mac.to_lowercase()).or_default().push(net);
    }
    senders
}

/// The link-local address that is made from a MAC address (EUI-64).
fn link_local(mac: &str) -> Option<IpNet> {
    let m = crate::check::mac(mac).ok()?;
    let tail = u64::from_be_bytes([m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]]);
    let address = std::net::Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(tail));
    Some(IpNet::from(std::net::IpAddr::from(address)))
}

fn raw_v6(net: &IpNet) -> String {
    match net.addr() {
        std::net::IpAddr::V6(address) => format!("0x{:032x}", address.to_bits()),
        std::net::IpAddr::V4(address) => format!("0x{:032x}", address.to_ipv6_mapped().to_bits()),
    }
}

/// One direction of a port's security groups.
fn port_rules(rules: &[Rule], direction: Direction) -> Vec<String> {
    let mut sorted: Vec<&Rule> = rules.iter().filter(|r| r.direction == direction).collect();
    sorted.sort();
    sorted.dedup();
    sorted
        .into_iter()
        .map(rule_text)
        .chain(["drop".to_owned()])
        .collect()
}

fn rule_text(rule: &Rule) -> String {
    let v4 = rule.ethertype == Ethertype::IPv4;
    let side = if rule.direction == Direction::Ingress {
        "saddr"
    } else {
        "daddr"
    };
    let ip = if v4 { "ip" } else { "ip6" };
    let mut text = format!("meta nfproto {}", if v4 { "ipv4" } else { "ipv6" });
    match &rule.remote {
        Remote::Anywhere => {}
        Remote::Cidr(net) if net.prefix_len() == 0 => {}
        Remote::Cidr(net) => text.push_str(&format!(" {ip} {side} {}", nft_net(&net.trunc()))),
        Remote::Set(id) => text.push_str(&format!(" {ip} {side} @{}", set_name(id, v4))),
    }
    let icmp = if v4 { "icmp" } else { "icmpv6" };
    match (rule.matching, protocol(rule)) {
        (Matching::Any, None) => {}
        (Matching::Any, Some(number)) => text.push_str(&format!(" meta l4proto {number}")),
        (Matching::Ports { min, max }, number) => {
            let name = number
                .and_then(port_protocol)
                .expect("check.rs admits ports only where there are some");
            let ports = if min == max {
                min.to_string()
            } else {
                format!("{min}-{max}")
            };
            text.push_str(&format!(" {name} dport {ports}"));
        }
        (Matching::Icmp { kind, code }, _) => {
            text.push_str(&format!(" {icmp} type {kind}"));
            if let Some(code) = code {
                text.push_str(&format!(" {icmp} code {code}"));
            }
        }
    }
    text + " accept"
}

/// The protocol that a rule means: icmp on IPv6 is icmpv6.
pub fn protocol(rule: &Rule) -> Option<u8> {
    match (rule.protocol, rule.ethertype) {
        (Some(1), Ethertype::IPv6) => Some(58),
        (other, _) => other,
    }
}

/// nft's name of a protocol that has ports.
pub fn port_protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        132 => "sctp",
        136 => "udplite",
        _ => return None,
    })
}
