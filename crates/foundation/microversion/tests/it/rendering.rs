//! What a view shows at each version.

use std::collections::BTreeMap;

use microversion::{Version, Versioned, changes, render, render_bytes, render_under};
use serde::Serialize;
use serde_json::json;

#[derive(Serialize, Versioned)]
struct Server<'s> {
    id: &'s str,
    #[mv(wire = "flavor", until = "2.46")]
    flavor_link: Link,
    #[mv(wire = "flavor", since = "2.47")]
    flavor: Flavor,
    #[mv(wire = "OS-EXT-STS:vm_state")]
    vm_state: State,
    #[mv(since = "2.9")]
    locked: Option<bool>,
    #[mv(since = "2.26")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    addresses: BTreeMap<String, Vec<Address>>,
    image: Image,
}

#[derive(Serialize, Versioned)]
struct Link {
    href: String,
}

#[derive(Serialize, Versioned)]
struct Flavor {
    vcpus: u32,
    #[mv(since = "2.61")]
    extra_specs: BTreeMap<String, String>,
}

#[derive(Serialize, Versioned)]
#[serde(rename_all = "lowercase")]
enum State {
    Active,
}

#[derive(Serialize, Versioned)]
struct Address {
    addr: String,
    #[mv(since = "2.50", wire = "OS-EXT-IPS:type")]
    kind: &'static str,
}

#[derive(Serialize, Versioned)]
#[serde(untagged)]
enum Image {
    #[expect(dead_code, reason = "the other shape of the same field")]
    None(String),
    Some(ImageLink),
}

#[derive(Serialize, Versioned)]
struct ImageLink {
    id: &'static str,
    #[mv(since = "2.98")]
    properties: BTreeMap<String, String>,
}

fn server() -> Server<'static> {
    let address = Address {
        addr: "10.0.0.3".into(),
        kind: "fixed",
    };
    Server {
        id: "one",
        flavor_link: Link {
            href: "http://f".into(),
        },
        flavor: Flavor {
            vcpus: 2,
            extra_specs: BTreeMap::new(),
        },
        vm_state: State::Active,
        locked: None,
        tags: Vec::new(),
        addresses: BTreeMap::from([("net".to_owned(), vec![address])]),
        image: Image::Some(ImageLink {
            id: "img",
            properties: BTreeMap::new(),
        }),
    }
}

#[test]
fn a_view_shows_what_existed_at_the_version_at_every_depth() {
    let oldest = json!({
        "id": "one", "flavor": {"href": "http://f"}, "OS-EXT-STS:vm_state": "active",
        "addresses": {"net": [{"addr": "10.0.0.3"}]}, "image": {"id": "img"},
    });
    assert_eq!(
        render(&server(), Version::new(2, 1)).expect("renders"),
        oldest
    );
    let newest = json!({
        "id": "one", "flavor": {"vcpus": 2, "extra_specs": {}}, "OS-EXT-STS:vm_state": "active", "locked": null,
        "addresses": {"net": [{"addr": "10.0.0.3", "OS-EXT-IPS:type": "fixed"}]},
        "image": {"id": "img", "properties": {}},
    });
    assert_eq!(
        render(&server(), Version::new(2, 104)).expect("renders"),
        newest
    );
}

#[test]
fn bytes_and_values_are_the_same_representation() {
    for minor in [1, 9, 46, 47, 60, 98] {
        let version = Version::new(2, minor);
        let bytes = render_bytes(&server(), version).expect("renders");
        let read: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(read, render(&server(), version).expect("renders"));
        let enveloped = render_under("server", &server(), version).expect("renders");
        let read: serde_json::Value = serde_json::from_slice(&enveloped).expect("JSON");
        assert_eq!(read["server"], render(&server(), version).expect("renders"));
    }
}

#[test]
fn a_type_knows_every_version_at_which_it_changed() {
    let minors: Vec<u16> = changes(Server::SHAPE)
        .into_iter()
        .map(|version| version.minor)
        .collect();
    assert_eq!(minors, [9, 26, 47, 50, 61, 98]);
}
