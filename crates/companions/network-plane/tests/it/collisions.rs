//! Two clouds, or a cloud and a stranger, with the same names on one machine.

use network_plane::{Plane, PlaneSettings, Wanted};

use crate::lab::{self, output, sh};
use crate::make::*;

/// A cloud with a network, an external one and a router between. Ids and ranges differ by `n`.
fn cloud(n: u8) -> Wanted {
    let nets = [
        network(&format!("inside {n}"), n),
        external(&format!("outside {n}"), 110 + n),
    ];
    let port = port(&format!("port {n}"), &nets[0], &format!("10.{n}.0.5"));
    let mut wanted = wanted(&nets, &[port]);
    wanted.routers = vec![router(&format!("router {n}"), &nets[0], &nets[1])];
    wanted
}

#[test]
fn two_clouds_with_one_id_leave_each_other_alone() {
    lab::run(|lab| async move {
        lab.apply(&cloud(1)).await;
        let first = lab.plane.switch_namespace();
        let settings = PlaneSettings {
            // Another one at each run: what a failed run left is no business of the next.
            owner: uuid::Uuid::new_v4().to_string(),
            state_dir: lab.settings.state_dir.with_file_name("other"),
            ..lab.settings.clone()
        };
        let other = Plane::open(settings.clone()).await.unwrap();
        assert_ne!(other.cloud_id(), lab.plane.cloud_id());
        assert_ne!(other.switch_namespace(), first);
        assert_eq!(
            other.audit().await.unwrap(),
            Vec::<String>::new(),
            "nothing of the first is its own"
        );
        let report = other.apply(&cloud(2)).await.unwrap();
        assert!(report.failures.is_empty(), "{:#?}", report.failures);
        assert_eq!(
            lab.apply(&cloud(1)).await.changes,
            0,
            "the first is as it was"
        );
        assert_eq!(lab.plane.audit().await.unwrap(), Vec::<String>::new());
        // A new process of either finds its own again, also when what it remembered is lost.
        std::fs::remove_file(settings.state_dir.join("plane.json")).unwrap();
        let again = Plane::open(settings).await.unwrap();
        assert_eq!(again.switch_namespace(), other.switch_namespace());
        let again = Plane::open(lab.settings.clone()).await.unwrap();
        assert_eq!(again.switch_namespace(), first);
        // The end of one is not the end of the other.
        let second = other.switch_namespace();
        other.remove_all().await.unwrap();
        assert!(!output("ip netns").1.contains(&second));
        assert_eq!(lab.apply(&cloud(1)).await.changes, 0);
        assert!(lab.inside(&first, "ip -br link").contains("tap"));
    });
}

#[test]
fn a_namespace_of_one_of_our_names_that_is_somebody_else_s_is_neither_taken_nor_removed() {
    lab::run(|lab| async move {
        let wanted = cloud(1);
        let name = network_plane::dhcp_namespace(lab.plane.cloud_id(), &wanted.networks[0].id);
        let loose = network_plane::dhcp_namespace(lab.plane.cloud_id(), "99999999");
        for name in [&name, &loose] {
            sh(&format!(
                "ip netns add {name} && ip -n {name} link set lo alias 'kilonova somebody-else'"
            ));
        }
        let report = lab.plane.apply(&wanted).await.unwrap();
        let errors: Vec<&str> = report.failures.iter().map(|f| f.error.as_str()).collect();
        assert!(
            errors
                .iter()
                .any(|e| e.contains("belongs to another cloud")),
            "{errors:?}"
        );
        assert!(
            !lab.inside(&name, "ip -br link").contains("dhcp0"),
            "not taken"
        );
        lab.plane.remove_all().await.unwrap();
        let left = output("ip netns").1;
        for name in [&name, &loose] {
            assert!(left.contains(name.as_str()), "not removed");
            sh(&format!("ip netns del {name}"));
        }
    });
}

#[test]
fn a_device_of_the_host_that_has_our_usual_name_stays_what_it_is() {
    lab::run(|lab| async move {
        let wanted = cloud(1);
        let usual = network_plane::uplink_host(&wanted.networks[1].id);
        sh(&format!(
            "ip link add {usual} type veth peer name stranger && ip addr add 192.0.2.7/24 dev {usual}"
        ));
        lab.apply(&wanted).await;
        assert_eq!(lab.apply(&wanted).await.changes, 0);
        let shown = output("ip -4 -br addr").1;
        assert!(shown.contains("192.0.2.7/24"), "{shown}");
        let ours = shown
            .lines()
            .find(|line| line.contains("203.0.111.1/24"))
            .expect("an uplink");
        assert!(
            ours.starts_with("kx") && !ours.starts_with(&usual),
            "{shown}"
        );
        // Remembered by the next process.
        let other = Plane::open(lab.settings.clone()).await.unwrap();
        let report = other.apply(&wanted).await.unwrap();
        assert_eq!(report.changes, 0, "{report:?}");
        lab.plane.remove_all().await.unwrap();
        let left = output("ip -br link").1;
        assert!(left.contains(&usual), "{left}");
        assert!(!output("ip -4 -br addr").1.contains("203.0.111.1"));
    });
}

#[test]
fn what_an_older_version_made_is_adopted_and_labelled() {
    lab::run(|lab| async move {
        let wanted = cloud(1);
        lab.apply(&wanted).await;
        let switch = lab.plane.switch_namespace();
        for name in output("ip netns")
            .1
            .split_whitespace()
            .filter(|name| name.starts_with(&switch))
        {
            sh(&format!("ip -n {name} link set lo alias ''"));
        }
        let next = Plane::open(lab.settings.clone()).await.unwrap();
        assert_eq!(next.switch_namespace(), switch);
        next.apply(&wanted).await.unwrap();
        assert!(
            lab.inside(&switch, "ip link show lo").contains("kilonova"),
            "labelled"
        );
        // Without any memory of it, a namespace without label is a stranger's.
        sh(&format!("ip -n {switch} link set lo alias ''"));
        let folder = lab.settings.state_dir.with_file_name("fresh");
        let fresh = PlaneSettings {
            state_dir: folder,
            ..lab.settings.clone()
        };
        assert_ne!(Plane::open(fresh).await.unwrap().switch_namespace(), switch);
    });
}
