//! What is refused before anything is made of it.

#![allow(clippy::unwrap_used)]

use super::admit;
use crate::report::Object;
use crate::wanted::*;

fn network() -> Network {
    Network {
        id: "net-1".into(),
        mtu: 1450,
        admin_up: true,
        subnets: vec![],
        dhcp_port: None,
        dhcp_hosts: vec![],
        dns_domain: None,
        metadata: false,
        uplink: None,
    }
}

fn port() -> Port {
    Port {
        id: "port-1".into(),
        network_id: "net-1".into(),
        mac: "fa:16:3e:00:00:01".into(),
        ips: vec![],
        tap: "tapport-1".into(),
        admin_up: true,
        security: Some(vec![]),
        allowed_address_pairs: vec![],
    }
}

fn refused(change: impl FnOnce(&mut Wanted)) -> Vec<Object> {
    let mut wanted = Wanted {
        networks: vec![network()],
        ports: vec![port()],
        ..Wanted::default()
    };
    change(&mut wanted);
    admit(&wanted)
        .1
        .into_iter()
        .map(|(object, _)| object)
        .collect()
}

#[test]
fn a_sound_state_passes() {
    assert_eq!(refused(|_| {}), []);
}

#[test]
fn texts_that_mean_something_to_nft_or_dnsmasq_are_refused() {
    let the_port = [Object::Port("port-1".into())];
    assert_eq!(refused(|w| w.ports[0].tap = "tap\"; drop".into()), the_port);
    assert_eq!(refused(|w| w.ports[0].tap = "eth0".into()), the_port);
    assert_eq!(
        refused(|w| w.ports[0].tap = "tap-much-too-long".into()),
        the_port
    );
    assert_eq!(
        refused(|w| w.ports[0].mac = "fa:16:3e:00:00:01 drop".into()),
        the_port
    );
    let the_network = [Object::Network("net-1".into())];
    let host = |hostname: Option<&str>, option: Option<(&str, &str)>| DhcpHost {
        mac: "fa:16:3e:00:00:01".into(),
        ips: vec![],
        hostname: hostname.map(str::to_owned),
        options: option
            .map(|(name, value)| DhcpOption {
                name: name.into(),
                value: value.into(),
                ip_version: 4,
            })
            .into_iter()
            .collect(),
    };
    for bad in [
        host(Some("a,b"), None),
        host(Some("a\nb"), None),
        host(None, Some(("router", "1\nlog-dhcp"))),
        host(None, Some(("router,6", "1"))),
    ] {
        assert_eq!(
            refused(|w| w.networks[0].dhcp_hosts = vec![bad]),
            the_network
        );
    }
}

#[test]
fn a_rule_cannot_ask_for_ports_of_a_protocol_without_ports() {
    let rule = |protocol, matching| Rule {
        direction: Direction::Ingress,
        ethertype: Ethertype::IPv4,
        protocol,
        matching,
        remote: Remote::Anywhere,
    };
    let with = |rule: Rule| refused(|w| w.ports[0].security = Some(vec![rule])).len();
    assert_eq!(with(rule(Some(6), Matching::Ports { min: 1, max: 2 })), 0);
    assert_eq!(with(rule(Some(6), Matching::Ports { min: 2, max: 1 })), 1);
    assert_eq!(with(rule(None, Matching::Ports { min: 1, max: 2 })), 1);
    assert_eq!(with(rule(Some(112), Matching::Ports { min: 1, max: 2 })), 1);
    assert_eq!(
        with(rule(
            Some(6),
            Matching::Icmp {
                kind: 8,
                code: None
            }
        )),
        1
    );
}

#[test]
fn two_of_one_name_are_not_possible() {
    let twins = refused(|w| {
        w.ports.push(Port {
            id: "port-2".into(),
            ..port()
        })
    });
    assert_eq!(twins, [Object::Port("port-2".into())]);
    let stray = refused(|w| w.ports[0].network_id = "nowhere".into());
    assert_eq!(stray, [Object::Port("port-1".into())]);
}

#[test]
fn a_network_without_a_dhcp_port_is_made_without_dhcp() {
    let wanted = Wanted {
        networks: vec![Network {
            metadata: true,
            ..network()
        }],
        ports: vec![port()],
        ..Wanted::default()
    };
    let (admitted, problems) = admit(&wanted);
    assert_eq!(problems.len(), 1);
    assert!(!admitted.networks[0].metadata);
    assert_eq!(admitted.ports.len(), 1);
}

#[test]
fn objects_whose_short_names_collide_are_not_both_made() {
    let network = |id: &str| Network {
        id: id.into(),
        ..network()
    };
    let (first, second) = (
        "0badcafe-1111-4111-8111-111111111111",
        "0badcafe-2222-4222-8222-222222222222",
    );
    let router = |id: &str, port: &str| Router {
        id: id.into(),
        admin_up: true,
        interfaces: vec![Interface {
            port_id: port.into(),
            network_id: first.into(),
            mac: "fa:16:3e:00:00:09".into(),
            ips: vec![],
        }],
        gateway: None,
        routes: vec![],
        floating: vec![],
        forwardings: vec![],
    };
    let wanted = Wanted {
        networks: vec![network(first), network(second)],
        routers: vec![
            router("router-1", "11111111-1111-4111-8111-111111111111"),
            router("router-2", "11111111-1122-4222-8222-222222222222"),
        ],
        ..Wanted::default()
    };
    let (admitted, problems) = admit(&wanted);
    let refused: Vec<Object> = problems.iter().map(|(object, _)| object.clone()).collect();
    // The two networks would share the namespace of their DHCP servers, and each other's leases and metadata.
    assert_eq!(
        refused,
        [
            Object::Network(second.into()),
            Object::Router("router-2".into())
        ]
    );
    assert!(
        problems[0].1.to_string().contains("is taken"),
        "{}",
        problems[0].1
    );
    assert_eq!(admitted.networks.len(), 1);
}
