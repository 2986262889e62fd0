//! Security groups and address guards.

use network_plane::{AddressPair, AddressSet, Ethertype, Remote, Rule};

use crate::lab::{self, carries};
use crate::make::*;

#[test]
fn ingress_is_closed_then_open_then_closed_again_for_open_connections_too() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let mut ports = [port("a", &net, "10.1.0.5"), port("b", &net, "10.1.0.6")];
        // Nothing at the other end helps.
        ports[0].security = None;
        lab.apply(&wanted(std::slice::from_ref(&net), &ports)).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.address("10.1.0.5/24");
        b.address("10.1.0.6/24");
        let listener = b.listen("10.1.0.6:22");
        assert!(a.connect("10.1.0.6:22").is_none(), "closed by default");
        assert!(!a.pings("10.1.0.6"));

        ports[1]
            .security
            .as_mut()
            .unwrap()
            .push(tcp(22, Remote::Cidr("10.1.0.0/24".parse().unwrap())));
        ports[1]
            .security
            .as_mut()
            .unwrap()
            .push(tcp(23, Remote::Anywhere));
        lab.apply(&wanted(std::slice::from_ref(&net), &ports)).await;
        let mut near = a.connect("10.1.0.6:22").expect("open");
        let (mut far, _) = listener.accept().unwrap();
        assert!(carries(&mut near, &mut far) && carries(&mut far, &mut near));
        let other = b.listen("10.1.0.6:23");
        let mut kept = a.connect("10.1.0.6:23").expect("open");
        let (mut kept_far, _) = other.accept().unwrap();
        assert!(!a.pings("10.1.0.6"), "only tcp");

        ports[1]
            .security
            .as_mut()
            .unwrap()
            .retain(|r| *r != tcp(22, Remote::Cidr("10.1.0.0/24".parse().unwrap())));
        lab.apply(&wanted(&[net], &ports)).await;
        assert!(a.connect("10.1.0.6:22").is_none(), "closed again");
        assert!(!carries(&mut near, &mut far), "the open connection is cut");
        assert!(
            !carries(&mut far, &mut near),
            "and the guest cannot bring it back"
        );
        assert!(
            carries(&mut kept, &mut kept_far) && carries(&mut kept_far, &mut kept),
            "others go on"
        );
    });
}

#[test]
fn a_guest_sends_only_from_its_own_addresses() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let mut ports = [port("a", &net, "10.1.0.5"), port("b", &net, "10.1.0.6")];
        ports[1]
            .security
            .as_mut()
            .unwrap()
            .push(icmp(Ethertype::IPv4));
        lab.apply(&wanted(std::slice::from_ref(&net), &ports)).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.address("10.1.0.5/24");
        b.address("10.1.0.6/24");
        assert!(a.pings("10.1.0.6"));
        // Another IP address.
        a.sh("ip addr flush dev eth0");
        a.address("10.1.0.77/24");
        assert!(!a.pings("10.1.0.6"));
        // With the neighbour known, so that it is not ARP alone that fails.
        a.sh(&format!(
            "ip neigh replace 10.1.0.6 lladdr {} dev eth0",
            ports[1].mac
        ));
        b.sh(&format!(
            "ip neigh replace 10.1.0.77 lladdr {} dev eth0",
            ports[0].mac
        ));
        assert!(!a.pings("10.1.0.6"));
        // Allowed as a pair.
        ports[0].allowed_address_pairs = vec![AddressPair {
            ip: "10.1.0.64/26".parse().unwrap(),
            mac: None,
        }];
        lab.apply(&wanted(std::slice::from_ref(&net), &ports)).await;
        assert!(a.pings("10.1.0.6"));
        // Another MAC address.
        a.sh("ip link set eth0 address fa:16:3e:66:66:66");
        assert!(!a.pings("10.1.0.6"));
        // Port security off: anything goes.
        ports[0].security = None;
        lab.apply(&wanted(&[net], &ports)).await;
        b.sh("ip neigh flush all");
        b.sh("ip neigh del 10.1.0.77 dev eth0 || true");
        assert!(a.pings("10.1.0.6"));
    });
}

#[test]
fn a_guest_cannot_be_the_dhcp_server_of_others() {
    lab::run(|lab| async move {
        let mut net = network("blue", 1);
        net.subnets[0].dhcp = false;
        net.metadata = false;
        let mut ports = [port("a", &net, "10.1.0.5"), port("b", &net, "10.1.0.6")];
        // Its own security group lets it hear the questions.
        let questions = Rule {
            protocol: Some(17),
            ..tcp(67, Remote::Anywhere)
        };
        ports[0].security.as_mut().unwrap().push(questions);
        lab.apply(&wanted(std::slice::from_ref(&net), &ports)).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.address("10.1.0.5/24");
        let options = "--port=0 --bind-interfaces --interface=eth0 --except-interface=lo --keep-in-foreground --user=root";
        let lease = tempfile::NamedTempFile::new().unwrap();
        let files = format!(
            "--conf-file=/dev/null --pid-file --dhcp-leasefile={}",
            lease.path().display()
        );
        let range = "--dhcp-range=10.1.0.100,10.1.0.110,255.255.255.0";
        let mut rogue = a.within(|| {
            let line = format!("exec dnsmasq {options} {files} {range}");
            std::process::Command::new("sh")
                .args(["-c", &line])
                .spawn()
                .unwrap()
        });
        assert!(b.dhcp().is_none(), "guarded");
        ports[0].security = None;
        lab.apply(&wanted(&[net], &ports)).await;
        let lease = b.dhcp();
        rogue.kill().unwrap();
        rogue.wait().unwrap();
        assert!(
            lease.is_some(),
            "the rogue server would work without the guard"
        );
    });
}

#[test]
fn members_of_a_remote_group_may_enter_and_leave() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let group = id("group");
        let mut ports = [port("a", &net, "10.1.0.5"), port("b", &net, "10.1.0.6")];
        ports[1]
            .security
            .as_mut()
            .unwrap()
            .push(tcp(22, Remote::Set(group.clone())));
        let mut state = wanted(&[net], &ports);
        let set = |members: &[&str]| {
            vec![AddressSet {
                id: group.clone(),
                members: members.iter().map(|m| m.parse().unwrap()).collect(),
            }]
        };
        lab.apply(&state).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.address("10.1.0.5/24");
        b.address("10.1.0.6/24");
        let listener = b.listen("10.1.0.6:22");
        assert!(
            a.connect("10.1.0.6:22").is_none(),
            "a set that is not there is empty"
        );
        state.address_sets = set(&["10.1.0.5/32", "10.1.0.6/32", "fd00::/64"]);
        lab.apply(&state).await;
        let mut near = a.connect("10.1.0.6:22").expect("open");
        let (mut far, _) = listener.accept().unwrap();
        state.address_sets = set(&["10.1.0.6/32", "0.0.0.0/32"]);
        lab.apply(&state).await;
        assert!(a.connect("10.1.0.6:22").is_none());
        assert!(!carries(&mut near, &mut far) && !carries(&mut far, &mut near));
        state.address_sets = set(&["10.1.0.6/32", "0.0.0.0/0"]);
        lab.apply(&state).await;
        assert!(a.connect("10.1.0.6:22").is_some());
    });
}

#[test]
fn ipv6_is_guarded_and_filtered_like_ipv4() {
    lab::run(|lab| async move {
        let mut net = network("blue", 1);
        net.subnets.push(network_plane::Subnet {
            id: id("six"),
            cidr: "fd01::/64".parse().unwrap(),
            gateway: None,
            dhcp: false,
            dns: vec![],
            host_routes: vec![],
            ipv6_mode: None,
        });
        let mut ports = [port("a", &net, "fd01::5"), port("b", &net, "fd01::6")];
        lab.apply(&wanted(std::slice::from_ref(&net), &ports)).await;
        let (a, b) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        a.address("fd01::5/64");
        b.address("fd01::6/64");
        assert!(!a.pings("fd01::6"));
        ports[1]
            .security
            .as_mut()
            .unwrap()
            .push(icmp(Ethertype::IPv6));
        lab.apply(&wanted(&[net], &ports)).await;
        assert!(a.pings("fd01::6"));
        a.sh("ip addr del fd01::5/64 dev eth0");
        a.address("fd01::77/64");
        a.sh(&format!(
            "ip neigh replace fd01::6 lladdr {} dev eth0",
            ports[1].mac
        ));
        b.sh(&format!(
            "ip neigh replace fd01::77 lladdr {} dev eth0",
            ports[0].mac
        ));
        assert!(!a.pings("fd01::6"), "not its own address");
    });
}

#[test]
fn a_connection_of_one_network_opens_nothing_in_another_with_the_same_addresses() {
    lab::run(|lab| async move {
        let nets = [network("blue", 1), network("red", 1)];
        let mut ports = Vec::new();
        for (n, net) in nets.iter().enumerate() {
            ports.push(port(&format!("a{n}"), net, "10.1.0.5"));
            ports.push(port(&format!("b{n}"), net, "10.1.0.6"));
        }
        let udp = Rule {
            protocol: Some(17),
            ..tcp(6000, Remote::Anywhere)
        };
        ports[1].security.as_mut().unwrap().push(udp);
        lab.apply(&wanted(&nets, &ports)).await;
        let guests: Vec<_> = ports.iter().map(|p| lab.guest(p)).collect();
        let socket = |n: usize, own: &str, other: &str| {
            guests[n].address(&format!("{}/24", own.split(':').next().unwrap()));
            guests[n].within(|| {
                let socket = std::net::UdpSocket::bind(own).unwrap();
                socket.connect(other).unwrap();
                socket
                    .set_read_timeout(Some(std::time::Duration::from_millis(800)))
                    .unwrap();
                socket
            })
        };
        let (a, b) = ("10.1.0.5:5000", "10.1.0.6:6000");
        let sockets = [
            socket(0, a, b),
            socket(1, b, a),
            socket(2, a, b),
            socket(3, b, a),
        ];
        let passes = |from: usize, to: usize| {
            sockets[from].send(b"x").unwrap();
            sockets[to].recv(&mut [0]).is_ok()
        };
        assert!(passes(0, 1) && passes(1, 0), "open in the first network");
        assert!(!passes(2, 3), "closed in the second");
    });
}
