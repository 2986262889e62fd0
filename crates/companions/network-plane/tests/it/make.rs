//! Short ways to write wanted states.

use network_plane::*;

/// An id that is the same for the same words.
pub fn id(name: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// A network 10.N.0.0/24 with DHCP at .2 and gateway .1.
pub fn network(name: &str, n: u8) -> Network {
    let subnet = Subnet {
        id: id(&format!("subnet {name}")),
        cidr: format!("10.{n}.0.0/24").parse().unwrap(),
        gateway: Some([10, n, 0, 1].into()),
        dhcp: true,
        dns: vec![],
        host_routes: vec![],
        ipv6_mode: None,
    };
    Network {
        id: id(name),
        mtu: 1400,
        admin_up: true,
        subnets: vec![subnet],
        dhcp_port: Some(DhcpPort {
            mac: format!("fa:16:3e:ff:{n:02x}:02"),
            ips: vec![[10, n, 0, 2].into()],
        }),
        dhcp_hosts: vec![],
        dns_domain: Some("openstacklocal".into()),
        metadata: true,
        uplink: None,
    }
}

/// An external network 203.0.N.0/24 whose gateway .1 is the host.
pub fn external(name: &str, n: u8) -> Network {
    let subnet = Subnet {
        id: id(&format!("subnet {name}")),
        cidr: format!("203.0.{n}.0/24").parse().unwrap(),
        gateway: Some([203, 0, n, 1].into()),
        dhcp: false,
        dns: vec![],
        host_routes: vec![],
        ipv6_mode: None,
    };
    let uplink = Some(Uplink {
        addresses: vec![format!("203.0.{n}.1/24").parse().unwrap()],
    });
    Network {
        id: id(name),
        subnets: vec![subnet],
        dhcp_port: None,
        metadata: false,
        uplink,
        ..network(name, n)
    }
}

/// A guarded port with an address, open for sending only.
pub fn port(name: &str, network: &Network, ip: &str) -> Port {
    let id = id(name);
    let mac = format!("fa:16:3e:{}:{}:{}", &id[0..2], &id[2..4], &id[4..6]);
    Port {
        tap: tap_name(&id),
        id,
        network_id: network.id.clone(),
        mac,
        ips: vec![ip.parse().unwrap()],
        admin_up: true,
        security: Some(egress()),
        allowed_address_pairs: vec![],
    }
}

/// Rules that let everything out.
pub fn egress() -> Vec<Rule> {
    [Ethertype::IPv4, Ethertype::IPv6]
        .map(|ethertype| Rule {
            direction: Direction::Egress,
            ethertype,
            protocol: None,
            matching: Matching::Any,
            remote: Remote::Anywhere,
        })
        .to_vec()
}

pub fn tcp(port: u16, remote: Remote) -> Rule {
    Rule {
        direction: Direction::Ingress,
        ethertype: Ethertype::IPv4,
        protocol: Some(6),
        matching: Matching::Ports {
            min: port,
            max: port,
        },
        remote,
    }
}

pub fn icmp(ethertype: Ethertype) -> Rule {
    Rule {
        direction: Direction::Ingress,
        ethertype,
        protocol: Some(1),
        matching: Matching::Any,
        remote: Remote::Anywhere,
    }
}

/// A wanted state of networks and ports; every port gets its DHCP reservation.
pub fn wanted(networks: &[Network], ports: &[Port]) -> Wanted {
    let mut wanted = Wanted {
        networks: networks.to_vec(),
        ports: ports.to_vec(),
        ..Wanted::default()
    };
    for network in &mut wanted.networks {
        let own = ports.iter().filter(|p| p.network_id == network.id);
        network.dhcp_hosts = own
            .map(|p| DhcpHost {
                mac: p.mac.clone(),
                ips: p.ips.clone(),
                hostname: None,
                options: vec![],
            })
            .collect();
    }
    wanted
}

/// A router between an internal network (at its gateway address) and an external one (at .10).
pub fn router(name: &str, inside: &Network, outside: &Network) -> Router {
    let outer: std::net::Ipv4Addr = match outside.subnets[0].cidr {
        ipnet::IpNet::V4(net) => net.network(),
        ipnet::IpNet::V6(_) => panic!("externals are IPv4 here"),
    };
    let prefix = |ip| ipnet::IpNet::new(ip, 24).unwrap();
    let own = std::net::Ipv4Addr::from(u32::from(outer) + 10);
    Router {
        id: id(name),
        admin_up: true,
        interfaces: vec![Interface {
            port_id: id(&format!("{name} inside")),
            network_id: inside.id.clone(),
            mac: "fa:16:3e:aa:00:01".into(),
            ips: vec![prefix(inside.subnets[0].gateway.unwrap())],
        }],
        gateway: Some(Gateway {
            port_id: id(&format!("{name} outside")),
            network_id: outside.id.clone(),
            mac: "fa:16:3e:aa:00:02".into(),
            ips: vec![prefix(own.into())],
            next_hops: vec![outside.subnets[0].gateway.unwrap()],
            snat: true,
        }),
        routes: vec![],
        floating: vec![],
        forwardings: vec![],
    }
}
