//! DHCP and metadata, as a guest sees them.

use std::net::IpAddr;

use network_plane::DhcpOption;

use crate::lab::{self, TIMEOUT, eventually};
use crate::make::*;

#[test]
fn a_guest_gets_its_address_routes_mtu_and_name() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let port = port("a", &net, "10.1.0.5");
        let mut wanted = wanted(&[net], std::slice::from_ref(&port));
        wanted.networks[0].dhcp_hosts[0].hostname = Some("web".into());
        wanted.networks[0].dhcp_hosts[0].options = vec![DhcpOption {
            name: "bootfile-name".into(),
            value: "pxe.0".into(),
            ip_version: 4,
        }];
        let report = lab.apply(&wanted).await;
        assert_eq!(report.ready_ports, [port.id.as_str()]);
        let guest = lab.guest(&port);
        let lease = guest.dhcp().expect("a lease");
        for line in [
            "ip='10.1.0.5'",
            "mask='24'",
            "router='10.1.0.1'",
            "dns='10.1.0.2'",
            "mtu='1400'",
            "hostname='web'",
            "domain='openstacklocal'",
            "staticroutes='169.254.169.254/32 10.1.0.2 0.0.0.0/0 10.1.0.1'",
        ] {
            assert!(lease.contains(line), "{line} is not in\n{lease}");
        }
        assert!(lease.contains("pxe.0"), "{lease}");
        assert!(
            guest
                .output("busybox nslookup web.openstacklocal 10.1.0.2")
                .contains("10.1.0.5")
        );
    });
}

#[test]
fn a_guest_with_two_addresses_of_a_subnet_is_offered_the_first_and_may_use_both() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let mut two = port("a", &net, "10.1.0.9");
        two.ips.push("10.1.0.5".parse().unwrap());
        let mut near = port("b", &net, "10.1.0.6");
        let hello = icmp(network_plane::Ethertype::IPv4);
        near.security.as_mut().unwrap().push(hello);
        lab.apply(&wanted(&[net], &[two.clone(), near.clone()]))
            .await;
        let (two, near) = (lab.guest(&two), lab.guest(&near));
        near.dhcp().expect("a lease");
        let lease = two.dhcp().expect("a lease");
        assert!(lease.contains("ip='10.1.0.9'"), "{lease}");
        two.address("10.1.0.5/24");
        two.address("10.1.0.7/24");
        let from = |ip: &str| format!("busybox ping -c 1 -W 1 -I {ip} 10.1.0.6");
        assert!(two.output(&from("10.1.0.9")).contains(" 0% packet loss"));
        assert!(two.output(&from("10.1.0.5")).contains(" 0% packet loss"));
        assert!(!two.output(&from("10.1.0.7")).contains(" 0% packet loss"));
    });
}

#[test]
fn metadata_knows_a_guest_by_its_fixed_address_even_where_networks_overlap() {
    lab::run(|lab| async move {
        let nets = [network("blue", 1), network("red", 1)];
        let ports = [
            port("a", &nets[0], "10.1.0.5"),
            port("b", &nets[1], "10.1.0.5"),
        ];
        lab.apply(&wanted(&nets, &ports)).await;
        let mut listeners = lab.plane.listeners().await.unwrap();
        for _ in 0..2 {
            let metadata = listeners.recv().await.unwrap();
            let port = ports
                .iter()
                .find(|p| p.network_id == metadata.network_id)
                .unwrap();
            let guest = lab.guest(port);
            guest.dhcp().expect("a lease");
            let caller = std::thread::spawn(move || (guest.reaches("169.254.169.254:80"), guest));
            let accepted = tokio::time::timeout(TIMEOUT, metadata.listener.accept()).await;
            let (_, peer) = accepted.expect("a connection").unwrap();
            assert_eq!(peer.ip(), "10.1.0.5".parse::<IpAddr>().unwrap());
            // Only now may the guest go: it may still have had a packet to send for the connection to stand.
            let (reached, _guest) = caller.join().unwrap();
            assert!(reached);
        }
        let without: Vec<_> = nets
            .iter()
            .cloned()
            .map(|n| network_plane::Network {
                metadata: false,
                ..n
            })
            .collect();
        let mut again = lab.plane.listeners().await.unwrap();
        let held = again.recv().await.unwrap();
        lab.apply(&wanted(&without, &ports)).await;
        assert!(held.closed.is_cancelled());
    });
}

#[test]
fn an_address_that_changes_hands_is_leased_to_its_new_owner_at_once() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let first = port("a", &net, "10.1.0.5");
        lab.apply(&wanted(
            std::slice::from_ref(&net),
            std::slice::from_ref(&first),
        ))
        .await;
        assert!(lab.guest(&first).dhcp().is_some());
        let second = port("b", &net, "10.1.0.5");
        lab.apply(&wanted(&[net], std::slice::from_ref(&second)))
            .await;
        let lease = lab.guest(&second).dhcp().expect("a lease");
        assert!(lease.contains("ip='10.1.0.5'"), "{lease}");
    });
}

#[test]
fn dnsmasq_is_not_root_and_sees_its_own_files_only() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let other = network("red", 2);
        let ports = [port("a", &net, "10.1.0.5"), port("b", &other, "10.2.0.5")];
        lab.apply(&wanted(&[net.clone(), other.clone()], &ports))
            .await;
        let state = lab.settings.state_dir.parent().unwrap();
        std::fs::create_dir(state.join("keys")).unwrap();
        std::fs::write(state.join("keys/0"), "secret").unwrap();
        let dhcp = lab.settings.state_dir.join("dhcp");
        let pid = std::fs::read_to_string(dhcp.join(&net.id).join("run/pid")).unwrap();
        let proc = std::path::Path::new("/proc").join(pid.trim());
        let text = |name: &str| std::fs::read_to_string(proc.join(name)).unwrap();
        let status = text("status");
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(field("Uid"), "69999 69999 69999 69999");
        assert_eq!(field("Gid"), "69999 69999 69999 69999");
        assert_eq!(field("Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            // NET_BIND_SERVICE, NET_ADMIN, NET_RAW.
            assert_eq!(field(set), "0000000000003400", "{set}");
        }
        assert_eq!(field("NoNewPrivs"), "1");
        assert!(
            !text("environ").contains("CARGO"),
            "our environment is not its"
        );
        let seen = |path: &std::path::Path| {
            proc.join("root")
                .join(path.strip_prefix("/").unwrap())
                .exists()
        };
        assert!(seen(&dhcp.join(&net.id).join("hosts")));
        for hidden in [
            dhcp.join(&other.id),
            state.join("keys"),
            "/etc/shadow".into(),
            "/proc/1".into(),
        ] {
            assert!(hidden.exists() && !seen(&hidden), "{}", hidden.display());
        }
        // What it is not given to write stays as it is, and reloading works: see the other tests.
        let lease = lab.guest(&ports[0]).dhcp().expect("a lease");
        assert!(lease.contains("ip='10.1.0.5'"), "{lease}");
    });
}

#[test]
fn a_dead_dnsmasq_is_started_again() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let port = port("a", &net, "10.1.0.5");
        lab.apply(&wanted(
            std::slice::from_ref(&net),
            std::slice::from_ref(&port),
        ))
        .await;
        let file = lab
            .settings
            .state_dir
            .join("dhcp")
            .join(&net.id)
            .join("run/pid");
        let pid = || {
            std::fs::read_to_string(&file)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let first = pid();
        lab::sh(&format!("kill -9 {first}"));
        tokio::task::spawn_blocking({
            let file = file.clone();
            move || {
                eventually("another dnsmasq", || {
                    let now = std::fs::read_to_string(&file)
                        .unwrap_or_default()
                        .trim()
                        .to_owned();
                    !now.is_empty() && now != first
                });
            }
        })
        .await
        .unwrap();
        assert!(lab.guest(&port).dhcp().is_some());
    });
}
