//! The disks that an image names for its servers: its properties `block_device_mapping`, `bdm_v2` and `root_device_name`.
//! An image of a server that boots from a volume is nothing but them.
//!
//! Whoever made the image wrote them: they are read into closed types, and what makes no sense is refused. Source of the
//! forms: `nova.block_device`, `nova.image.glance`.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::accepted;
use crate::disk_device::DiskDevice;
use crate::hardware::{FileSystem, quoted};
use crate::image_properties;
use crate::local_disks::Wanted;

/// The property that lists the disks, as a JSON list.
pub const MAPPING: &str = "block_device_mapping";

/// True: the list is in the present notation. Else each member is a volume or snapshot with the name of its disk.
pub const PRESENT_NOTATION: &str = "bdm_v2";

/// The name of the root disk, as `/dev/vda`.
pub const ROOT_DEVICE: &str = "root_device_name";

/// The properties, by their newer and older names.
const NAMES: &[&str] = &[
    MAPPING,
    PRESENT_NOTATION,
    ROOT_DEVICE,
    "img_block_device_mapping",
    "img_bdm_v2",
    "img_root_device_name",
];

/// What a blank disk is formatted with that is swap, and the name of such a disk in the older notation.
const SWAP: &str = "swap";

/// More disks than a guest can have make no sense.
const MOST: usize = 64;

/// A disk that an image names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDisk {
    pub source: DiskSource,
    /// Whether it lives on the host rather than on a volume.
    pub local: bool,
    /// None, and below zero, for one that is not booted from.
    pub boot_index: Option<i64>,
    /// GiB; none takes the size of what it is made from.
    pub size: Option<u32>,
    pub volume_type: Option<String>,
    pub tag: Option<String>,
    pub delete_on_termination: bool,
    pub bus: Option<String>,
    /// With its folder, as `/dev/vda`.
    pub device_name: Option<String>,
    pub device_type: Option<String>,
    pub guest_format: Option<String>,
}

/// What it is made from, with the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskSource {
    Blank,
    Image(String),
    Snapshot(String),
    Volume(String),
}

/// The property of an image that makes no sense: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the image's property {MAPPING} cannot be read: {0}")]
pub struct BadMapping(String);

fn bad<T>(why: impl Into<String>) -> Result<T, BadMapping> {
    Err(BadMapping(why.into()))
}

/// The disks that an image names; none for most images.
///
/// # Errors
/// The property is no such list, or a member makes no sense.
pub fn of(properties: &BTreeMap<String, String>) -> Result<Vec<ImageDisk>, BadMapping> {
    let said = |name| image_properties::value(properties, name);
    let text = said("img_block_device_mapping").unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let members: Vec<Member> =
        serde_json::from_str(text).map_err(|error| BadMapping(error.to_string()))?;
    if members.len() > MOST {
        return bad(format!("it names more than {MOST} disks"));
    }
    let present = said("img_bdm_v2").is_some_and(accepted::is_true);
    let root = device(said("img_root_device_name").unwrap_or("vda"))?;
    let named = members.into_iter().filter(|member| !member.no_device);
    named
        .map(|member| match present {
            true => member.read(),
            false => member.read_older(&root),
        })
        .collect()
}

/// What the image says beside its disks: the properties of whatever is made of them.
#[must_use]
pub fn without(mut properties: BTreeMap<String, String>) -> BTreeMap<String, String> {
    properties.retain(|name, _| !NAMES.contains(&name.as_str()));
    properties
}

/// The name of a disk with its folder.
fn device(name: &str) -> Result<String, BadMapping> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if name.is_empty() || name.len() > 255 || !name.chars().all(good) {
        return bad(format!("{} is no name of a disk", quoted(name)));
    }
    Ok(with_folder(name))
}

/// A name of a disk with its folder, which may be left out.
#[must_use]
pub fn with_folder(name: &str) -> String {
    match name.starts_with('/') {
        true => name.to_owned(),
        false => format!("/dev/{name}"),
    }
}

/// A snapshot of a volume of a server, as a disk of the server's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotDisk {
    pub snapshot_id: String,
    /// GiB.
    pub size: u32,
    pub boot: bool,
    /// As [`crate::volume::AttachedVolume::boot_order`].
    pub boot_order: Option<u32>,
    pub bus: String,
    pub cdrom: bool,
    pub device_name: String,
    pub delete_on_termination: bool,
}

/// The properties of an image that is made of these snapshots. Beside them, its servers have these empty disks on their
/// hosts, each shown so.
#[must_use]
pub fn properties(
    disks: &[SnapshotDisk],
    local: &[(Wanted, DiskDevice)],
    root: &str,
) -> BTreeMap<String, String> {
    let members = disks.iter().map(Member::of);
    let local = local
        .iter()
        .map(|(disk, shown)| Member::local(*disk, shown));
    let members: Vec<Member> = members.chain(local).collect();
    let list = serde_json::to_string(&members).expect("plain values become JSON");
    BTreeMap::from([
        (MAPPING.to_owned(), list),
        // As Nova's client of the image service writes it.
        (PRESENT_NOTATION.to_owned(), "True".to_owned()),
        (ROOT_DEVICE.to_owned(), root.to_owned()),
    ])
}

/// A member of the list, in both notations.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Member {
    source_type: Option<SourceType>,
    destination_type: Option<DestinationType>,
    image_id: Option<String>,
    snapshot_id: Option<String>,
    volume_id: Option<String>,
    #[serde(deserialize_with = "number")]
    boot_index: Option<i64>,
    #[serde(deserialize_with = "number")]
    volume_size: Option<i64>,
    volume_type: Option<String>,
    device_name: Option<String>,
    device_type: Option<String>,
    disk_bus: Option<String>,
    guest_format: Option<String>,
    tag: Option<String>,
    #[serde(deserialize_with = "flag")]
    delete_on_termination: bool,
    #[serde(deserialize_with = "flag")]
    no_device: bool,
    #[serde(skip_serializing)]
    virtual_name: Option<String>,
    #[serde(skip_serializing, deserialize_with = "flag")]
    encrypted: bool,
    #[serde(skip_serializing)]
    encryption_secret_uuid: Option<String>,
    #[serde(skip_serializing)]
    encryption_format: Option<String>,
    #[serde(skip_serializing)]
    encryption_options: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SourceType {
    Blank,
    Image,
    Snapshot,
    Volume,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DestinationType {
    Local,
    Volume,
}

impl Member {
    fn of(disk: &SnapshotDisk) -> Self {
        Member {
            source_type: Some(SourceType::Snapshot),
            destination_type: Some(DestinationType::Volume),
            snapshot_id: Some(disk.snapshot_id.clone()),
            boot_index: Some(match (disk.boot, disk.boot_order) {
                (true, _) => 0,
                (false, order) => order.map_or(-1, i64::from),
            }),
            volume_size: Some(disk.size.into()),
            device_name: Some(disk.device_name.clone()),
            device_type: Some(if disk.cdrom { "cdrom" } else { "disk" }.to_owned()),
            disk_bus: Some(disk.bus.clone()),
            delete_on_termination: disk.delete_on_termination,
            ..Member::default()
        }
    }

    fn local(disk: Wanted, shown: &DiskDevice) -> Self {
        let (size, format) = match disk {
            Wanted::Ephemeral { size_gb, format } => (size_gb, format.map(FileSystem::as_str)),
            Wanted::Swap { size_mb } => (size_mb, Some(SWAP)),
        };
        Member {
            source_type: Some(SourceType::Blank),
            destination_type: Some(DestinationType::Local),
            boot_index: Some(shown.boot_order.map_or(-1, i64::from)),
            volume_size: size.map(i64::from),
            device_type: Some(if shown.cdrom { "cdrom" } else { "disk" }.to_owned()),
            disk_bus: shown.bus.map(|bus| bus.as_str().to_owned()),
            guest_format: format.map(str::to_owned),
            delete_on_termination: true,
            ..Member::default()
        }
    }

    /// In the present notation.
    fn read(self) -> Result<ImageDisk, BadMapping> {
        if self.virtual_name.is_some() {
            return bad("virtual_name belongs to the older notation");
        }
        let source = match self.source_type {
            None => return bad("a disk has no source_type"),
            Some(SourceType::Blank) => DiskSource::Blank,
            Some(SourceType::Image) => DiskSource::Image(id("image_id", &self.image_id)?),
            Some(SourceType::Snapshot) => {
                DiskSource::Snapshot(id("snapshot_id", &self.snapshot_id)?)
            }
            Some(SourceType::Volume) => DiskSource::Volume(id("volume_id", &self.volume_id)?),
        };
        let local = match self.destination_type {
            Some(place) => place == DestinationType::Local,
            None => matches!(source, DiskSource::Blank | DiskSource::Image(_)),
        };
        let boot_index = self.boot_index;
        self.disk(source, local, boot_index)
    }

    /// In the older notation, where the disk of the root's name is booted from.
    fn read_older(self, root: &str) -> Result<ImageDisk, BadMapping> {
        if self.source_type.is_some() || self.destination_type.is_some() {
            return bad("source_type and destination_type belong to the notation of bdm_v2");
        }
        let blank = |name: &str| name == SWAP || name.starts_with("ephemeral");
        let (source, local) = match (&self.snapshot_id, &self.volume_id, &self.virtual_name) {
            (_, _, Some(name)) if blank(name) => (DiskSource::Blank, true),
            (Some(_), ..) => (
                DiskSource::Snapshot(id("snapshot_id", &self.snapshot_id)?),
                false,
            ),
            (None, Some(_), _) => (DiskSource::Volume(id("volume_id", &self.volume_id)?), false),
            (None, None, _) => return bad("a disk is neither a snapshot nor a volume"),
        };
        let is_root = match self.device_name.as_deref() {
            Some(name) => device(name)? == root,
            None => false,
        };
        let swap = self.virtual_name.as_deref() == Some(SWAP);
        let disk = self.disk(source, local, is_root.then_some(0))?;
        Ok(ImageDisk {
            guest_format: match swap {
                true => Some(SWAP.to_owned()),
                false => disk.guest_format,
            },
            ..disk
        })
    }

    fn disk(
        self,
        source: DiskSource,
        local: bool,
        boot_index: Option<i64>,
    ) -> Result<ImageDisk, BadMapping> {
        let secret = self.encryption_secret_uuid.is_some() || self.encryption_options.is_some();
        if self.encrypted || secret || self.encryption_format.is_some() {
            return bad("a disk is encrypted, which disks of servers cannot be");
        }
        let size = match self.volume_size.map(u32::try_from) {
            None => None,
            Some(Ok(size)) if (1..=i32::MAX.unsigned_abs()).contains(&size) => Some(size),
            Some(_) => return bad("volume_size is no size in GiB"),
        };
        let texts = [
            ("volume_type", &self.volume_type),
            ("device_type", &self.device_type),
            ("disk_bus", &self.disk_bus),
            ("guest_format", &self.guest_format),
            ("tag", &self.tag),
        ];
        for (name, text) in texts {
            let length = text.as_deref().map_or(0, |text| text.chars().count());
            if length > if name == "tag" { 60 } else { 255 } {
                return bad(format!("{name} is too long"));
            }
        }
        Ok(ImageDisk {
            source,
            local,
            boot_index,
            size,
            volume_type: self.volume_type,
            tag: self.tag,
            delete_on_termination: self.delete_on_termination,
            bus: self.disk_bus,
            device_name: self.device_name.as_deref().map(device).transpose()?,
            device_type: self.device_type,
            guest_format: self.guest_format,
        })
    }
}

/// The id of a thing in another service.
fn id(name: &str, said: &Option<String>) -> Result<String, BadMapping> {
    let Some(text) = said else {
        return bad(format!("a disk has no {name}"));
    };
    let hyphens = [8, 13, 18, 23];
    let good = |(place, byte): (usize, u8)| match hyphens.contains(&place) {
        true => byte == b'-',
        false => byte.is_ascii_hexdigit(),
    };
    match text.len() == 36 && text.bytes().enumerate().all(good) {
        true => Ok(text.clone()),
        false => bad(format!("{name} {} is no id", quoted(text))),
    }
}

/// A whole number, which may be written as a text.
fn number<'de, D: Deserializer<'de>>(source: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Text(String),
    }
    match Option::deserialize(source)? {
        None => Ok(None),
        Some(Written::Number(number)) => Ok(Some(number)),
        Some(Written::Text(text)) => {
            let number = accepted::number(&text);
            number
                .map(Some)
                .ok_or_else(|| D::Error::custom("a text is no number"))
        }
    }
}

/// True or false, which may be written as a text or a number; nothing is false.
fn flag<'de, D: Deserializer<'de>>(source: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Flag(bool),
        Number(i64),
        Text(String),
    }
    Ok(match Option::deserialize(source)? {
        None => false,
        Some(Written::Flag(flag)) => flag,
        Some(Written::Number(number)) => number != 0,
        Some(Written::Text(text)) => accepted::is_true(&text),
    })
}

#[cfg(test)]
mod tests;
