//! The rule sets as text, and who may still talk.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::{
    Chain, Map, Table, disjoint, flows::Judge, host, render, render_change, router, switch,
};
use crate::kernel::conntrack::Flow;
use crate::numbers::Numbers;
use crate::wanted::*;

fn id(n: u32) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

fn port(n: u8, rules: Option<Vec<Rule>>) -> Port {
    Port {
        id: id(n.into()),
        network_id: id(0xaa),
        mac: format!("fa:16:3e:00:00:{n:02x}"),
        ips: vec![
            format!("10.0.0.{n}").parse().unwrap(),
            format!("fd00::{n}").parse().unwrap(),
        ],
        tap: crate::tap_name(&id(n.into())),
        admin_up: true,
        security: rules,
        allowed_address_pairs: vec![],
    }
}

fn rule(
    direction: Direction,
    ethertype: Ethertype,
    protocol: Option<u8>,
    matching: Matching,
    remote: Remote,
) -> Rule {
    Rule {
        direction,
        ethertype,
        protocol,
        matching,
        remote,
    }
}

/// One rule of every kind.
fn all_kinds() -> Vec<Rule> {
    use Direction::*;
    use Ethertype::*;
    let net = |n: &str| Remote::Cidr(n.parse().unwrap());
    vec![
        rule(Egress, IPv4, None, Matching::Any, Remote::Anywhere),
        rule(Egress, IPv6, None, Matching::Any, net("::/0")),
        rule(
            Ingress,
            IPv4,
            Some(6),
            Matching::Ports { min: 22, max: 22 },
            net("192.0.2.0/24"),
        ),
        rule(
            Ingress,
            IPv4,
            Some(17),
            Matching::Ports {
                min: 5000,
                max: 5010,
            },
            Remote::Set(id(0xbb)),
        ),
        rule(
            Ingress,
            IPv6,
            Some(1),
            Matching::Icmp {
                kind: 128,
                code: None,
            },
            Remote::Anywhere,
        ),
        rule(
            Ingress,
            IPv4,
            Some(1),
            Matching::Icmp {
                kind: 8,
                code: Some(0),
            },
            Remote::Anywhere,
        ),
        rule(
            Ingress,
            IPv6,
            Some(132),
            Matching::Ports { min: 1, max: 65535 },
            Remote::Set(id(0xbb)),
        ),
        rule(Ingress, IPv4, Some(112), Matching::Any, Remote::Anywhere),
    ]
}

fn wanted(ports: Vec<Port>) -> Wanted {
    let network = Network {
        id: id(0xaa),
        mtu: 1450,
        admin_up: true,
        subnets: vec![],
        dhcp_port: None,
        dhcp_hosts: vec![],
        dns_domain: None,
        metadata: false,
        uplink: None,
    };
    let members = ["10.0.0.0/24", "10.0.0.7/32", "10.9.0.1/32", "fd00::/64"];
    let set = AddressSet {
        id: id(0xbb),
        members: members.iter().map(|m| m.parse().unwrap()).collect(),
    };
    Wanted {
        networks: vec![network],
        ports,
        routers: vec![],
        address_sets: vec![set],
    }
}

fn tables(wanted: &Wanted) -> Vec<Table> {
    let mut numbers = Numbers::default();
    numbers.assign(wanted);
    switch::tables(wanted, &numbers, 1000)
}

#[test]
fn the_switch_guards_and_filters_every_port() {
    let mut guarded = port(5, Some(all_kinds()));
    guarded.allowed_address_pairs = vec![
        AddressPair {
            ip: "10.0.0.128/25".parse().unwrap(),
            mac: None,
        },
        AddressPair {
            ip: "10.0.0.200/32".parse().unwrap(),
            mac: Some("00:00:5E:00:01:01".into()),
        },
    ];
    insta::assert_snapshot!(render(&tables(&wanted(vec![guarded, port(6, None)]))));
}

#[test]
fn one_more_port_changes_only_what_is_its_own() {
    let before = tables(&wanted(vec![port(5, Some(all_kinds()))]));
    let after = tables(&wanted(vec![
        port(5, Some(all_kinds())),
        port(6, Some(vec![])),
    ]));
    let text = render_change(&before, &after);
    assert!(
        !text.contains("flush") && !text.contains("delete"),
        "{text}"
    );
    assert!(!text.contains("00000005_00"), "{text}");
    assert_eq!(render_change(&after, &after), "");
    let back = render_change(&after, &before);
    let lines: Vec<_> = back
        .lines()
        .filter(|l| !l.starts_with("delete") && !l.starts_with("flush"))
        .collect();
    assert_eq!(lines, Vec::<&str>::new());
}

#[test]
fn a_changed_map_value_is_taken_out_before_it_is_put_in() {
    let table = |value: &str| Table {
        name: "inet kn".into(),
        maps: BTreeMap::from([(
            "m".into(),
            Map {
                elements: BTreeMap::from([("1".into(), value.into())]),
                ..Map::keyed("type mark : verdict;")
            },
        )]),
        chains: BTreeMap::from([("c".into(), Chain::plain(vec!["drop".into()]))]),
    };
    let text = render_change(&[table("accept")], &[table("drop")]);
    assert_eq!(
        text,
        "delete element inet kn m { 1 }\nadd element inet kn m { 1 : drop }\n"
    );
}

#[test]
fn guests_reach_of_the_host_what_is_opened_and_nothing_else() {
    let gateways = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let devices = BTreeMap::from([
        (
            "kx00000001-00".to_owned(),
            gateways(&["203.0.113.1/24", "fd00::1/64"]),
        ),
        ("kx00000002-00".to_owned(), gateways(&[])),
    ]);
    let services = ["tcp/53", "udp/53", "tcp/8000-8010"].map(|text| text.parse().unwrap());
    insta::assert_snapshot!(render(&host::tables("c10d", &devices, &services.into())));
    assert_eq!(
        host::tables("c10d", &Default::default(), &Default::default()),
        []
    );
}

#[test]
fn a_router_translates_floating_ips_and_hides_the_rest() {
    let gateway = Gateway {
        port_id: id(2),
        network_id: id(0xee),
        mac: "fa:16:3e:00:00:02".into(),
        ips: vec!["203.0.113.10/24".parse().unwrap()],
        next_hops: vec!["203.0.113.1".parse().unwrap()],
        snat: true,
    };
    let floating = vec![Floating {
        floating: "203.0.113.50".parse().unwrap(),
        fixed: "10.0.0.5".parse().unwrap(),
    }];
    let mut wanted = Router {
        id: id(1),
        admin_up: true,
        interfaces: vec![Interface {
            port_id: id(3),
            network_id: id(0xaa),
            mac: "fa:16:3e:00:00:03".into(),
            ips: vec!["10.0.0.1/24".parse().unwrap()],
        }],
        gateway: Some(gateway),
        routes: vec![],
        floating,
        forwardings: vec![Forwarding {
            floating: "203.0.113.51".parse().unwrap(),
            protocol: host::Transport::Udp,
            external_port: 5353,
            fixed: "10.0.0.6".parse().unwrap(),
            internal_port: 53,
        }],
    };
    let forwarded = router::forwarded(&router::tables(&wanted));
    let from = ("203.0.113.51".parse().unwrap(), 17, 5353);
    assert_eq!(
        forwarded.get(&from).map(String::as_str),
        Some("10.0.0.6 . 53")
    );
    insta::assert_snapshot!(render(&router::tables(&wanted)));
    wanted.gateway.as_mut().unwrap().snat = false;
    assert!(!render(&router::tables(&wanted)).contains("ip saddr != 203"));
    wanted.gateway = None;
    let text = render(&router::tables(&wanted));
    assert!(!text.contains("nat"), "{text}");
    assert!(
        text.contains("through ip daddr 169.254.169.254 drop"),
        "{text}"
    );
}

#[test]
fn overlaps_are_dropped_from_sets() {
    let nets = [
        "10.0.0.5/32",
        "10.0.0.0/24",
        "10.0.0.9/24",
        "::1/128",
        "11.0.0.0/8",
    ]
    .map(|n| n.parse().unwrap());
    let kept: Vec<String> = disjoint(nets.into_iter(), true)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(kept, ["10.0.0.0/24", "11.0.0.0/8"]);
}

fn flow(source: &str, destination: &str, protocol: u8, port: u16) -> Flow {
    let source = source.parse().unwrap();
    Flow {
        zone: 1,
        source,
        destination: destination.parse().unwrap(),
        protocol,
        port,
        reply_destination: source,
        ..Flow::default()
    }
}

#[test]
fn a_connection_is_judged_by_the_rules_of_both_its_ends() {
    let wanted = wanted(vec![
        port(5, Some(all_kinds())),
        port(6, Some(vec![])),
        port(7, None),
    ]);
    let judge = Judge::new(&wanted, |_| Some(1));
    let permits = |from, to, protocol, port| judge.permits(&flow(from, to, protocol, port));
    assert!(permits("192.0.2.9", "10.0.0.5", 6, 22));
    assert!(!permits("192.0.3.9", "10.0.0.5", 6, 22), "another source");
    assert!(!permits("192.0.2.9", "10.0.0.5", 6, 23), "another port");
    assert!(
        !permits("192.0.2.9", "10.0.0.5", 17, 22),
        "another protocol"
    );
    assert!(
        permits("10.9.0.1", "10.0.0.5", 17, 5010),
        "a member of the set"
    );
    assert!(permits("10.0.0.5", "192.0.2.9", 6, 80), "egress is open");
    assert!(!permits("10.0.0.6", "192.0.2.9", 6, 80), "no egress rule");
    assert!(
        !permits("10.0.0.5", "10.0.0.6", 6, 80),
        "no ingress rule at the other end"
    );
    assert!(
        permits("10.0.0.5", "10.0.0.7", 6, 80),
        "port security is off there"
    );
    assert!(permits("10.0.0.6", "169.254.169.254", 6, 80), "metadata");
    assert!(permits("1.1.1.1", "2.2.2.2", 6, 80), "nobody's");
    let ping = |kind| Flow {
        icmp: Some((kind, 0)),
        ..flow("fd00::99", "fd00::5", 58, 0)
    };
    assert!(judge.permits(&ping(128)));
    assert!(!judge.permits(&ping(1)));
    let elsewhere = Flow {
        zone: 2,
        ..flow("192.0.2.9", "10.0.0.6", 6, 22)
    };
    assert!(
        judge.permits(&elsewhere),
        "another network with the same addresses"
    );
}
