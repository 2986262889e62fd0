//! `POST /servers`: what a new server may be asked to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::servers;
use compute_model::server::DiskConfig;
use microversion::{Patch, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask;
use super::view::CreatedServer;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::{
    Certificates, Flag, FlavorRef, Fqdn, Id, InjectedFile, Metadata, Name, Named, OneOrMany, Tag,
};

/// `POST /servers`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: CreateServer = call.admit()?;
    let by_reservation = request.server.return_reservation_id;
    let groups = ask::groups_shown(request.server.security_groups.as_deref());
    let wanted = ask::new_server(request, call.version)?;
    let created = servers::create(&api.control, &call.cx, wanted).await?;
    if by_reservation.is_some_and(|flag| flag.0) {
        let view = ReservationView {
            reservation_id: &created.reservation_id,
        };
        return call.render(&view);
    }
    let server = created.servers.first().ok_or_else(Fault::no_resource)?;
    let path = format!("servers/{}", server.id);
    let view = CreatedServer {
        id: &server.id,
        links: super::shown::links(&call, &server.id),
        disk_config: match server.disk_config {
            DiskConfig::Auto => "AUTO",
            DiskConfig::Manual => "MANUAL",
        },
        security_groups: groups.iter().map(|name| Named { name }).collect(),
        admin_pass: created.admin_password.as_deref(),
    };
    let answer = call.render_under::<_, Fault>("server", &view)?;
    Ok(answer.with_location(&call.link(&path)))
}

/// The answer to `return_reservation_id`.
#[derive(Serialize, Versioned)]
pub struct ReservationView<'v> {
    pub reservation_id: &'v str,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateServer {
    pub server: NewServer,
    #[mv(wire = "os:scheduler_hints")]
    pub hints: Option<SchedulerHints>,
    /// An older name for the same; the other one wins.
    #[mv(wire = "OS-SCH-HNT:scheduler_hints")]
    pub hints_by_old_name: Option<SchedulerHints>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewServer {
    pub name: Name,
    #[mv(wire = "imageRef")]
    pub image_ref: Option<ImageRef>,
    #[mv(wire = "flavorRef")]
    pub flavor_ref: FlavorRef,
    #[mv(wire = "adminPass")]
    pub admin_pass: Option<String>,
    pub metadata: Option<Metadata>,
    #[mv(wire = "networks", until = "2.36")]
    pub networks_listed: Option<Vec<NewNic>>,
    #[mv(since = "2.37", required_since = "2.37")]
    pub networks: Option<Networks>,
    #[mv(wire = "OS-DCF:diskConfig", one_of("AUTO", "MANUAL"))]
    pub disk_config: Option<String>,
    #[mv(wire = "accessIPv4", format = "ipv4")]
    pub access_ip_v4: Option<String>,
    #[mv(wire = "accessIPv6", format = "ipv6")]
    pub access_ip_v6: Option<String>,
    #[mv(until = "2.56")]
    pub personality: Option<Vec<InjectedFile>>,
    pub availability_zone: Option<Name>,
    pub block_device_mapping: Option<Vec<OldBlockDevice>>,
    pub block_device_mapping_v2: Option<Vec<BlockDevice>>,
    pub config_drive: Option<Flag>,
    pub key_name: Option<Name>,
    #[mv(lenient, minimum = 1)]
    pub min_count: Option<u32>,
    #[mv(lenient, minimum = 1)]
    pub max_count: Option<u32>,
    pub return_reservation_id: Option<Flag>,
    pub security_groups: Option<Vec<GroupName>>,
    // The legacy face takes null.
    #[mv(format = "base64", max_length = 65535, nullable)]
    #[mv(since = "2.1", format = "base64", max_length = 65535)]
    pub user_data: Option<String>,
    #[mv(since = "2.19", format = "description", max_length = 255, nullable)]
    #[serde(default)]
    pub description: Patch<String>,
    #[mv(since = "2.52", max_items = 50)]
    pub tags: Option<Vec<Tag>>,
    #[mv(since = "2.63", nullable)]
    pub trusted_image_certificates: Option<Certificates>,
    #[mv(since = "2.74")]
    pub host: Option<Fqdn>,
    #[mv(since = "2.74")]
    pub hypervisor_hostname: Option<Fqdn>,
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
    pub hostname: Option<String>,
}

/// The networks of a new server since 2.37.
#[derive(Debug, Deserialize, Versioned)]
#[serde(untagged)]
pub enum Networks {
    List(Vec<NewNic>),
    Word(NetworksWord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[serde(rename_all = "lowercase")]
pub enum NetworksWord {
    None,
    Auto,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewNic {
    #[mv(format = "ip")]
    pub fixed_ip: Option<String>,
    #[mv(format = "uuid", nullable)]
    pub port: Option<String>,
    #[mv()]
    #[mv(since = "2.37", format = "uuid")]
    pub uuid: Option<String>,
    /// Came with 2.32, was lost from 2.37 to 2.41.
    #[mv(wire = "tag", since = "2.32", until = "2.36")]
    pub tag_at_first: Option<Tag>,
    #[mv(since = "2.42")]
    pub tag: Option<Tag>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct GroupName {
    pub name: Option<Name>,
}

/// A device in the older notation.
#[derive(Debug, Deserialize, Versioned)]
pub struct OldBlockDevice {
    #[mv(max_length = 255)]
    pub virtual_name: Option<String>,
    pub volume_id: Option<Id>,
    pub snapshot_id: Option<Id>,
    #[mv(lenient, pattern = "^[0-9]+$", minimum = 1, maximum = 0x7FFF_FFFF)]
    pub volume_size: Option<u32>,
    #[mv(min_length = 1, max_length = 255, pattern = "^[a-zA-Z0-9._/-]*$")]
    pub device_name: Option<String>,
    pub delete_on_termination: Option<Flag>,
    pub no_device: Option<Value>,
    #[mv(max_length = 16_777_215)]
    pub connection_info: Option<String>,
}

/// A device of a new server.
#[derive(Debug, Deserialize, Versioned)]
pub struct BlockDevice {
    #[mv(max_length = 255)]
    pub virtual_name: Option<String>,
    pub volume_id: Option<Id>,
    pub snapshot_id: Option<Id>,
    #[mv(lenient, pattern = "^[0-9]+$", minimum = 1, maximum = 0x7FFF_FFFF)]
    pub volume_size: Option<u32>,
    #[mv(min_length = 1, max_length = 255, pattern = "^[a-zA-Z0-9._/-]*$")]
    pub device_name: Option<String>,
    pub delete_on_termination: Option<Flag>,
    pub no_device: Option<Value>,
    #[mv(max_length = 16_777_215)]
    pub connection_info: Option<String>,
    pub source_type: Option<SourceType>,
    #[mv(min_length = 1, max_length = 255, pattern = "^[a-zA-Z0-9._-]*$")]
    pub uuid: Option<String>,
    pub image_id: Option<Id>,
    pub destination_type: Option<DestinationType>,
    #[mv(max_length = 255)]
    pub guest_format: Option<String>,
    #[mv(max_length = 255)]
    pub device_type: Option<String>,
    #[mv(max_length = 255)]
    pub disk_bus: Option<String>,
    /// `null` as well as a negative number: not bootable.
    #[mv(lenient, nullable, pattern = "^-?[0-9]+$")]
    #[serde(default)]
    pub boot_index: Patch<i64>,
    /// Came with 2.32, was lost from 2.33 to 2.41.
    #[mv(wire = "tag", since = "2.32", until = "2.32")]
    pub tag_at_first: Option<Tag>,
    #[mv(since = "2.42")]
    pub tag: Option<Tag>,
    #[mv(since = "2.67", max_length = 255, nullable)]
    pub volume_type: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[serde(rename_all = "lowercase")]
pub enum SourceType {
    Volume,
    Image,
    Snapshot,
    Blank,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Versioned)]
#[serde(rename_all = "lowercase")]
pub enum DestinationType {
    Local,
    Volume,
}

/// Wishes to the scheduler: a few that are checked, and whatever its filters may know.
#[derive(Debug, Deserialize, Versioned)]
#[mv(open)]
pub struct SchedulerHints {
    pub group: Option<OneOrMany<Id>>,
    pub different_host: Option<OneOrMany<Id>>,
    pub same_host: Option<SameHost>,
    pub query: Option<Query>,
    pub target_cell: Option<Name>,
    pub different_cell: Option<OneOrMany<String>>,
    #[mv(format = "ip")]
    pub build_near_host_ip: Option<String>,
    #[mv(pattern = "^/[0-9a-f.:]+$")]
    pub cidr: Option<String>,
    /// All hints as they were sent: what is stored and scheduled by.
    #[mv(whole)]
    pub all: BTreeMap<String, Value>,
}

/// The JSON filter's expression, as text or as it is.
#[derive(Debug, Deserialize, Versioned)]
#[serde(untagged)]
pub enum Query {
    Text(String),
    Expression(BTreeMap<String, Value>),
}

/// Unlike a list of them, a single id is not checked.
#[derive(Debug, Deserialize, Versioned)]
#[serde(untagged)]
pub enum SameHost {
    Many(Vec<Id>),
    One(String),
}

/// An image, or an empty text: the root disk is a volume.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Versioned)]
#[serde(untagged)]
pub enum ImageRef {
    Id(Id),
    Nothing(Empty),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Versioned)]
#[mv(max_length = 0)]
pub struct Empty(String);

impl ImageRef {
    /// The image's id, if there is one.
    pub fn id(&self) -> Option<&str> {
        match self {
            // Serde takes the first variant that reads, and an empty text reads as an id.
            ImageRef::Id(Id(id)) if !id.is_empty() => Some(id),
            ImageRef::Id(_) | ImageRef::Nothing(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use compute_model::accepted;
    use compute_model::create_fields::FIELDS;
    use microversion::Shape;

    use super::*;

    /// Paths of all fields below a shape.
    fn paths(shape: &'static Shape, path: &str, found: &mut BTreeSet<String>) {
        match shape {
            Shape::Object(object) => {
                for field in object.fields {
                    // The whole of an open object stands for its free names.
                    let name = match object.whole == Some(field.key) {
                        true => "{key}",
                        false => field.wire,
                    };
                    let path = match path {
                        "" => name.to_owned(),
                        path => format!("{path}.{name}"),
                    };
                    paths(field.shape, &path, found);
                    found.insert(path);
                }
            }
            Shape::List(inner) | Shape::Ruled(inner, _) => paths(inner, path, found),
            Shape::Either(alternatives) => {
                for alternative in *alternatives {
                    paths(alternative.shape, path, found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_field_has_a_row_that_says_what_becomes_of_it() {
        let mut found = BTreeSet::new();
        paths(CreateServer::SHAPE, "", &mut found);
        assert!(
            found.contains("server.block_device_mapping_v2.disk_bus"),
            "{found:?}"
        );
        for path in &found {
            let row = accepted::row(FIELDS, path);
            assert!(
                row.is_some() || FIELDS.iter().any(|row| row.name == path),
                "{path}"
            );
        }
        for row in FIELDS {
            let (parent, last) = row.name.rsplit_once('.').unwrap_or(("", row.name));
            let known = match last {
                "{key}" => found.contains(parent),
                _ => found.contains(row.name),
            };
            assert!(known, "{} is no field", row.name);
        }
    }
}
