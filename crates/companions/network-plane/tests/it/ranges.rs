//! The ranges of external networks on a host that uses some itself.

use ipnet::IpNet;
use network_plane::host::{self, Host, Places};
use network_plane::{Network, Object, Report};

use crate::lab::{self, output, sh};
use crate::make::*;

/// What the host's files say: a name server and a mirror in each of the two ranges 203.0.112.0/24 and 203.0.114.0/24.
fn files() -> (tempfile::TempDir, Places) {
    let folder = tempfile::tempdir().unwrap();
    let (resolvers, sources) = (folder.path().join("resolv"), folder.path().join("sources"));
    std::fs::write(&resolvers, "nameserver 203.0.112.53\n").unwrap();
    std::fs::write(&sources, "deb http://203.0.114.80/debian trixie main\n").unwrap();
    let places = Places::of_files(vec![resolvers], vec![sources]);
    (folder, places)
}

/// A device with an address; the other end of its cable lies loose.
fn device(name: &str, address: &str) {
    sh(&format!(
        "ip link add {name} type veth peer name {name}-far && ip link set {name}-far up && ip link set {name} up \
         && ip addr add {address} dev {name}"
    ));
}

fn failure(report: &Report, network: &Network) -> Option<String> {
    let of_network = Object::Network(network.id.clone());
    let mut failures = report.failures.iter();
    failures
        .find(|f| f.object == of_network)
        .map(|f| f.error.clone())
}

#[test]
fn a_range_is_chosen_past_addresses_routes_and_other_tables_of_the_host() {
    lab::run(|_| async {
        let chosen = || {
            let uses = Host::here(Places::default(), None).unwrap().uses().unwrap();
            host::choose(&uses).unwrap().0.to_string()
        };
        assert_eq!(chosen(), "172.24.4.0/24");
        device("lan", "172.24.4.9/25");
        assert_eq!(chosen(), "172.25.4.0/24");
        sh("ip route add 172.25.4.0/30 dev lan");
        assert_eq!(chosen(), "172.26.4.0/24");
        sh("ip route add 172.26.0.0/15 via 172.24.4.1 table 77");
        assert_eq!(chosen(), "172.28.4.0/24");
        sh("ip route add 172.28.0.0/14 nexthop via 172.24.4.1 nexthop via 172.24.4.2");
        assert_eq!(chosen(), "192.168.201.0/24");
        // A default route alone touches nothing.
        sh("ip route add default via 172.24.4.1");
        assert_eq!(chosen(), "192.168.201.0/24");
    });
}

#[test]
fn a_range_that_takes_something_from_the_host_is_not_connected_and_the_reason_is_named() {
    let (folder, places) = files();
    lab::run_as(
        move |settings| settings.places = places,
        move |lab| async move {
            let _folder = folder;
            device("lan", "203.0.115.9/24");
            sh("ip route add default via 203.0.115.1");
            let nets = [
                external("resolver", 112),
                external("free", 113),
                external("mirror", 114),
                external("lan", 115),
            ];
            let report = lab.plane.apply(&wanted(&nets, &[])).await.unwrap();
            let failed: Vec<Option<String>> = nets.iter().map(|n| failure(&report, n)).collect();
            let names =
                |n: usize, words: &str| failed[n].as_ref().is_some_and(|text| text.contains(words));
            assert!(names(0, "the name server 203.0.112.53"), "{failed:?}");
            assert_eq!(failed[1], None);
            assert!(names(2, "the package mirror 203.0.114.80"), "{failed:?}");
            assert!(
                names(3, "203.0.115.0/24 of the host's device lan"),
                "{failed:?}"
            );
            let (_, routes) = output("ip -4 route");
            assert!(routes.contains("203.0.113.0/24 dev kx"), "{routes}");
            for lost in ["203.0.112.0/24", "203.0.114.0/24", "203.0.115.0/24 dev kx"] {
                assert!(!routes.contains(lost), "{routes}");
            }
            // The way to the mirror is still the default one.
            assert!(output("ip route get 203.0.114.80").1.contains("dev lan"));
            // The refused network itself is there: only the cable to the host is not.
            let bridge = network_plane::bridge(&nets[2].id);
            let switch = lab.plane.switch_namespace();
            assert!(lab.inside(&switch, "ip -br link").contains(&bridge));
        },
    );
}

#[test]
fn an_address_that_comes_later_leaves_the_cable_and_two_equal_ranges_get_one() {
    lab::run(|lab| async move {
        let (first, mut second) = (external("first", 113), external("second", 113));
        second.subnets[0].id = id("subnet of the second");
        let one = wanted(std::slice::from_ref(&first), &[]);
        lab.apply(&one).await;
        device("later", "203.0.113.200/24");
        // Looked at again, since the wanted state has another uplink.
        let both = wanted(&[first.clone(), second.clone()], &[]);
        let report = lab.plane.apply(&both).await.unwrap();
        assert_eq!(
            failure(&report, &first),
            None,
            "both are in use: said, not cut"
        );
        let error = failure(&report, &second).expect("refused");
        assert!(error.contains("203.0.113.0/24"), "{error}");
        let range: IpNet = "203.0.113.0/24".parse().unwrap();
        let uses = lab.plane.host_uses().await.unwrap();
        let (_, by) = uses.worst(range).expect("the address that came later");
        assert!(
            by.to_string().contains("later"),
            "its own device does not count: {by}"
        );
    });
}
