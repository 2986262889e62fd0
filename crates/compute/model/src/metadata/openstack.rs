//! The OpenStack half: `/openstack/<version>/…`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::{Document, Guest, network_data};
use crate::Server;
use crate::disk_device::PlaceBus;
use crate::server::TaggedDisk;

/// Versions in order; `latest` is the last.
pub const VERSIONS: &[&str] = &[
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
];

const PASSWORD: &str = "2013-04-04";
const RANDOM_SEED: &str = "2013-04-04";
const VENDOR_DATA: &str = "2013-10-17";
const NETWORK_DATA: &str = "2015-10-15";
const PROJECT_ID: &str = "2015-10-15";
const DEVICES: &str = "2016-06-30";
const VENDOR_DATA_2: &str = "2016-10-06";
const TRUSTED_DEVICES: &str = "2018-08-27";
const DEDICATED_CPUS: &str = "2020-10-14";

/// A document below `/openstack`.
pub fn at(guest: &Guest, rest: &[&str]) -> Option<Document> {
    match rest {
        [] => {
            let mut lines = VERSIONS.to_vec();
            lines.push("latest");
            Some(Document::text(lines.join("\n")))
        }
        ["content", number] => {
            let index: usize = number.parse().ok()?;
            let (_, content) = guest.files.get(index)?;
            (format!("{index:04}") == *number).then(|| Document::raw(content.clone()))
        }
        [version] => Some(Document::text(listing(guest, known(version)?).join("\n"))),
        [version, file] => {
            let version = known(version)?;
            // Served at any version, though listed only from its own on.
            if *file != "network_data.json" && !listing(guest, version).contains(file) {
                return None;
            }
            document(guest, version, file)
        }
        _ => None,
    }
}

/// Files for a config drive: every version, `latest`, and the contents of injected files.
pub fn drive_files(guest: &Guest) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for name in VERSIONS.iter().copied().chain(["latest"]) {
        let Some(version) = known(name) else { continue };
        for file in listing(guest, version) {
            if file == "password" {
                continue;
            }
            if let Some(document) = document(guest, version, file) {
                files.push((format!("openstack/{name}/{file}"), document.body));
            }
        }
    }
    for (index, (_, content)) in guest.files.iter().enumerate() {
        files.push((format!("openstack/content/{index:04}"), content.clone()));
    }
    files
}

/// Whether a version of the tree has a password.
pub fn has_password(version: &str) -> bool {
    known(version).is_some_and(|version| version >= PASSWORD)
}

fn known(version: &str) -> Option<&'static str> {
    match version {
        "latest" => VERSIONS.last().copied(),
        other => VERSIONS.iter().find(|known| **known == other).copied(),
    }
}

fn listing(guest: &Guest, version: &str) -> Vec<&'static str> {
    let mut files = vec!["meta_data.json"];
    if guest.user_data.is_some() {
        files.push("user_data");
    }
    let later = [
        (PASSWORD, "password", true),
        (VENDOR_DATA, "vendor_data.json", guest.vendor_data.is_some()),
        (NETWORK_DATA, "network_data.json", true),
        (VENDOR_DATA_2, "vendor_data2.json", true),
    ];
    for (since, file, there) in later {
        if version >= since && there {
            files.push(file);
        }
    }
    files
}

fn document(guest: &Guest, version: &str, file: &str) -> Option<Document> {
    match file {
        "meta_data.json" => Some(Document::json(&meta_data(guest, version))),
        "user_data" => guest.user_data.clone().map(Document::raw),
        "password" => Some(Document::text(guest.password.unwrap_or_default())),
        "vendor_data.json" => guest.vendor_data.map(Document::json),
        "network_data.json" => Some(Document::json(&network_data::of(guest.server))),
        "vendor_data2.json" => {
            let fixed = guest.vendor_data.map(|data| json!({"static": data}));
            Some(Document::json(&fixed.unwrap_or_else(|| json!({}))))
        }
        _ => None,
    }
}

fn meta_data(guest: &Guest, version: &str) -> Value {
    let server = guest.server;
    let mut keys = Map::new();
    let mut put = |name: &str, value: Value| {
        keys.insert(name.to_owned(), value);
    };
    put("uuid", json!(server.id));
    if !server.metadata.is_empty() {
        put("meta", json!(server.metadata));
    }
    if !guest.files.is_empty() {
        let files: Vec<Value> = guest
            .files
            .iter()
            .enumerate()
            .map(|(index, (path, _))| {
                json!({"path": path, "content_path": format!("/content/{index:04}")})
            })
            .collect();
        put("files", json!(files));
    }
    if let Some(key) = &server.key {
        put("public_keys", json!({&key.name: key.data}));
        put(
            "keys",
            json!([{"name": key.name, "type": key.kind, "data": key.data}]),
        );
    }
    put("hostname", json!(guest.hostname()));
    put("name", json!(server.name));
    put("launch_index", json!(server.launch_index));
    let zone = server.availability_zone.clone();
    put("availability_zone", json!(zone.unwrap_or_default()));
    if version >= RANDOM_SEED {
        put("random_seed", json!(BASE64.encode(guest.random_seed)));
    }
    if version >= PROJECT_ID {
        put("project_id", json!(server.project_id));
    }
    if version >= DEVICES {
        put("devices", devices(guest, version));
    }
    if version >= DEDICATED_CPUS {
        put("dedicated_cpus", json!([]));
    }
    if let Some(password) = guest.admin_password {
        put("admin_pass", json!(password));
    }
    Value::Object(keys)
}

/// Disks with tags, and network cards; before `2018-08-27` a card without tag is left out.
fn devices(guest: &Guest, version: &str) -> Value {
    let vifs = guest.server.vifs.iter();
    let nics = vifs.filter(|vif| version >= TRUSTED_DEVICES || vif.tag.is_some());
    let nics: Vec<Value> = nics
        .map(|vif| {
            let mut nic = json!({
                "type": "nic",
                "bus": "none",
                "address": "none",
                "mac": vif.mac,
                "tags": vif.tag.iter().collect::<Vec<_>>(),
            });
            if version >= TRUSTED_DEVICES {
                nic["vf_trusted"] = json!(false);
            }
            nic
        })
        .collect();
    let mut devices = disks(guest.server);
    devices.extend(nics);
    json!(devices)
}

/// What an address or a bus is called that nobody knows.
const UNKNOWN: &str = "none";

/// Disks with tags, and where the guest finds them. A disk on the host has no serial number that means anything.
fn disks(server: &Server) -> Vec<Value> {
    let shown = |disk: TaggedDisk| {
        let mut places = server.disk_places.iter();
        let place = places.find(|place| place.disk == disk.name);
        let bus = place.and_then(|place| place.bus).map(PlaceBus::as_str);
        let address = place.and_then(|place| place.address.as_deref());
        json!({
            "type": "disk",
            "bus": bus.unwrap_or(UNKNOWN),
            "address": address.unwrap_or(UNKNOWN),
            "serial": disk.is_volume.then_some(disk.name),
            "tags": [disk.tag],
        })
    };
    server.tagged_disks().into_iter().map(shown).collect()
}
