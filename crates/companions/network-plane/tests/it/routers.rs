//! Routers: source NAT, floating IPs, routes.

use std::net::{IpAddr, TcpListener};

use network_plane::{Ethertype, Floating, Forwarding, Interface, Port, Transport, Wanted};

use crate::lab::{self, TIMEOUT, carries, peer};
use crate::make::*;

#[test]
fn guests_reach_the_outside_behind_the_routers_address() {
    lab::run(|lab| async move {
        let nets = [network("blue", 1), external("ext", 113)];
        let port = port("a", &nets[0], "10.1.0.5");
        let mut wanted = wanted(&nets, std::slice::from_ref(&port));
        wanted.routers = vec![router("r", &nets[0], &nets[1])];
        lab.apply(&wanted).await;
        let guest = lab.guest(&port);
        guest.dhcp().expect("a lease");
        let outside = TcpListener::bind("203.0.113.1:8080").unwrap();
        assert!(guest.connect("203.0.113.1:8080").is_some());
        assert_eq!(peer(&outside), "203.0.113.10".parse::<IpAddr>().unwrap());
        wanted.routers[0].admin_up = false;
        lab.apply(&wanted).await;
        assert!(guest.connect("203.0.113.1:8080").is_none());
        wanted.routers[0].admin_up = true;
        lab.apply(&wanted).await;
        // The kernel looks at cables once a second.
        lab::eventually("the router forwards again", || {
            guest.connect("203.0.113.1:8080").is_some()
        });
    });
}

/// Guests at 10.1.0.5 and 10.1.0.6 that take SSH from anywhere, behind a router to the outside.
fn two_guests_behind_a_router() -> ([Port; 2], Wanted) {
    let nets = [network("blue", 1), external("ext", 113)];
    let mut ports = [
        port("a", &nets[0], "10.1.0.5"),
        port("b", &nets[0], "10.1.0.6"),
    ];
    let open = tcp(22, network_plane::Remote::Anywhere);
    ports
        .iter_mut()
        .for_each(|p| p.security.as_mut().unwrap().push(open.clone()));
    let mut wanted = wanted(&nets, &ports);
    wanted.routers = vec![router("r", &nets[0], &nets[1])];
    (ports, wanted)
}

#[test]
fn a_floating_ip_works_both_ways_and_ends_with_its_association() {
    lab::run(|lab| async move {
        let (ports, mut wanted) = two_guests_behind_a_router();
        let floating: IpAddr = "203.0.113.50".parse().unwrap();
        wanted.routers[0].floating = vec![Floating {
            floating,
            fixed: ports[0].ips[0],
        }];
        lab.apply(&wanted).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.dhcp().expect("a lease");
        b.dhcp().expect("a lease");
        let (at_a, at_b) = (a.listen("10.1.0.5:22"), b.listen("10.1.0.6:22"));
        // In.
        let mut near = lab::connect("203.0.113.50:22").expect("the floating IP answers");
        let (mut far, from) = at_a.accept().unwrap();
        assert_eq!(
            from.ip(),
            "203.0.113.1".parse::<IpAddr>().unwrap(),
            "the guest sees who calls"
        );
        assert!(carries(&mut near, &mut far) && carries(&mut far, &mut near));
        // Out.
        let outside = TcpListener::bind("203.0.113.1:8080").unwrap();
        assert!(a.connect("203.0.113.1:8080").is_some());
        assert_eq!(peer(&outside), floating);
        // From a neighbour, and from itself.
        assert!(b.connect("203.0.113.50:22").is_some());
        peer(&at_a);
        // To another port: the old connection ends, the address leads to the new one.
        wanted.routers[0].floating[0].fixed = ports[1].ips[0];
        lab.apply(&wanted).await;
        assert!(!carries(&mut near, &mut far));
        assert!(lab::connect("203.0.113.50:22").is_some());
        peer(&at_b);
        wanted.routers[0].floating.clear();
        lab.apply(&wanted).await;
        assert!(lab::connect("203.0.113.50:22").is_none());
    });
}

#[test]
fn a_forwarded_port_leads_to_its_guest_and_ends_with_its_forwarding() {
    lab::run(|lab| async move {
        let (ports, mut wanted) = two_guests_behind_a_router();
        let forwarding = |external_port, n: usize| Forwarding {
            floating: "203.0.113.50".parse().unwrap(),
            protocol: Transport::Tcp,
            external_port,
            fixed: ports[n].ips[0],
            internal_port: 22,
        };
        wanted.routers[0].forwardings = vec![forwarding(2201, 0), forwarding(2202, 1)];
        lab.apply(&wanted).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.dhcp().expect("a lease");
        b.dhcp().expect("a lease");
        let (at_a, at_b) = (a.listen("10.1.0.5:22"), b.listen("10.1.0.6:22"));
        let mut near = lab::connect("203.0.113.50:2201").expect("the first port answers");
        let (mut far, from) = at_a.accept().unwrap();
        assert_eq!(from.ip(), "203.0.113.1".parse::<IpAddr>().unwrap());
        assert!(carries(&mut near, &mut far) && carries(&mut far, &mut near));
        let mut second = lab::connect("203.0.113.50:2202").expect("the second port answers");
        let (mut second_far, _) = at_b.accept().unwrap();
        assert!(lab::connect("203.0.113.50:22").is_none(), "no other port");
        // From a neighbour.
        assert!(b.connect("203.0.113.50:2201").is_some());
        peer(&at_a);
        // What a guest begins itself leaves by the router's own address.
        let outside = TcpListener::bind("203.0.113.1:8080").unwrap();
        assert!(a.connect("203.0.113.1:8080").is_some());
        assert_eq!(peer(&outside), "203.0.113.10".parse::<IpAddr>().unwrap());
        assert_eq!(lab.apply(&wanted).await.changes, 0);
        // One ends, the other goes on.
        wanted.routers[0].forwardings.remove(0);
        lab.apply(&wanted).await;
        assert!(!carries(&mut near, &mut far));
        assert!(carries(&mut second, &mut second_far));
        assert!(lab::connect("203.0.113.50:2201").is_none());
        wanted.routers[0].forwardings.clear();
        lab.apply(&wanted).await;
        assert!(lab::connect("203.0.113.50:2202").is_none());
    });
}

#[test]
fn a_floating_ip_that_moves_to_another_router_is_found_there_at_once() {
    lab::run(|lab| async move {
        let nets = [network("blue", 1), network("red", 2), external("ext", 113)];
        let mut ports = [
            port("a", &nets[0], "10.1.0.5"),
            port("b", &nets[1], "10.2.0.5"),
        ];
        ports
            .iter_mut()
            .for_each(|p| p.security.as_mut().unwrap().push(icmp(Ethertype::IPv4)));
        let mut wanted = wanted(&nets, &ports);
        wanted.routers = vec![
            router("r", &nets[0], &nets[2]),
            router("q", &nets[1], &nets[2]),
        ];
        let second = wanted.routers[1].gateway.as_mut().unwrap();
        second.mac = "fa:16:3e:aa:00:03".into();
        second.ips = vec!["203.0.113.11/24".parse().unwrap()];
        let guests =
            [lab.apply(&wanted).await; 1].map(|_| (lab.guest(&ports[0]), lab.guest(&ports[1])));
        let (a, b) = &guests[0];
        a.dhcp().expect("a lease");
        b.dhcp().expect("a lease");
        let floating: IpAddr = "203.0.113.50".parse().unwrap();
        let pings = || lab::output("busybox ping -c 1 -W 1 203.0.113.50").0;
        for (from, to) in [(1, 0), (0, 1), (1, 0)] {
            wanted.routers[from].floating.clear();
            wanted.routers[to].floating = vec![Floating {
                floating,
                fixed: ports[to].ips[0],
            }];
            lab.apply(&wanted).await;
            assert!(pings());
            let neighbour = lab::output("ip neigh show 203.0.113.50").1;
            let mac = &wanted.routers[to].gateway.as_ref().unwrap().mac;
            assert!(neighbour.contains(mac), "{neighbour}");
        }
    });
}

#[test]
fn a_router_joins_networks_and_extra_routes_come_and_go() {
    lab::run(|lab| async move {
        let nets = [network("blue", 1), network("red", 2), external("ext", 113)];
        let mut ports = [
            port("a", &nets[0], "10.1.0.5"),
            port("b", &nets[1], "10.2.0.5"),
        ];
        ports[1]
            .security
            .as_mut()
            .unwrap()
            .push(icmp(Ethertype::IPv4));
        let mut wanted = wanted(&nets, &ports);
        let mut both = router("r", &nets[0], &nets[2]);
        both.interfaces.push(Interface {
            port_id: id("second"),
            network_id: nets[1].id.clone(),
            mac: "fa:16:3e:aa:00:09".into(),
            ips: vec!["10.2.0.1/24".parse().unwrap()],
        });
        both.routes = vec![network_plane::HostRoute {
            destination: "10.99.0.0/16".parse().unwrap(),
            next_hop: "10.2.0.5".parse().unwrap(),
        }];
        wanted.routers = vec![both];
        lab.apply(&wanted).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.dhcp().expect("a lease");
        b.dhcp().expect("a lease");
        assert!(a.pings("10.2.0.5"));
        assert!(!b.pings("10.1.0.5"));
        let namespace =
            network_plane::router_namespace(&lab.settings.cloud_id, &wanted.routers[0].id);
        assert!(
            lab.inside(&namespace, "ip route")
                .contains("10.99.0.0/16 via 10.2.0.5")
        );
        assert_eq!(lab.apply(&wanted).await.changes, 0);
        wanted.routers[0].routes.clear();
        lab.apply(&wanted).await;
        assert!(!lab.inside(&namespace, "ip route").contains("10.99"));
    });
}

#[test]
fn guests_learn_their_ipv6_address_and_route_from_the_router() {
    lab::run(|lab| async move {
        let mut nets = [network("blue", 1), network("red", 2), external("ext", 113)];
        for (n, net) in nets.iter_mut().take(2).enumerate() {
            net.subnets.push(network_plane::Subnet {
                id: id(&format!("six {n}")),
                cidr: format!("fd0{n}::/64").parse().unwrap(),
                gateway: Some(format!("fd0{n}::1").parse().unwrap()),
                dhcp: true,
                dns: vec![],
                host_routes: vec![],
                ipv6_mode: Some(network_plane::Ipv6Mode::Slaac),
            });
        }
        let mut ports = [
            port("a", &nets[0], "10.1.0.5"),
            port("b", &nets[1], "10.2.0.5"),
        ];
        for (n, port) in ports.iter_mut().enumerate() {
            port.ips.push(slaac(n, &port.mac).parse().unwrap());
            port.security.as_mut().unwrap().push(icmp(Ethertype::IPv6));
        }
        let mut wanted = wanted(&nets, &ports);
        let mut both = router("r", &nets[0], &nets[2]);
        both.interfaces[0].ips.push("fd00::1/64".parse().unwrap());
        both.interfaces.push(Interface {
            port_id: id("second"),
            network_id: nets[1].id.clone(),
            mac: "fa:16:3e:aa:00:09".into(),
            ips: vec![
                "10.2.0.1/24".parse().unwrap(),
                "fd01::1/64".parse().unwrap(),
            ],
        });
        wanted.routers = vec![both];
        lab.apply(&wanted).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        tokio::task::spawn_blocking(move || {
            for (guest, port) in [(&a, &ports[0]), (&b, &ports[1])] {
                let own = port.ips[1].to_string();
                lab::eventually("an address", || guest.output("ip -6 addr").contains(&own));
                lab::eventually("a route", || {
                    guest.output("ip -6 route").contains("default via fe80::")
                });
            }
            lab::eventually("duplicates are looked for", || {
                !a.output("ip -6 addr").contains("tentative")
            });
            lab::eventually("duplicates are looked for", || {
                !b.output("ip -6 addr").contains("tentative")
            });
            assert!(a.pings(&ports[1].ips[1].to_string()));
        })
        .await
        .unwrap();
        assert_eq!(lab.apply(&wanted).await.changes, 0);
    });
}

#[test]
fn guests_that_take_no_routes_from_dhcp_reach_metadata_by_the_router() {
    lab::run(|lab| async move {
        let nets = [network("blue", 1), network("red", 2), external("ext", 113)];
        let ports = [
            port("a", &nets[0], "10.1.0.5"),
            port("b", &nets[1], "10.2.0.5"),
        ];
        let mut wanted = wanted(&nets, &ports);
        let mut both = router("r", &nets[0], &nets[2]);
        both.interfaces.push(Interface {
            port_id: id("second"),
            network_id: nets[1].id.clone(),
            mac: "fa:16:3e:aa:00:09".into(),
            ips: vec!["10.2.0.1/24".parse().unwrap()],
        });
        wanted.routers = vec![both];
        lab.apply(&wanted).await;
        let mut listeners = lab.plane.listeners().await.unwrap();
        for _ in 0..2 {
            let metadata = listeners.recv().await.unwrap();
            let n = usize::from(metadata.network_id == nets[1].id);
            let guest = lab.guest(&ports[n]);
            guest.address(&format!("10.{}.0.5/24", n + 1));
            guest.sh(&format!("ip route add default via 10.{}.0.1", n + 1));
            let caller = std::thread::spawn(move || (guest.reaches("169.254.169.254:80"), guest));
            let accepted = tokio::time::timeout(TIMEOUT, metadata.listener.accept()).await;
            assert_eq!(
                accepted.expect("a connection").unwrap().1.ip(),
                ports[n].ips[0]
            );
            // Only now may the guest go: it may still have had a packet to send for the connection to stand.
            let (reached, _guest) = caller.join().unwrap();
            assert!(reached);
        }
        assert_eq!(lab.apply(&wanted).await.changes, 0);
        wanted.routers[0].interfaces.pop();
        lab.apply(&wanted).await;
        let namespace =
            network_plane::router_namespace(&lab.settings.cloud_id, &wanted.routers[0].id);
        assert_eq!(
            lab.inside(&namespace, "ip rule")
                .matches("169.254.169.254")
                .count(),
            1
        );
        assert_eq!(lab.apply(&wanted).await.changes, 0);
    });
}

/// The address that a guest makes of the prefix fd0N::/64 and its MAC.
fn slaac(n: usize, mac: &str) -> String {
    let bytes: Vec<u8> = mac
        .split(':')
        .map(|b| u8::from_str_radix(b, 16).unwrap())
        .collect();
    let [a, b, c, d, e, f] = bytes[..] else {
        panic!("six bytes")
    };
    format!(
        "fd0{n}::{:x}:{:x}:{:x}:{:x}",
        u16::from_be_bytes([a ^ 2, b]),
        u16::from_be_bytes([c, 0xff]),
        u16::from_be_bytes([0xfe, d]),
        u16::from_be_bytes([e, f])
    )
}
