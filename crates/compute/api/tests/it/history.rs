//! The marks of the history of microversions are true.

use std::collections::BTreeSet;

use compute_api::history::{HISTORY, Mark, behaviour};
use compute_api::versions::SERVICE;
use compute_api::{routes, shapes};
use microversion::Version;
use rest::Status;

/// The versions at which some table says that something changed.
fn in_tables() -> BTreeSet<Version> {
    let shapes = shapes::ALL
        .iter()
        .flat_map(|shape| microversion::changes(shape));
    let routes = || {
        let rows = routes::table().rows();
        rows.filter(|route| route.status() != Status::NotBuilt)
    };
    let ranges = routes().flat_map(|route| [route.range.min, route.range.max.next()]);
    let codes = routes().filter_map(|route| route.code_changed());
    shapes.chain(ranges).chain(codes).collect()
}

#[test]
fn every_version_has_its_row() {
    let expected = (SERVICE.min.minor..=SERVICE.max.minor).map(|minor| Version::new(2, minor));
    assert!(HISTORY.iter().map(|change| change.version).eq(expected));
}

#[test]
fn what_is_marked_as_built_is_somewhere_in_the_code() {
    let tables = in_tables();
    let version = |change: &&compute_api::history::Change| change.version;
    let lost: Vec<_> = HISTORY
        .iter()
        .filter(|change| match change.mark {
            Mark::Table => !tables.contains(&change.version),
            Mark::Behaviour => !behaviour::ALL.contains(&change.version),
            Mark::Invisible | Mark::NotYet => false,
        })
        .collect();
    assert!(
        lost.is_empty(),
        "{:?}",
        lost.iter().map(version).collect::<Vec<_>>()
    );
    let unsaid: Vec<_> = HISTORY
        .iter()
        .filter(|change| change.mark == Mark::NotYet)
        .filter(|change| tables.contains(&change.version))
        .map(|change| change.version.to_string())
        .collect();
    assert_eq!(unsaid, Vec::<String>::new());
}
