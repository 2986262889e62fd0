//! dnsmasq's files as text.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::{files, stale_leases};
use crate::wanted::*;

fn subnet(id: &str, cidr: &str, gateway: Option<&str>) -> Subnet {
    Subnet {
        id: id.into(),
        cidr: cidr.parse().unwrap(),
        gateway: gateway.map(|g| g.parse().unwrap()),
        dhcp: true,
        dns: vec![],
        host_routes: vec![],
        ipv6_mode: None,
    }
}

fn network() -> Network {
    let host = |mac: &str, ips: &[&str], hostname: Option<&str>, options| DhcpHost {
        mac: mac.into(),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        hostname: hostname.map(str::to_owned),
        options,
    };
    let option = |name: &str, value: &str, ip_version| DhcpOption {
        name: name.into(),
        value: value.into(),
        ip_version,
    };
    let options = vec![
        option("bootfile-name", "pxe.0", 4),
        option("150", "192.0.2.3", 4),
        option("ntp-server", "[::1]", 6),
    ];
    let mut plain = subnet("one", "10.0.0.0/24", Some("10.0.0.1"));
    plain.dns = vec!["8.8.8.8".parse().unwrap(), "9.9.9.9".parse().unwrap()];
    plain.host_routes = vec![HostRoute {
        destination: "10.7.0.0/16".parse().unwrap(),
        next_hop: "10.0.0.9".parse().unwrap(),
    }];
    let mut stateful = subnet("three", "fd00::/64", None);
    stateful.ipv6_mode = Some(Ipv6Mode::Dhcpv6Stateful);
    let mut slaac = subnet("four", "fd01::/64", None);
    slaac.ipv6_mode = Some(Ipv6Mode::Slaac);
    let mut without = subnet("five", "10.5.0.0/24", None);
    without.dhcp = false;
    Network {
        id: "net".into(),
        mtu: 1450,
        admin_up: true,
        subnets: vec![
            plain,
            subnet("two", "10.1.0.0/16", None),
            stateful,
            slaac,
            without,
        ],
        dhcp_port: Some(DhcpPort {
            mac: "fa:16:3e:00:00:02".into(),
            ips: ["10.0.0.2", "10.1.0.2", "fd00::2"]
                .map(|ip| ip.parse().unwrap())
                .to_vec(),
        }),
        dhcp_hosts: vec![
            host("fa:16:3e:00:00:06", &["10.1.0.6"], None, vec![]),
            host(
                "fa:16:3e:00:00:05",
                &["10.0.0.5", "fd00::5", "10.5.0.5"],
                Some("web.example.org"),
                options,
            ),
        ],
        dns_domain: Some("openstacklocal".into()),
        metadata: true,
        uplink: None,
    }
}

#[test]
fn dnsmasq_serves_every_subnet_with_dhcp() {
    let files = files(&network(), Path::new("/state/dhcp/net")).unwrap();
    let text = format!(
        "-- config\n{}-- hosts\n{}-- options\n{}-- names\n{}",
        files.config, files.hosts, files.options, files.names
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_network_without_dhcp_has_no_dnsmasq() {
    let mut network = network();
    network
        .subnets
        .retain(|s| !s.dhcp || s.ipv6_mode == Some(Ipv6Mode::Slaac));
    assert_eq!(files(&network, Path::new("/state")), None);
}

#[test]
fn reservations_do_not_change_the_configuration() {
    let (mut with, path) = (network(), Path::new("/state"));
    let before = files(&with, path).unwrap();
    with.dhcp_hosts.clear();
    let after = files(&with, path).unwrap();
    assert_eq!(
        before.config, after.config,
        "adding a port must not restart dnsmasq"
    );
    assert_eq!(after.hosts, "");
}

#[test]
fn a_lease_without_its_reservation_is_stale() {
    let leases = "1790000000 fa:16:3e:00:00:05 10.0.0.5 web 01:fa:16:3e:00:00:05\n\
                  1790000000 fa:16:3e:00:00:06 10.0.0.6 * *\n\
                  duid 00:01:00:01\n1790000000 1234 fd00::5 web 00:01\n";
    let stale = stale_leases(
        leases,
        "fa:16:3e:00:00:06,host,10.0.0.6\nfa:16:3e:00:00:07,host,10.0.0.5\n",
    );
    assert_eq!(stale.len(), 1);
    assert_eq!(stale[0].ip.to_string(), "10.0.0.5");
    assert_eq!(stale[0].client, [1, 0xfa, 0x16, 0x3e, 0, 0, 5]);
}
