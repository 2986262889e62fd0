//! The EC2 half: `/<version>/meta-data/…` and `/<version>/user-data`.

use serde_json::{Map, Value, json};

use super::{Document, Guest};

/// Versions in order; each has the keys of those before it.
pub const VERSIONS: &[&str] = &[
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
];

/// Versions that config drives keep (`config_drive_skip_versions` leaves out the older ones).
const DRIVE_VERSIONS: &[&str] = &["2009-04-04", "latest"];

/// The listing at `/`.
pub fn root_listing() -> String {
    let mut lines = VERSIONS.to_vec();
    lines.push("latest");
    lines.join("\n")
}

/// A document below `/<version>`.
pub fn at(guest: &Guest, version: &str, rest: &[&str]) -> Option<Document> {
    let version = known(version)?;
    match rest {
        [] => {
            let mut lines = vec!["meta-data/"];
            if guest.user_data.is_some() {
                lines.push("user-data");
            }
            Some(Document::text(lines.join("\n")))
        }
        ["user-data"] => guest.user_data.clone().map(Document::raw),
        ["meta-data", keys @ ..] => {
            let tree = tree(guest, version);
            let found = keys.iter().try_fold(&tree, |value, key| value.get(*key))?;
            Some(Document::text(shown(found)))
        }
        _ => None,
    }
}

/// Files for a config drive.
pub fn drive_files(guest: &Guest) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for name in DRIVE_VERSIONS {
        let Some(version) = known(name) else { continue };
        let mut document = tree(guest, version);
        relist_keys(&mut document);
        files.push((
            format!("ec2/{name}/meta-data.json"),
            document.to_string().into_bytes(),
        ));
        if let Some(data) = &guest.user_data {
            files.push((format!("ec2/{name}/user-data"), data.clone()));
        }
    }
    files
}

/// In the JSON form the key list is not the listing but the keys themselves.
fn relist_keys(document: &mut Value) {
    if let Some(keys) = document
        .get_mut("public-keys")
        .and_then(Value::as_object_mut)
    {
        keys.remove("_listing");
    }
}

fn known(version: &str) -> Option<&'static str> {
    match version {
        "latest" => VERSIONS.last().copied(),
        other => VERSIONS.iter().find(|known| **known == other).copied(),
    }
}

/// The meta-data of a version.
fn tree(guest: &Guest, version: &str) -> Value {
    let server = guest.server;
    let since =
        |first: &str| version == "1.0" && first == "1.0" || version >= first && version != "1.0";
    let mut keys = Map::new();
    let hostname = guest.hostname();
    let mut put = |name: &str, value: Value| {
        keys.insert(name.to_owned(), value);
    };
    put("ami-id", json!(ec2_id("ami", server.seq)));
    put("ami-launch-index", json!(server.launch_index));
    put("ami-manifest-path", json!("FIXME"));
    put("instance-id", json!(ec2_id("i", server.seq)));
    put("hostname", json!(hostname));
    put("local-ipv4", json!(first_fixed(guest)));
    put("reservation-id", json!(server.reservation_id));
    put("security-groups", json!(server.security_groups));
    if let Some(key) = &server.key {
        let listing = format!("0={}", key.name);
        put(
            "public-keys",
            json!({"_listing": listing, "0": {"openssh-key": key.data}}),
        );
    }
    if since("2007-01-19") {
        put("local-hostname", json!(hostname));
        put("public-hostname", json!(hostname));
        put("public-ipv4", json!(first_floating(guest)));
    }
    if since("2007-08-29") {
        put("instance-type", json!(server.flavor.name));
    }
    if since("2007-12-15") {
        let root = server.root_device();
        let mut devices = json!({"ami": root.trim_start_matches("/dev/"), "root": root});
        let beside = server.local_disks.beside_root(&server.flavor);
        let names = server.local_names();
        for ((disk, _), name) in beside.into_iter().zip(&names[1..]) {
            devices[disk] = json!(name);
        }
        put("block-device-mapping", devices);
    }
    if since("2008-02-01") {
        let zone = server.availability_zone.clone().unwrap_or_default();
        put("placement", json!({"availability-zone": zone}));
    }
    if since("2008-09-01") {
        put("instance-action", json!("none"));
    }
    Value::Object(keys)
}

/// EC2's way to name things by number.
fn ec2_id(kind: &str, seq: i64) -> String {
    format!("{kind}-{seq:08x}")
}

fn first_fixed(guest: &Guest) -> String {
    let mut addresses = guest.server.vifs.iter().flat_map(|vif| &vif.addresses);
    addresses
        .find(|fixed| fixed.address.is_ipv4())
        .map(|fixed| fixed.address.to_string())
        .unwrap_or_default()
}

fn first_floating(guest: &Guest) -> String {
    let mut addresses = guest.server.vifs.iter().flat_map(|vif| &vif.addresses);
    addresses
        .find_map(|fixed| fixed.floating.first())
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// A value as text: directories list their keys, those with keys below them with a slash.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(keys) => match keys.get("_listing") {
            Some(Value::String(listing)) => listing.clone(),
            _ => {
                let lines: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| match value.is_object() {
                        true => format!("{name}/"),
                        false => name.clone(),
                    })
                    .collect();
                lines.join("\n")
            }
        },
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join("\n"),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
