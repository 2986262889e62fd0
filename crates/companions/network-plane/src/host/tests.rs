//! Which ranges harm a host, and which one is chosen.

#![allow(clippy::unwrap_used)]

use ipnet::IpNet;

use super::range::candidates;
use super::{By, Harm, Use, Uses, choose};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> Use {
    Use {
        net: net(text).trunc(),
        by: By::Device("eth0".into()),
    }
}

fn route(text: &str, via: Option<&str>) -> Use {
    Use {
        net: net(text),
        by: By::Route {
            via: via.map(|ip| ip.parse().unwrap()),
            device: Some("eth0".into()),
        },
    }
}

fn mirror(text: &str) -> Use {
    Use {
        net: net(text),
        by: By::Mirror {
            host: "deb.example.org".into(),
            source: "/etc/apt/sources.list".into(),
        },
    }
}

fn resolver(text: &str) -> Use {
    Use {
        net: net(text),
        by: By::Resolver("/etc/resolv.conf".into()),
    }
}

#[test]
fn harm_is_told_by_what_the_host_loses() {
    use Harm::{Breaks, Diverts};
    let range = net("172.24.4.0/24");
    let cases = [
        (address("172.24.4.7/24"), Some(Breaks), "an address inside"),
        (
            address("172.24.1.7/16"),
            Some(Breaks),
            "a wider connected network",
        ),
        (address("172.24.5.7/24"), None, "a neighbour"),
        (
            route("172.24.0.0/16", None),
            Some(Breaks),
            "a wider connected route",
        ),
        (
            route("172.16.0.0/12", Some("192.0.2.1")),
            Some(Diverts),
            "a wider route by a router",
        ),
        (
            route("172.24.4.0/24", Some("192.0.2.1")),
            Some(Breaks),
            "the same route by a router",
        ),
        (
            route("172.24.4.128/25", Some("192.0.2.1")),
            Some(Breaks),
            "a route to a part",
        ),
        (
            route("10.0.0.0/8", Some("192.0.2.1")),
            None,
            "a route elsewhere",
        ),
        (resolver("172.24.4.53/32"), Some(Breaks), "a name server"),
        (mirror("172.24.4.80/32"), Some(Breaks), "a mirror"),
        (resolver("172.24.5.53/32"), None, "a name server beside it"),
        (address("fd00::1/64"), None, "the other family"),
    ];
    for (used, expected, what) in cases {
        assert_eq!(used.harm(range), expected, "{what}");
    }
}

#[test]
fn the_worst_is_named_and_not_the_first() {
    let uses = Uses(vec![
        route("172.16.0.0/12", Some("192.0.2.1")),
        mirror("172.24.4.80/32"),
    ]);
    let (harm, by) = uses.worst(net("172.24.4.0/24")).unwrap();
    assert_eq!(harm, Harm::Breaks);
    assert_eq!(
        by.to_string(),
        "the package mirror deb.example.org at 172.24.4.80 (/etc/apt/sources.list)"
    );
}

#[test]
fn the_first_free_candidate_is_chosen_past_everything_that_is_used() {
    let cases: &[(&[Use], &str)] = &[
        (&[], "172.24.4.0/24"),
        (&[address("172.24.4.1/24")], "172.25.4.0/24"),
        (
            &[mirror("172.24.4.80/32"), resolver("172.25.4.53/32")],
            "172.26.4.0/24",
        ),
        (&[address("172.20.0.1/12")], "192.168.201.0/24"),
        (
            &[route("172.16.0.0/12", Some("192.0.2.1"))],
            "192.168.201.0/24",
        ),
        (
            &[
                address("172.20.0.1/12"),
                route("192.168.0.0/16", Some("192.0.2.1")),
            ],
            "10.201.4.0/24",
        ),
    ];
    for (uses, expected) in cases {
        let (range, warning) = choose(&Uses(uses.to_vec())).unwrap();
        assert_eq!((range, warning), (net(expected), None), "{uses:?}");
    }
}

#[test]
fn where_a_vpn_has_all_private_blocks_a_part_of_its_route_is_taken_with_a_word() {
    let vpn = |text| route(text, Some("192.0.2.1"));
    let all = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    let mut uses = Uses(all.map(vpn).to_vec());
    uses.0.push(mirror("172.24.4.80/32"));
    let (range, warning) = choose(&uses).unwrap();
    assert_eq!(range, net("172.25.4.0/24"), "not over the mirror");
    assert_eq!(
        warning.as_deref(),
        Some("the host's route to 172.16.0.0/12 by 192.0.2.1")
    );
    let taken = all.map(|text| route(text, None));
    let error = choose(&Uses(taken.to_vec())).unwrap_err();
    assert!(
        error.to_string().contains("172.24.4.0/24 overlaps"),
        "{error}"
    );
}

#[test]
fn candidates_are_private_and_leave_the_demo_s_own_network_alone() {
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(net);
    for range in candidates() {
        assert!(
            private.iter().any(|block| block.contains(&range)),
            "{range}"
        );
        assert!(!range.contains(&net("10.20.0.0/24")), "{range}");
    }
}
