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

/// Their fields are read, and what they ask for is refused or answers 501: consoles of MKS and SPICE, evacuations,
/// migrations, trusted certificates.
const ASKED_FOR: [&str; 10] = [
    "2.8", "2.14", "2.23", "2.25", "2.29", "2.30", "2.56", "2.63", "2.68", "2.99",
];

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
    assert_eq!(unsaid, ASKED_FOR);
}
