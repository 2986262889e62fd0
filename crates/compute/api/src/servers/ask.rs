//! From the body of `POST /servers` to what the use case is asked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use compute_control::servers::{Device, Networks, NewNic, NewServer, Source};
use compute_model::server::DiskConfig;
use microversion::{Patch, Version};
use serde_json::Value;

use super::create::{
    BlockDevice, CreateServer, DestinationType, GroupName, ImageRef, Networks as Wanted,
    NetworksWord, NewNic as Nic, OldBlockDevice, SourceType,
};
use crate::fault::Fault;
use crate::history::behaviour::SHARED_VOLUMES;
use crate::words::{Fqdn, InjectedFile, Name};

/// The version in which descriptions were told apart from names.
pub(super) const DESCRIPTION: Version = Version::new(2, 19);

/// The request with every part in its own type.
pub(super) fn new_server(request: CreateServer, version: Version) -> Result<NewServer, Fault> {
    let hints = request.hints.or(request.hints_by_old_name);
    let server = request.server;
    let Name(name) = server.name;
    let name = name.trim().to_owned();
    let description = match server.description {
        _ if !version.at_least(DESCRIPTION) => Some(name.clone()),
        Patch::Value(text) => Some(text),
        Patch::Absent | Patch::Null => None,
    };
    let min_count = server.min_count.unwrap_or(1);
    let networks = match (server.networks, server.networks_listed) {
        (Some(Wanted::Word(NetworksWord::Auto)), _) => Networks::Auto,
        (Some(Wanted::Word(NetworksWord::None)), _) => Networks::Nothing,
        (Some(Wanted::List(listed)), _) | (None, Some(listed)) => Networks::Listed(nics(listed)?),
        (None, None) => Networks::Unsaid,
    };
    let without_devices = without_devices(server.block_device_mapping_v2.as_deref());
    Ok(NewServer {
        name,
        image_id: server
            .image_ref
            .as_ref()
            .and_then(ImageRef::id)
            .map(str::to_owned),
        flavor_id: server.flavor_ref.into_id(),
        admin_password: server.admin_pass,
        metadata: server
            .metadata
            .map(crate::words::Metadata::into_map)
            .unwrap_or_default(),
        networks,
        disk_config: disk_config(server.disk_config.as_deref()).unwrap_or(DiskConfig::Manual),
        access_ip_v4: address(server.access_ip_v4.as_deref()),
        access_ip_v6: address(server.access_ip_v6.as_deref()),
        injected_files: files(server.personality)?,
        availability_zone: server.availability_zone.map(|Name(zone)| zone),
        devices: devices(
            server.block_device_mapping,
            server.block_device_mapping_v2,
            server.image_ref.as_ref().and_then(ImageRef::id),
        )?,
        without_devices,
        multiattach: version.at_least(SHARED_VOLUMES),
        config_drive: server.config_drive.is_some_and(|flag| flag.0),
        key_name: server.key_name.map(|Name(key)| key),
        min_count,
        max_count: server.max_count.unwrap_or(min_count),
        security_groups: server
            .security_groups
            .unwrap_or_default()
            .into_iter()
            .filter_map(|group| group.name.map(|Name(name)| name))
            .collect(),
        user_data: server.user_data,
        description,
        tags: server
            .tags
            .unwrap_or_default()
            .into_iter()
            .map(|tag| tag.0)
            .collect(),
        trusted_certificates: server
            .trusted_image_certificates
            .map(|list| list.0.into_iter().map(|one| one.0).collect()),
        host: server.host.map(|Fqdn(host)| host),
        hypervisor_hostname: server.hypervisor_hostname.map(|Fqdn(host)| host),
        hostname: server.hostname,
        hints: hints.map(|hints| hints.all).unwrap_or_default(),
    })
}

/// The groups that the answer names: as asked for, also when that is none.
pub(super) fn groups_shown(wanted: Option<&[GroupName]>) -> Vec<String> {
    let Some(wanted) = wanted else {
        return vec!["default".to_owned()];
    };
    let named = wanted.iter().filter_map(|group| group.name.as_ref());
    named.map(|Name(name)| name.clone()).collect()
}

pub(super) fn disk_config(word: Option<&str>) -> Option<DiskConfig> {
    word.map(|word| match word {
        "AUTO" => DiskConfig::Auto,
        _ => DiskConfig::Manual,
    })
}

/// An address whose form was checked already.
pub(super) fn address(text: Option<&str>) -> Option<IpAddr> {
    text.and_then(|text| text.parse().ok())
}

fn nics(listed: Vec<Nic>) -> Result<Vec<NewNic>, Fault> {
    listed
        .into_iter()
        .map(|nic| {
            // Before 2.37 the form of the id is not part of the schema.
            if let Some(id) = nic.uuid.as_deref().filter(|_| nic.port.is_none())
                && uuid_like(id).is_none()
            {
                return Err(Fault::bad_request(format!(
                    "Bad networks format: network uuid is not in proper format ({id})"
                )));
            }
            Ok(NewNic {
                network: nic.uuid,
                port: nic.port,
                fixed_ip: address(nic.fixed_ip.as_deref()),
                tag: nic.tag.or(nic.tag_at_first).map(|tag| tag.0),
            })
        })
        .collect()
}

/// Whether a text is a UUID, with or without hyphens.
fn uuid_like(text: &str) -> Option<()> {
    let digits = text.replace('-', "");
    let hex = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then_some(())
}

pub(super) fn files(
    personality: Option<Vec<InjectedFile>>,
) -> Result<Vec<(String, String)>, Fault> {
    let missing =
        |what: &str| Fault::bad_request(format!("Bad personality format: missing {what}"));
    personality
        .unwrap_or_default()
        .into_iter()
        .map(|file| {
            let path = file.path.ok_or_else(|| missing("path"))?;
            let contents = file.contents.ok_or_else(|| missing("contents"))?;
            Ok((path, contents))
        })
        .collect()
}

fn devices(
    old: Option<Vec<OldBlockDevice>>,
    new: Option<Vec<BlockDevice>>,
    image: Option<&str>,
) -> Result<Vec<Device>, Fault> {
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    if !old.is_empty() && !new.is_empty() {
        return Err(Fault::bad_request(
            "Using different block_device_mapping syntaxes is not allowed in the same request.",
        ));
    }
    if !old.is_empty() {
        return older(old, image);
    }
    new.into_iter()
        .filter(|device| !is_no_device(device.no_device.as_ref()))
        .map(device)
        .collect()
}

/// Disks in the notation of `block_device_mapping`. With an image the root is made of it, and nothing named boots;
/// without one the first volume boots.
fn older(old: Vec<OldBlockDevice>, image: Option<&str>) -> Result<Vec<Device>, Fault> {
    let old = old.into_iter();
    let named = old.filter(|device| !is_no_device(device.no_device.as_ref()));
    let mut devices = named.map(older_device).collect::<Result<Vec<_>, _>>()?;
    if let Some(id) = image {
        devices.insert(0, root_of(id));
    } else if let Some(root) = devices.iter_mut().find(|device| !device.local) {
        root.boot_index = Some(0);
    }
    Ok(devices)
}

/// A root on the host, made of an image.
fn root_of(image: &str) -> Device {
    Device {
        source: Source::Image,
        local: true,
        uuid: Some(image.to_owned()),
        boot_index: Some(0),
        size: None,
        bus: None,
        volume_type: None,
        tag: None,
        delete_on_termination: None,
        said: BTreeMap::new(),
        old: true,
    }
}

fn older_device(device: OldBlockDevice) -> Result<Device, Fault> {
    let blank = device.virtual_name.as_deref().filter(|name| is_blank(name));
    let (source, uuid) = match (blank, device.snapshot_id, device.volume_id) {
        (Some(_), ..) => (Source::Blank, None),
        (None, Some(id), _) => (Source::Snapshot, Some(id.0)),
        (None, None, Some(id)) => (Source::Volume, Some(id.0)),
        (None, None, None) => return Err(unrecognized()),
    };
    let swap = (blank == Some("swap")).then(|| "swap".to_owned());
    let said = [
        ("connection_info", device.connection_info),
        ("device_name", device.device_name),
        ("guest_format", swap),
    ];
    let said = said.into_iter();
    Ok(Device {
        source,
        local: blank.is_some(),
        uuid,
        boot_index: None,
        size: device.volume_size,
        bus: None,
        volume_type: None,
        tag: None,
        delete_on_termination: device
            .delete_on_termination
            .map(|flag| flag.0)
            .filter(|_| blank.is_none()),
        said: said
            .filter_map(|(field, value)| Some((field, value?)))
            .collect(),
        old: true,
    })
}

/// Whether a virtual name is that of a disk on the host: `swap`, `ephemeral0`, `ephemeral1`, …
fn is_blank(name: &str) -> bool {
    let number = name.strip_prefix("ephemeral");
    let number = number.filter(|digits| !digits.is_empty() && digits.len() < 10);
    let plain = |digits: &str| {
        digits == "0"
            || !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    name == "swap" || number.is_some_and(plain)
}

fn unrecognized() -> Fault {
    Fault::bad_request("Block Device Mapping is Invalid: Unrecognized legacy format.")
}

/// The names of disks of the image that the server is not to have.
fn without_devices(new: Option<&[BlockDevice]>) -> Vec<String> {
    let all = new.unwrap_or_default().iter();
    all.filter(|device| is_no_device(device.no_device.as_ref()))
        .filter_map(|device| device.device_name.clone())
        .collect()
}

/// Whether a mapping only takes away one of the image.
fn is_no_device(said: Option<&Value>) -> bool {
    match said {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
    }
}

fn device(device: BlockDevice) -> Result<Device, Fault> {
    let source = match device.source_type {
        Some(SourceType::Blank) => Source::Blank,
        Some(SourceType::Image) => Source::Image,
        Some(SourceType::Snapshot) => Source::Snapshot,
        Some(SourceType::Volume) => Source::Volume,
        None => return Err(unrecognized()),
    };
    let local = match device.destination_type {
        Some(DestinationType::Local) => true,
        Some(DestinationType::Volume) => false,
        None => matches!(source, Source::Blank | Source::Image),
    };
    let said = [
        ("connection_info", device.connection_info),
        ("device_name", device.device_name),
        ("device_type", device.device_type),
        ("guest_format", device.guest_format),
        ("image_id", device.image_id.map(|id| id.0)),
        ("snapshot_id", device.snapshot_id.map(|id| id.0)),
        ("virtual_name", device.virtual_name),
        ("volume_id", device.volume_id.map(|id| id.0)),
    ];
    let said = said.into_iter();
    Ok(Device {
        source,
        local,
        uuid: device.uuid,
        boot_index: match device.boot_index {
            Patch::Value(index) => Some(index),
            Patch::Absent | Patch::Null => None,
        },
        size: device.volume_size,
        bus: device.disk_bus,
        volume_type: device.volume_type,
        tag: device.tag.or(device.tag_at_first).map(|tag| tag.0),
        delete_on_termination: device.delete_on_termination.map(|flag| flag.0),
        old: false,
        said: said
            .filter_map(|(field, value)| Some((field, value?)))
            .collect(),
    })
}
