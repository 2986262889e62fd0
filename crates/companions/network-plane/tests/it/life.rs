//! The plane itself: repeating, adopting, repairing, merging, failing in part, removing.

use std::time::Instant;

use network_plane::{AddressSet, Object, Plane, Remote, Wanted};

use crate::lab::{self, Lab};
use crate::make::*;

fn cloud(ports: u8) -> Wanted {
    let nets = [network("blue", 1), network("red", 2), external("ext", 113)];
    let ports: Vec<_> = (0..ports)
        .map(|n| {
            port(
                &format!("p{n}"),
                &nets[usize::from(n % 2)],
                &format!("10.{}.0.{}", n % 2 + 1, n + 10),
            )
        })
        .collect();
    let mut wanted = wanted(&nets, &ports);
    wanted.routers = vec![router("r", &nets[0], &nets[2])];
    wanted
}

fn pids(lab: &Lab) -> Vec<String> {
    let dir = lab.settings.state_dir.join("dhcp");
    let mut pids: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| std::fs::read_to_string(e.unwrap().path().join("run/pid")).unwrap())
        .collect();
    pids.sort();
    pids
}

#[test]
fn applying_again_does_nothing_also_after_a_crash() {
    lab::run(|lab| async move {
        let wanted = cloud(4);
        assert!(lab.apply(&wanted).await.changes > 0);
        let before = pids(&lab);
        let begin = Instant::now();
        let again = lab.apply(&wanted).await;
        eprintln!("an apply with nothing to do: {:?}", begin.elapsed());
        assert_eq!(again.changes, 0);
        assert_eq!(again.ready_ports.len(), 4);
        // Another process would begin like this; only the metadata listeners are made anew.
        let other = Plane::open(lab.settings.clone()).await.unwrap();
        let begin = Instant::now();
        let adopted = other.apply(&wanted).await.unwrap();
        eprintln!("an apply that adopts: {:?}", begin.elapsed());
        assert!(
            adopted
                .failures
                .iter()
                .all(|f| f.error.contains("169.254.169.254")),
            "{:?}",
            adopted.failures
        );
        assert_eq!(adopted.changes, 0);
        assert_eq!(pids(&lab), before);
        assert_eq!(other.audit().await.unwrap(), Vec::<String>::new());
    });
}

#[test]
fn one_more_port_takes_a_moment_also_beside_many() {
    lab::run(|lab| async move {
        let state = |n| {
            let mut wanted = cloud(n);
            let members = wanted
                .ports
                .iter()
                .flat_map(|p| &p.ips)
                .map(|ip| (*ip).into())
                .collect();
            wanted.address_sets = vec![AddressSet {
                id: id("group"),
                members,
            }];
            for rules in wanted.ports.iter_mut().filter_map(|p| p.security.as_mut()) {
                rules.push(tcp(22, Remote::Anywhere));
                rules.push(tcp(80, Remote::Set(id("group"))));
            }
            wanted
        };
        for base in [20, 200] {
            let begin = Instant::now();
            lab.apply(&state(base)).await;
            let all = begin.elapsed();
            eprintln!("{base} ports: {all:?}");
            let mut times = Vec::new();
            for n in base + 1..base + 11 {
                let wanted = state(n);
                let begin = Instant::now();
                lab.apply(&wanted).await;
                times.push(begin.elapsed());
            }
            times.sort();
            let begin = Instant::now();
            assert_eq!(lab.apply(&state(base + 10)).await.changes, 0);
            eprintln!("one more: {times:?}; nothing to do: {:?}", begin.elapsed());
            // The goal is 30 ms. What a busy machine cannot spoil is the ratio: one more is a part of all.
            assert!(base < 100 || 2 * times[0] < all, "{times:?}, {all:?}");
        }
    });
}

#[test]
fn what_others_break_is_repaired() {
    lab::run(|lab| async move {
        let wanted = cloud(2);
        lab.apply(&wanted).await;
        let switch = lab.plane.switch_namespace();
        let router = network_plane::router_namespace(&lab.settings.cloud_id, &wanted.routers[0].id);
        let tap = &wanted.ports[0].tap;
        for (namespace, damage, trace) in [
            (&switch, "nft flush ruleset".to_owned(), "nft list ruleset"),
            (
                &switch,
                format!("ip link del {tap}"),
                "ip -br link | sed 's/ .*//' | sort",
            ),
            (
                &switch,
                format!("ip link set {tap} nomaster down"),
                "ip -o link | grep -c 'master br'",
            ),
            (
                &router,
                "ip addr flush dev $(ip -br link | grep -o '^rg[^@]*')".to_owned(),
                "ip -4 -br addr; ip route",
            ),
            (&router, "ip route del default".to_owned(), "ip route"),
            (&router, "nft flush ruleset".to_owned(), "nft list ruleset"),
        ] {
            let show = || lab.inside(namespace, trace);
            let before = show();
            lab.inside(namespace, &damage);
            assert_ne!(show(), before, "{damage}");
            assert!(lab.apply(&wanted).await.changes > 0, "{damage}");
            assert_eq!(show(), before, "{damage}");
        }
        lab::sh(&format!("ip netns del {router}"));
        lab.apply(&wanted).await;
        assert!(lab.inside(&router, "ip route").contains("default"));
        lab::sh(&format!("ip netns del {switch}"));
        lab.apply(&wanted).await;
        assert_eq!(lab.apply(&wanted).await.changes, 0);
    });
}

#[test]
fn one_bad_object_does_not_stop_the_others() {
    lab::run(|lab| async move {
        let mut wanted = cloud(3);
        wanted.ports[0].mac = "nonsense".into();
        wanted.ports[1].network_id = id("nowhere");
        // A next hop that is on no network of the router.
        wanted.routers[0].routes = vec![network_plane::HostRoute {
            destination: "10.9.0.0/16".parse().unwrap(),
            next_hop: "8.8.8.8".parse().unwrap(),
        }];
        wanted.routers[0]
            .gateway
            .as_mut()
            .unwrap()
            .next_hops
            .clear();
        let report = lab.plane.apply(&wanted).await.unwrap();
        let failed: Vec<_> = report.failures.iter().map(|f| f.object.clone()).collect();
        let port = |n: usize| Object::Port(wanted.ports[n].id.clone());
        assert_eq!(
            failed,
            [
                port(0),
                port(1),
                Object::Router(wanted.routers[0].id.clone())
            ],
            "{:?}",
            report.failures
        );
        assert_eq!(report.ready_ports, [wanted.ports[2].id.clone()]);
    });
}

#[test]
fn waiting_applies_are_merged_and_the_newest_wins() {
    lab::run(|lab| async move {
        let applies = (1..=20).map(|n| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.apply(&cloud(n)).await })
        });
        let begin = Instant::now();
        for apply in applies.collect::<Vec<_>>() {
            apply.await.unwrap();
        }
        eprintln!("20 applies at once: {:?}", begin.elapsed());
        lab.apply(&cloud(20)).await;
        assert_eq!(lab.apply(&cloud(20)).await.changes, 0);
    });
}

#[test]
fn what_is_no_longer_wanted_is_removed() {
    lab::run(|lab| async move {
        lab.apply(&cloud(4)).await;
        let host = || lab::output("ip -br link").1;
        assert!(host().contains("kx"));
        // Before the first apply of another handle everything is a leftover.
        let other = Plane::open(lab.settings.clone()).await.unwrap();
        assert!(other.audit().await.unwrap().len() >= 4);
        lab.apply(&Wanted::default()).await;
        assert_eq!(lab.plane.audit().await.unwrap(), Vec::<String>::new());
        assert!(!host().contains("kx"));
        lab.plane.remove_all().await.unwrap();
        assert_eq!(other.audit().await.unwrap(), Vec::<String>::new());
        assert!(!lab::output("ip netns").1.contains(&lab.settings.cloud_id));
    });
}
