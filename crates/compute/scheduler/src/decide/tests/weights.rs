//! Which of several hosts that fit comes first.

use compute_model::server_group::{GroupPlacement, GroupPolicy};

use super::*;

fn best(hosts: &[Host], wanted: &PlacementRequest) -> String {
    names(&ask(hosts, wanted)).remove(0)
}

#[test]
fn soft_policies_prefer_hosts_with_or_without_members() {
    let wanted = |policy| PlacementRequest {
        group: Some(GroupPlacement {
            policy,
            max_server_per_host: 1,
            hosts: BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]),
        }),
        ..request(1)
    };
    let hosts = ["a", "b", "c"].map(host);
    let order = |policy| names(&ask(&hosts, &wanted(policy)));
    assert_eq!(order(GroupPolicy::SoftAffinity), ["a", "b", "c"]);
    assert_eq!(order(GroupPolicy::SoftAntiAffinity), ["c", "b", "a"]);
}

#[test]
fn a_host_that_failed_to_build_comes_last_however_free() {
    let mut busy = host("busy");
    busy.node.used.memory_mb = 4000;
    let mut broken = host("broken");
    broken.node.failed_builds = 1;
    assert_eq!(best(&[broken, busy], &request(1)), "busy");
}

#[test]
fn hosts_with_work_under_way_are_spared() {
    let hosts = ["a", "b"].map(host);
    for busy in ["a", "b"] {
        let selection = ask_with(&hosts, &request(1), &Settings::default(), &[(busy, 3)]);
        assert_ne!(names(&selection)[0], busy);
    }
}

#[test]
fn an_aggregate_has_multipliers_of_its_own() {
    let packed = |name| grouped(name, &[("ram_weight_multiplier", "-5.0")]);
    let mut full = packed("full");
    full.node.used.memory_mb = 3000;
    assert_eq!(best(&[full.clone(), packed("free")], &request(1)), "full");
    // What is no number is not believed.
    let wrong = |name| grouped(name, &[("ram_weight_multiplier", "much")]);
    full.aggregates = wrong("full").aggregates;
    assert_eq!(best(&[full, wrong("free")], &request(1)), "free");
}

#[test]
fn servers_of_like_images_gather_when_the_operator_wants_so() {
    let property = |value: &str| ("os_distro".to_owned(), value.to_owned());
    let mut alike = host("alike");
    alike.image_properties = Arc::new([(property("debian"), 2)].into());
    let mut other = host("other");
    other.image_properties = Arc::new([(property("fedora"), 9)].into());
    let wanted = PlacementRequest {
        image: Some(image(&[("os_distro", "debian")])),
        ..request(1)
    };
    let mut settings = Settings {
        image_props_weight_multiplier: 1.0,
        ..Settings::default()
    };
    let hosts = [other, alike];
    let first = |settings: &Settings| names(&ask_with(&hosts, &wanted, settings, &[])).remove(0);
    assert_eq!(first(&settings), "alike");
    settings.image_props_weight_multiplier = -1.0;
    assert_eq!(first(&settings), "other");
    settings.image_props_weight_setting = BTreeMap::from([("os_distro".to_owned(), -1.0)]);
    assert_eq!(first(&settings), "alike");
}
