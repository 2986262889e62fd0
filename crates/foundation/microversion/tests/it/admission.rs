//! What a request may say at each version, and how refusals are worded.

use std::collections::BTreeMap;

use microversion::{Mode, Patch, Version, Versioned, admit, admit_bytes, admit_query};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, Versioned)]
struct Create {
    server: NewServer,
}

#[derive(Debug, Deserialize, Versioned)]
struct NewServer {
    #[mv(format = "name", min_length = 1, max_length = 255)]
    name: String,
    #[mv(wire = "flavorRef", lenient, min_length = 1)]
    flavor_ref: String,
    #[mv(wire = "imageRef", format = "uuid_or_empty")]
    #[serde(default)]
    image_ref: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[mv(wire = "networks", until = "2.36")]
    #[serde(default)]
    networks_before: Option<Vec<OldNetwork>>,
    #[mv(since = "2.37", required_since = "2.37")]
    #[serde(default)]
    networks: Option<Networks>,
    #[mv(lenient)]
    #[serde(default)]
    config_drive: Option<bool>,
    #[mv(lenient, minimum = 1)]
    #[serde(default)]
    min_count: Option<u32>,
    #[mv(since = "2.19", nullable, format = "description", max_length = 255)]
    #[serde(default)]
    description: Patch<String>,
    #[mv(since = "2.52", max_items = 2)]
    #[serde(default)]
    tags: Option<Vec<Tag>>,
    #[mv(
        since = "2.90",
        pattern = "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$",
        min_length = 2,
        max_length = 63
    )]
    #[mv(
        since = "2.94",
        pattern = "^[a-zA-Z0-9-._]*$",
        min_length = 1,
        max_length = 255
    )]
    #[serde(default)]
    hostname: Option<String>,
    #[mv(wire = "OS-DCF:diskConfig", one_of("AUTO", "MANUAL"))]
    #[serde(default)]
    disk_config: Option<String>,
    #[serde(default)]
    policy: Option<Policy>,
}

#[derive(Debug, PartialEq, Deserialize, Versioned)]
#[serde(rename_all = "kebab-case")]
enum Policy {
    Affinity,
    #[mv(since = "2.15")]
    SoftAffinity,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(key_pattern = "^[a-zA-Z0-9-_:. ]{1,255}$")]
struct Metadata(BTreeMap<String, MetadataValue>);

#[derive(Debug, Deserialize, Versioned)]
#[mv(max_length = 255)]
struct MetadataValue(String);

#[derive(Debug, Deserialize, Versioned)]
#[mv(pattern = "^[^,/]*$", min_length = 1, max_length = 60)]
struct Tag(String);

#[derive(Debug, Deserialize, Versioned)]
#[serde(untagged)]
enum Networks {
    List(Vec<Network>),
    Word(Word),
}

#[derive(Debug, PartialEq, Deserialize, Versioned)]
#[serde(rename_all = "lowercase")]
enum Word {
    None,
    Auto,
}

#[derive(Debug, Deserialize, Versioned)]
struct OldNetwork {
    #[serde(default)]
    uuid: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
struct Network {
    #[mv(format = "uuid")]
    #[serde(default)]
    uuid: Option<String>,
    #[mv(format = "uuid", nullable)]
    #[serde(default)]
    port: Option<String>,
}

fn at(minor: u16) -> Mode {
    Mode::Strict(Version::new(2, minor))
}

fn server_with(extra: Value) -> Value {
    let mut server = json!({"name": "n", "flavorRef": "1"});
    for (key, value) in extra.as_object().expect("an object") {
        server[key] = value.clone();
    }
    json!({"server": server})
}

fn refused(minor: u16, extra: Value) -> String {
    admit::<Create>(server_with(extra), at(minor))
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn a_good_request_is_read_into_its_type() {
    let body = server_with(json!({
        "flavorRef": 7, "imageRef": "", "metadata": {"a": "b"}, "networks": "auto", "config_drive": "yes",
        "min_count": "3", "description": null, "tags": ["x"], "hostname": "a.b", "OS-DCF:diskConfig": "AUTO",
    }));
    let server = admit::<Create>(body, at(104)).expect("admitted").server;
    assert_eq!(
        (server.name.as_str(), server.flavor_ref.as_str()),
        ("n", "7")
    );
    assert_eq!(server.image_ref.as_deref(), Some(""));
    assert!(matches!(server.networks, Some(Networks::Word(Word::Auto))));
    assert_eq!(
        (server.config_drive, server.min_count),
        (Some(true), Some(3))
    );
    assert_eq!(server.description, Patch::Null);
    assert_eq!(server.tags.expect("given")[0].0, "x");
    assert_eq!(server.metadata.expect("given").0["a"].0, "b");
    assert_eq!(server.hostname.as_deref(), Some("a.b"));
    assert_eq!(server.disk_config.as_deref(), Some("AUTO"));
}

#[test]
fn one_wire_name_may_hold_different_shapes_in_different_versions() {
    let uuid = "6a2bd1b0-0000-4000-8000-000000000000";
    let body = server_with(json!({"networks": [{"uuid": "no uuid"}]}));
    let server = admit::<Create>(body.clone(), at(1))
        .expect("free text before 2.37")
        .server;
    assert_eq!(
        server.networks_before.expect("given")[0].uuid.as_deref(),
        Some("no uuid")
    );
    assert_eq!(
        admit::<Create>(body, at(37))
            .expect_err("a uuid from 2.37")
            .to_string(),
        "Invalid input for field/attribute networks. Value: [{'uuid': 'no uuid'}]. \
         [{'uuid': 'no uuid'}] is not valid under any of the given schemas"
    );
    let body = server_with(json!({"networks": [{"uuid": uuid, "port": null}]}));
    let server = admit::<Create>(body, at(37))
        .expect("a list of networks")
        .server;
    let Some(Networks::List(list)) = server.networks else {
        panic!("a list")
    };
    assert_eq!(
        (list[0].uuid.as_deref(), list[0].port.as_deref()),
        (Some(uuid), None)
    );
}

#[test]
fn refusals_are_worded_as_clients_know_them() {
    let cases = [
        (
            1,
            json!({"name": ""}),
            "Invalid input for field/attribute name. Value: . '' should be non-empty",
        ),
        (
            1,
            json!({"name": 5}),
            "Invalid input for field/attribute name. Value: 5. 5 is not of type 'string'",
        ),
        (
            1,
            json!({"name": " x"}),
            "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with \
             whitespace.",
        ),
        (
            1,
            json!({"min_count": 0}),
            "Invalid input for field/attribute min_count. Value: 0. 0 is less than the minimum of 1",
        ),
        (
            1,
            json!({"min_count": "0"}),
            "Invalid input for field/attribute min_count. Value: 0. 0 is less than the minimum of 1",
        ),
        (
            1,
            json!({"min_count": "x"}),
            "Invalid input for field/attribute min_count. Value: x. 'x' does not match '^[0-9]*$'",
        ),
        (
            1,
            json!({"min_count": true}),
            "Invalid input for field/attribute min_count. Value: True. True is not of type 'integer', 'string'",
        ),
        (
            1,
            json!({"metadata": {"a": 1}}),
            "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'",
        ),
        (
            1,
            json!({"metadata": {"a?": "1"}}),
            "Invalid input for field/attribute metadata. Value: {'a?': '1'}. 'a?' does not match any of the regexes: \
             '^[a-zA-Z0-9-_:. ]{1,255}$'",
        ),
        (
            19,
            json!({"description": 1}),
            "Invalid input for field/attribute description. Value: 1. 1 is not of type 'string', 'null'",
        ),
        (
            18,
            json!({"description": "x"}),
            "Invalid input for field/attribute server. Value: {'description': 'x', 'flavorRef': '1', 'name': 'n'}. \
             Additional properties are not allowed ('description' was unexpected)",
        ),
        (
            37,
            json!({}),
            "Invalid input for field/attribute server. Value: {'flavorRef': '1', 'name': 'n'}. 'networks' is a \
             required property",
        ),
        (
            52,
            json!({"tags": ["a", "b", "c"], "networks": "none"}),
            "Invalid input for field/attribute tags. Value: ['a', 'b', 'c']. ['a', 'b', 'c'] is too long",
        ),
        (
            52,
            json!({"tags": ["a", "b/"], "networks": "none"}),
            "Invalid input for field/attribute 1. Value: b/. 'b/' does not match '^[^,/]*$'",
        ),
        (
            1,
            json!({"OS-DCF:diskConfig": "auto"}),
            "Invalid input for field/attribute OS-DCF:diskConfig. Value: auto. 'auto' is not one of ['AUTO', 'MANUAL']",
        ),
        (
            1,
            json!({"imageRef": "x"}),
            "Invalid input for field/attribute imageRef. Value: x. 'x' is not valid under any of the given schemas",
        ),
        (
            1,
            json!({"config_drive": "maybe"}),
            "Invalid input for field/attribute config_drive. Value: maybe. 'maybe' is not one of [True, 'True', 'TRUE', \
             'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', \
             'off', 'NO', 'No', 'no']",
        ),
    ];
    for (minor, extra, expected) in cases {
        assert_eq!(refused(minor, extra), expected);
    }
}

#[test]
fn rules_follow_the_version() {
    assert!(refused(90, json!({"hostname": "a.b", "networks": "none"})).contains("does not match"));
    assert!(
        admit::<Create>(
            server_with(json!({"hostname": "a.b", "networks": "none"})),
            at(94)
        )
        .is_ok()
    );
    assert!(
        refused(14, json!({"policy": "soft-affinity"}))
            .ends_with("'soft-affinity' is not one of ['affinity']")
    );
    let body = server_with(json!({"policy": "soft-affinity"}));
    assert_eq!(
        admit::<Create>(body, at(15))
            .expect("admitted")
            .server
            .policy,
        Some(Policy::SoftAffinity)
    );
}

#[test]
fn the_top_of_a_body_is_blamed_without_a_field() {
    let refused = |body: Value| {
        admit::<Create>(body, at(1))
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(refused(json!({})), "'server' is a required property");
    let mut both = server_with(json!({}));
    both["x"] = json!(1);
    both["y"] = json!(1);
    assert_eq!(
        refused(both),
        "Additional properties are not allowed ('x', 'y' were unexpected)"
    );
    assert_eq!(refused(json!([])), "[] is not of type 'object'");
    assert_eq!(refused(json!(null)), "None is not of type 'object'");
    assert_eq!(
        admit_bytes::<Create>(b"{", at(1))
            .expect_err("refused")
            .to_string(),
        "Malformed request body"
    );
}

#[test]
fn the_relaxed_mode_drops_what_it_does_not_know() {
    let body = server_with(json!({"name": " n ", "nonsense": 1}));
    let server = admit::<Create>(body, Mode::Relaxed(Version::new(2, 0)))
        .expect("admitted")
        .server;
    assert_eq!(server.name, " n ");
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
struct List {
    #[mv(minimum = 0)]
    limit: Option<u32>,
    #[mv(format = "uuid")]
    #[mv(since = "2.53", format = "uuid", max_items = 1)]
    marker: Option<String>,
    #[serde(default)]
    sort_key: Vec<String>,
    #[mv(since = "2.66", wire = "changes-before", format = "date_time")]
    changes_before: Option<String>,
}

#[test]
fn query_parameters_are_read_from_text() {
    let list: List = admit_query(
        Some("limit=1&limit=5&sort_key=a&sort_key=b%20c&what=1"),
        at(1),
    )
    .expect("admitted");
    assert_eq!(
        (list.limit, list.sort_key),
        (Some(5), vec!["a".to_owned(), "b c".to_owned()])
    );
    let nothing: List = admit_query(None, at(75)).expect("admitted");
    assert!(
        nothing.limit.is_none() && nothing.marker.is_none() && nothing.changes_before.is_none()
    );
}

#[test]
fn query_parameters_are_refused_as_clients_know_it() {
    let refused = |query: &str, minor| {
        admit_query::<List>(Some(query), at(minor))
            .expect_err(query)
            .to_string()
    };
    assert_eq!(
        refused("limit=-1", 1),
        "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"
    );
    assert_eq!(
        refused("limit=", 1),
        "Invalid input for query parameters limit. Value: . '' should be non-empty"
    );
    assert_eq!(
        refused("marker=x", 1),
        "Invalid input for query parameters marker. Value: x. 'x' is not a 'uuid'"
    );
    let uuid = "6a2bd1b0-0000-4000-8000-000000000000";
    let twice = format!("marker={uuid}&marker={uuid}");
    assert_eq!(
        refused(&twice, 53),
        format!(
            "Invalid input for query parameters marker. Value: ['{uuid}', '{uuid}']. ['{uuid}', '{uuid}'] is too long"
        )
    );
    assert!(admit_query::<List>(Some(&twice), at(1)).is_ok());
    assert_eq!(
        refused("x=1", 75),
        "Additional properties are not allowed ('x' was unexpected)"
    );
    assert_eq!(
        refused("changes-before=x", 75),
        "Invalid input for query parameters changes-before. Value: x. 'x' is not a 'date-time'"
    );
    assert!(
        admit_query::<List>(Some("changes-before=x"), at(65)).is_ok(),
        "unknown before 2.66, so dropped"
    );
}
