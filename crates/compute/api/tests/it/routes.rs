//! The table of calls is whole, and each names a rule that is there.

use std::collections::HashSet;

use compute_api::routes::table;
use compute_api::versions::SERVICE;
use http::StatusCode;
use microversion::Version;
use rest::{Status, Verb};

#[test]
fn the_table_has_every_call_of_the_api() {
    let (gone, served): (Vec<_>, Vec<_>) = table()
        .rows()
        .partition(|route| route.status() == Status::Gone);
    // Counted in Nova 34, without the version document at the root of a mount point.
    let (ours, served): (Vec<_>, Vec<_>) = served.into_iter().partition(|route| {
        route
            .rule()
            .is_some_and(|rule| rule.contains(":os-kilonova-"))
    });
    assert_eq!((served.len(), gone.len(), ours.len()), (211, 53, 6));
    let latest = served
        .iter()
        .filter(|route| route.range.contains(SERVICE.max));
    assert_eq!(latest.count(), 136);
}

#[test]
fn every_rule_that_guards_a_call_is_in_the_policy() {
    let known: HashSet<&str> = compute_control::policy::TABLES
        .iter()
        .flat_map(|table| table.iter().map(|rule| rule.name))
        .collect();
    for route in table().rows() {
        if let Some(name) = route.rule() {
            assert!(known.contains(name), "{name}");
        }
    }
}

#[test]
fn no_call_is_listed_twice() {
    let mut seen = HashSet::new();
    for route in table().rows() {
        let key = (route.verb, route.path, route.action);
        assert!(seen.insert(key), "{route}");
    }
}

#[test]
fn a_code_follows_the_version() {
    let import = table()
        .rows()
        .find(|route| route.path == "/os-keypairs" && route.verb == Verb::Post)
        .expect("there");
    assert_eq!(import.success(Version::new(2, 1)), StatusCode::OK);
    assert_eq!(import.success(Version::new(2, 2)), StatusCode::CREATED);
}
