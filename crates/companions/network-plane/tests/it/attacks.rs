//! What a guest tries against the host and against its neighbours.

use std::net::{TcpListener, UdpSocket};

use network_plane::{Plane, Remote, Rule};

use crate::lab::{self, Lab, output, sh};
use crate::make::*;

#[test]
fn guests_reach_nothing_on_the_host_but_what_is_opened() {
    lab::run(|lab| async move {
        sh("ip addr add 192.0.2.9/32 dev lo");
        sh(
            "nft add table inet mine && nft add chain inet mine input '{ type filter hook input priority 0; }'",
        );
        let nets = [network("blue", 1), external("ext", 113)];
        // One guest behind a router, one on the external network itself.
        let ports = [
            port("a", &nets[0], "10.1.0.5"),
            port("b", &nets[1], "203.0.113.77"),
        ];
        let mut wanted = wanted(&nets, &ports);
        wanted.routers = vec![router("r", &nets[0], &nets[1])];
        lab.apply(&wanted).await;
        assert_eq!(lab.apply(&wanted).await.changes, 0);
        let (inside, outside) = (lab.guest(&ports[0]), lab.guest(&ports[1]));
        inside.dhcp().expect("a lease");
        outside.address("203.0.113.77/24");
        outside.sh("ip route add default via 203.0.113.1");
        let _open = TcpListener::bind("0.0.0.0:8080").unwrap();
        let _closed = TcpListener::bind("[::]:9090").unwrap();
        for guest in [&inside, &outside] {
            assert!(guest.reaches("203.0.113.1:8080"), "what an operator opened");
            assert!(guest.pings("203.0.113.1"), "the host answers pings");
            assert!(
                guest.connect("203.0.113.1:9090").is_none(),
                "all else is closed"
            );
            assert!(
                guest.connect("192.0.2.9:9090").is_none(),
                "on every address of the host"
            );
            assert!(
                guest.connect("192.0.2.9:8080").is_none(),
                "opened by the gateway address only"
            );
        }
        // By the link-local address of the host's end too.
        let kx = network_plane::uplink_host(&nets[1].id);
        let own = output(&format!("ip -6 -o addr show dev {kx} scope link")).1;
        let own = own.split_whitespace().nth(3).expect("a link-local address");
        let own = own.split('/').next().unwrap().to_owned();
        let index = outside.output("ip -o link show eth0");
        let index = index.split(':').next().unwrap().to_owned();
        let listening = std::net::TcpStream::connect_timeout(
            &format!("[{own}%{}]:9090", device_index(&kx))
                .parse()
                .unwrap(),
            lab::TIMEOUT,
        );
        assert!(
            listening.is_ok(),
            "the host itself gets there: {listening:?}"
        );
        lab::eventually("the guest finds the host by its link-local address", || {
            outside.pings(&format!("{own}%eth0"))
        });
        assert!(outside.connect(&format!("[{own}%{index}]:9090")).is_none());
        // A guest cannot make itself the host's router.
        let rules = output("nft list table inet mine").1;
        assert!(
            rules.contains("hook input"),
            "the host's own rules stay: {rules}"
        );
        // Somebody takes all rules away: the next round brings ours back.
        sh("nft flush ruleset");
        assert!(outside.reaches("203.0.113.1:9090"), "now it is open");
        assert!(lab.apply(&wanted).await.changes > 0);
        assert!(outside.connect("203.0.113.1:9090").is_none());
        lab.plane.remove_all().await.unwrap();
        assert!(!output("nft list tables").1.contains("kilonova"));
    });
}

fn device_index(name: &str) -> String {
    let shown = output(&format!("ip -o link show {name}")).1;
    shown.split(':').next().unwrap().to_owned()
}

/// The connections that the switch tracks.
fn tracked(lab: &Lab) -> usize {
    let switch = lab.plane.switch_namespace();
    let count = lab.inside(&switch, "cat /proc/sys/net/netfilter/nf_conntrack_count");
    count.trim().parse().unwrap()
}

#[test]
fn a_guest_that_opens_connections_without_end_fills_nothing_up() {
    const LIMIT: usize = 40;
    lab::run_as(
        |settings| settings.connections_per_port = Some(LIMIT as u32),
        |lab| async move {
            let net = network("blue", 1);
            let mut ports = [
                port("a", &net, "10.1.0.5"),
                port("b", &net, "10.1.0.6"),
                port("c", &net, "10.1.0.7"),
            ];
            let udp = Rule {
                protocol: Some(17),
                ..tcp(6000, Remote::Anywhere)
            };
            ports[1]
                .security
                .as_mut()
                .unwrap()
                .extend([tcp(22, Remote::Anywhere), udp]);
            let state = |ports: &[network_plane::Port]| wanted(std::slice::from_ref(&net), ports);
            lab.apply(&state(&ports)).await;
            let guests: Vec<_> = ports.iter().map(|port| lab.guest(port)).collect();
            for (guest, n) in guests.iter().zip(5..) {
                guest.address(&format!("10.1.0.{n}/24"));
            }
            let _listener = guests[1].listen("10.1.0.6:22");
            assert!(guests[0].reaches("10.1.0.6:22"));
            let before = tracked(&lab);
            // Also as a DHCP client, which needs no rule, and without port security.
            let flood = |from: u16, to: &str| {
                guests[0].within(|| {
                    for n in 0..400u16 {
                        let port = if from == 68 { 68 } else { from + n };
                        let to = to.replace('N', &(n % 250 + 1).to_string());
                        let socket = UdpSocket::bind(("10.1.0.5", port)).unwrap();
                        let _ = socket.send_to(b"x", to);
                    }
                });
            };
            flood(20_000, "10.1.0.6:6000");
            lab::eventually("the flood is over", || tracked(&lab) >= LIMIT);
            assert!(
                tracked(&lab) <= before + LIMIT + 8,
                "{} are tracked",
                tracked(&lab)
            );
            assert!(
                guests[0].connect("10.1.0.6:22").is_none(),
                "it had its share"
            );
            flood(68, "10.9.N.1:67");
            assert!(
                tracked(&lab) <= before + LIMIT + 8,
                "{} are tracked",
                tracked(&lab)
            );
            assert!(guests[2].reaches("10.1.0.6:22"), "the others go on");
            ports[0].security = None;
            lab.apply(&state(&ports)).await;
            flood(30_000, "10.1.0.6:6000");
            assert!(
                tracked(&lab) <= before + 2 * LIMIT + 16,
                "{} are tracked",
                tracked(&lab)
            );
            assert!(guests[2].reaches("10.1.0.6:22"), "the others still go on");
        },
    );
}

/// An Ethernet frame that carries UDP to the metadata address, behind these tags.
fn frame(to: &str, from: &str, tags: &[u8], source: [u8; 4]) -> Vec<u8> {
    let mac = |text: &str| -> Vec<u8> {
        let bytes = text.split(':');
        bytes
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect()
    };
    let mut frame = mac(to);
    frame.extend(mac(from));
    frame.extend(tags);
    frame.extend([0x08, 0x00]);
    let mut ip = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0];
    ip.extend(source);
    ip.extend([169, 254, 169, 254]);
    let words = ip
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum = words.sum::<u32>();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(ip);
    // From port 5000 to port 9, 16 bytes, no checksum.
    frame.extend([0x13, 0x88, 0, 9, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    frame.resize(64, 0);
    frame
}

/// Sends a frame as it is.
fn send_raw(frame: &[u8]) {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    // SAFETY: a socket of our own; the address is whole and lives through the call.
    let sent = unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0, "a raw socket");
        let socket = OwnedFd::from_raw_fd(fd);
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = libc::if_nametoindex(c"eth0".as_ptr()) as i32;
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    assert_eq!(
        sent,
        frame.len() as isize,
        "{}",
        std::io::Error::last_os_error()
    );
}

#[test]
fn no_frame_of_a_neighbour_reaches_metadata_with_another_s_address() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let mut ports = [port("a", &net, "10.1.0.5"), port("b", &net, "10.1.0.6")];
        ports[1].security = None;
        lab.apply(&wanted(std::slice::from_ref(&net), &ports)).await;
        let neighbour = lab.guest(&ports[1]);
        let server = net.dhcp_port.as_ref().unwrap().mac.clone();
        let (forged, own) = ([10, 1, 0, 5], [10, 1, 0, 6]);
        // A tag with number 0 is none to the receiver, but hides the address from rules that do not look for it.
        let tags: [&[u8]; 4] = [
            &[0x81, 0, 0, 0],
            &[0x88, 0xa8, 0, 0],
            &[0x81, 0, 0, 0, 0x81, 0, 0, 0],
            &[],
        ];
        neighbour.within(|| {
            for tags in tags {
                send_raw(&frame(&server, &ports[1].mac, tags, forged));
            }
            send_raw(&frame(&server, &ports[1].mac, &[], own));
        });
        let dhcp = network_plane::dhcp_namespace(lab.plane.cloud_id(), &net.id);
        // Whoever is heard there is answered, so their address is looked for.
        let sought = || lab.inside(&dhcp, "ip neigh show nud all");
        lab::eventually("its own address is heard", || sought().contains("10.1.0.6"));
        assert!(!sought().contains("10.1.0.5"), "{}", sought());
    });
}

#[test]
fn a_limit_that_lets_two_ports_fill_the_table_is_refused() {
    lab::run(|lab| async move {
        let mut settings = lab.settings.clone();
        settings.connections_per_port = Some(u32::MAX);
        let error = Plane::open(settings).await.err().expect("refused");
        assert!(error.to_string().contains("nf_conntrack_max"), "{error}");
    });
}

#[test]
fn an_address_is_its_port_s_as_the_switch_sees_it() {
    lab::run(|lab| async move {
        let net = network("blue", 1);
        let mut ports = [port("a", &net, "10.1.0.5"), port("b", &net, "10.1.0.6")];
        ports[1].security = None;
        let state = |ports: &[network_plane::Port]| wanted(std::slice::from_ref(&net), ports);
        let owner = |ip: &str| lab.plane.port_of(&net.id, ip.parse().unwrap());
        assert_eq!(owner("10.1.0.5"), None);
        lab.apply(&state(&ports)).await;
        assert_eq!(owner("10.1.0.5").as_ref(), Some(&ports[0].id));
        assert_eq!(owner("10.1.0.6").as_ref(), Some(&ports[1].id));
        let moved = ports[0].ips.clone();
        ports[0].ips = ports[1].ips.clone();
        ports[1].ips = moved;
        lab.apply(&state(&ports)).await;
        assert_eq!(owner("10.1.0.5").as_ref(), Some(&ports[1].id));
        lab.apply(&state(&[])).await;
        assert_eq!(owner("10.1.0.5"), None);
    });
}
