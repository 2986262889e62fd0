//! The disks of a new server: its root, made from an image on the host's own disk or a volume, and further volumes. What
//! else lies on the host is in `local_disks`.

mod mapped;
pub(super) mod shown;

use std::collections::BTreeMap;

use clients::ClientError;
use clients::volume as cinder;
use compute_model::hardware::DiskBus;
use compute_model::image::ServerImage;
use compute_model::volume::{Origin, VolumeRequest};
use compute_model::{Flavor, create_fields, image_disks, image_properties};

use super::create::invalid;
use super::{local_disks, plan};
use crate::{Context, Control, ControlError, Result};

pub(super) use mapped::{Asked, asked};

/// Why volumes of several servers are refused to clients that do not know of them; Nova's words.
pub(super) const MULTIATTACH: &str =
    "Multiattach volumes are only supported starting with compute API version 2.60.";

/// The name of the root disk, as far as a request knows.
const ROOT: &str = "vda";

/// A disk that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub source: Source,
    /// Whether it lives on the host rather than on a volume.
    pub local: bool,
    /// Image, volume or snapshot.
    pub uuid: Option<String>,
    /// None, and below zero, for one that is not booted from.
    pub boot_index: Option<i64>,
    /// GiB; MiB of a local disk for swap.
    pub size: Option<u32>,
    pub bus: Option<String>,
    pub volume_type: Option<String>,
    pub tag: Option<String>,
    pub delete_on_termination: Option<bool>,
    /// Further fields that were said, as text.
    pub said: BTreeMap<&'static str, String>,
    /// In the notation of `block_device_mapping`.
    pub old: bool,
}

/// What a disk is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Blank,
    Image,
    Snapshot,
    Volume,
}

impl Device {
    /// Whether it needs the volume service.
    pub fn is_volume(&self) -> bool {
        !self.local || matches!(self.source, Source::Snapshot | Source::Volume)
    }

    /// Whether it is booted from.
    pub(super) fn is_root(&self) -> bool {
        self.boot_index == Some(0)
    }

    /// Where it is tried after the root.
    fn order(&self) -> Option<u32> {
        let index = self.boot_index.and_then(|index| u32::try_from(index).ok());
        index.filter(|index| *index > 0)
    }
}

/// What a new server boots from, and the volumes that it gets.
pub(super) struct Disks {
    /// The image of a root on the host's disk.
    pub image: Option<ServerImage>,
    /// The image that a root volume was made from, or is made from.
    pub volume_image: Option<ServerImage>,
    pub volumes: Vec<VolumeRequest>,
}

impl Disks {
    /// Whether a volume is to be made.
    pub fn made(&self) -> bool {
        let mut origins = self.volumes.iter().map(|volume| &volume.origin);
        origins.any(|origin| !matches!(origin, Origin::Volume(_)))
    }
}

/// Whether the disks make sense together with the image.
pub(super) fn check(devices: &[Device], image_id: Option<&str>) -> Result<()> {
    for device in devices {
        form(device, image_id.is_some())?;
    }
    match (image_id, first_of_sequence(devices)) {
        (None, _) if devices.is_empty() => {
            return Err(invalid("Missing imageRef attribute".to_owned()));
        }
        (Some(_), _) if devices.is_empty() => return Ok(()),
        (image, Some(root)) => root_fits(root, image)?,
        (_, None) => {
            return Err(malformed(
                "Boot sequence for the instance and image/block device mapping combination is not valid.",
            ));
        }
    }
    for device in devices {
        if image_id.is_some() {
            name_is_free(device)?;
        }
        match device.is_volume() {
            true => volume_fields(device)?,
            false if device.is_root() => root_fields(device)?,
            false => local_disks::check(device)?,
        }
    }
    Ok(())
}

/// Refuses a volume with the name of the root disk, as Nova does although a disk is called otherwise than asked.
fn name_is_free(device: &Device) -> Result<()> {
    let name = device.said.get("device_name").map(String::as_str);
    let name = name.map(|name| name.strip_prefix("/dev/").unwrap_or(name));
    match name == Some(ROOT) && device.is_volume() {
        true => Err(invalid(format!(
            "The volume cannot be assigned the same device name as the root device {ROOT}"
        ))),
        false => Ok(()),
    }
}

/// The disk that is booted from, if those that are tried are numbered from 0 without gaps.
fn first_of_sequence(devices: &[Device]) -> Option<&Device> {
    let tried = devices.iter().filter_map(|device| device.boot_index);
    let mut tried: Vec<i64> = tried.filter(|index| *index >= 0).collect();
    tried.sort_unstable();
    let in_sequence = (0..).zip(&tried).all(|(place, index)| place == *index);
    devices
        .iter()
        .find(|device| in_sequence && device.is_root())
}

/// Whether the parts of a device go together, as Nova looks at them before anything else.
fn form(device: &Device, image: bool) -> Result<()> {
    let blank = device.source == Source::Blank;
    let why = match (blank, device.uuid.is_some()) {
        (true, true) => "Invalid device UUID.",
        (false, false) => "Missing device UUID.",
        _ if device.source == Source::Image && device.local && !(image && device.is_root()) => {
            "Mapping image to local is not supported."
        }
        _ if device.local && device.volume_type.is_some() => {
            "Specifying a volume_type with destination_type=local is not supported."
        }
        _ if device.source == Source::Volume && device.volume_type.is_some() => {
            "Specifying volume type to existing volume is not supported."
        }
        _ => return Ok(()),
    };
    Err(malformed(why))
}

/// Whether the root disk and `imageRef` mean the same.
fn root_fits(root: &Device, image: Option<&str>) -> Result<()> {
    match (root.source, root.local, image) {
        (Source::Image, true, Some(id)) if root.uuid.as_deref() == Some(id) => Ok(()),
        (Source::Image, true, _) => Err(malformed(
            "The root disk must be made from the image of imageRef.",
        )),
        (Source::Image, false, Some(id)) if root.uuid.as_deref() != Some(id) => Err(malformed(
            "The root disk must be made from the image of imageRef.",
        )),
        (Source::Blank, true, _) => Err(malformed("Nothing boots from a blank disk.")),
        // Until something is installed on a blank volume, nothing boots: that is its owner's plan. Beside a volume, the
        // image says what the hardware is.
        _ => Ok(()),
    }
}

pub(super) fn malformed(why: &str) -> ControlError {
    invalid(format!("Block Device Mapping is Invalid: {why}"))
}

/// What is said of the root disk beyond what it is made from.
fn root_fields(root: &Device) -> Result<()> {
    local_disks::on_host(root)?;
    fields(root)
}

/// What is said of a volume beyond what it is made from.
fn volume_fields(device: &Device) -> Result<()> {
    if device.local {
        return Err(malformed(
            "Volumes and snapshots have the destination_type volume.",
        ));
    }
    if let Some(kind) = device.said.get("guest_format") {
        let kind = compute_model::hardware::quoted(kind);
        return Err(malformed(&format!(
            "Nobody formats volumes: guest_format={kind} cannot be honoured."
        )));
    }
    let size = device.size.unwrap_or_default();
    match device.source {
        Source::Image if size == 0 => Err(malformed(
            "Images with destination_type 'volume' need to have a non-zero size specified",
        )),
        Source::Blank if size == 0 => Err(malformed(
            "Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size",
        )),
        _ => fields(device),
    }
}

pub(super) fn fields(device: &Device) -> Result<()> {
    if let Some(bus) = device
        .bus
        .as_ref()
        .filter(|bus| bus.parse::<DiskBus>().is_err())
    {
        let bus = compute_model::hardware::quoted(bus);
        return Err(malformed(&format!(
            "The provided disk bus {bus} is not valid."
        )));
    }
    let bus = device.bus.as_ref().map(|bus| ("disk_bus", bus));
    let said = device.said.iter().map(|(field, value)| (*field, value));
    for (field, value) in bus.into_iter().chain(said) {
        let notation = match device.old {
            true => "block_device_mapping",
            false => "block_device_mapping_v2",
        };
        let field = format!("server.{notation}.{field}");
        if let Some(refusal) = create_fields::refusal(&field, value) {
            return Err(invalid(refusal.to_string()));
        }
    }
    Ok(())
}

/// What the server boots from, and its volumes, as the services know them. `servers`: how many are made at once;
/// `multiattach`: the client knows of volumes of several servers (2.60).
///
/// # Errors
/// 400 for what does not exist, is in use, or cannot be booted from or shown as asked; for a kernel beside a volume that
/// the caller does not see.
pub(super) async fn plan(
    control: &Control,
    cx: &Context,
    asked: Asked,
    (servers, multiattach): (u32, bool),
) -> Result<Disks> {
    let mut disks = Disks {
        image: None,
        volume_image: None,
        volumes: Vec::new(),
    };
    let mut wanted: Vec<(&Device, Origin)> = Vec::new();
    for device in asked.devices.iter().filter(|device| device.is_volume()) {
        if device.source == Source::Volume && servers > 1 {
            return Err(malformed(
                "Cannot attach one or more volumes to multiple instances",
            ));
        }
        let known = asked.image.as_ref();
        let (origin, image) = origin(control, cx, (device, known), multiattach).await?;
        let repeats = wanted.iter().any(|(_, other)| *other == origin);
        if let (Origin::Volume(id), true) = (&origin, repeats) {
            return Err(malformed(&format!("Volume {id} is there twice.")));
        }
        if device.is_root() {
            disks.volume_image = Some(image);
        }
        wanted.push((device, origin));
    }
    let root = asked.devices.iter().find(|device| device.is_root());
    match (root.is_none_or(|root| root.local), asked.image) {
        (true, image) => disks.image = image,
        // Beside a volume, the image says what the hardware is.
        (false, Some(image)) => disks.volume_image = Some(image),
        (false, None) => {}
    }
    if let (None, Some(image)) = (&disks.image, &disks.volume_image) {
        // What the volume service keeps of an image, whoever has the volume may write.
        plan::boot_parts(control, cx, &image.properties).await?;
    }
    let none = BTreeMap::new();
    let image = disks.image.as_ref().or(disks.volume_image.as_ref());
    let properties = image.map_or(&none, |image| &image.properties);
    for (device, origin) in wanted {
        disks.volumes.push(request(device, origin, properties)?);
    }
    // The guest sees what it boots from first.
    disks.volumes.sort_by_key(|volume| !volume.boot);
    Ok(disks)
}

/// A volume that a server is to have whose image has these properties.
fn request(
    device: &Device,
    origin: Origin,
    properties: &BTreeMap<String, String>,
) -> Result<VolumeRequest> {
    let shown = shown::device(device, properties)?;
    Ok(VolumeRequest {
        origin,
        attachment_id: None,
        // A volume that is there keeps its size, whatever was said.
        size: device.size.filter(|_| device.source != Source::Volume),
        volume_type: device.volume_type.clone(),
        tag: shown.tag,
        delete_on_termination: device.delete_on_termination.unwrap_or(false),
        boot: device.is_root(),
        boot_order: shown.boot_order,
        bus: shown.bus,
        cdrom: shown.cdrom,
    })
}

/// Where a volume comes from, and the image behind it.
async fn origin(
    control: &Control,
    cx: &Context,
    (device, known): (&Device, Option<&ServerImage>),
    multiattach: bool,
) -> Result<(Origin, ServerImage)> {
    let id = device.uuid.clone().unwrap_or_default();
    let gone = |what: &str, error: ClientError| match error.is_not_found() {
        true => malformed(&format!("failed to get {what} {id}.")),
        false => error.into(),
    };
    let service = &control.volume;
    match device.source {
        Source::Blank => Ok((Origin::Blank, ServerImage::default())),
        Source::Image => {
            if let Some(known) = known.filter(|known| known.id == id) {
                return Ok((Origin::Image(id), known.clone()));
            }
            let mut image = plan::image(control, cx, Some(&id)).await?;
            // The volume service itself makes the volume of the snapshot that such an image stands for.
            image.properties = image_disks::without(image.properties);
            Ok((Origin::Image(id), image))
        }
        Source::Volume => {
            let shown = cinder::show(service, cx.token(), &id).await;
            let volume = shown.map_err(|error| gone("volume", error))?;
            let usable = match volume.status.as_str() {
                "available" => true,
                status => status == "in-use" && volume.multiattach,
            };
            if !usable {
                let status = volume.status;
                return Err(invalid(format!(
                    "Invalid volume: volume '{id}' status must be 'available'. Currently in '{status}'"
                )));
            }
            if volume.multiattach && !multiattach {
                return Err(invalid(MULTIATTACH.to_owned()));
            }
            bootable(device, &id, &volume)?;
            Ok((Origin::Volume(id), image_of(volume)?))
        }
        Source::Snapshot => {
            let shown = cinder::snapshot(service, cx.token(), &id).await;
            let snapshot = shown.map_err(|error| gone("snapshot", error))?;
            if snapshot.status != "available" {
                let status = snapshot.status;
                return Err(invalid(format!(
                    "Invalid snapshot: snapshot '{id}' status must be 'available'. Currently in '{status}'"
                )));
            }
            if device.size.is_some_and(|size| size < snapshot.size) {
                return Err(malformed(&format!(
                    "Snapshot {id} needs {} GiB.",
                    snapshot.size
                )));
            }
            let shown = cinder::show(service, cx.token(), &snapshot.volume_id).await;
            let volume = shown.map_err(|error| gone("volume", error))?;
            bootable(device, &id, &volume)?;
            Ok((Origin::Snapshot(id), image_of(volume)?))
        }
    }
}

fn bootable(device: &Device, id: &str, volume: &cinder::Volume) -> Result<()> {
    match device.is_root() && volume.bootable != "true" {
        true => Err(invalid(format!("Block Device {id} is not bootable."))),
        false => Ok(()),
    }
}

/// The image of which a volume was made, by what the volume service kept of it.
fn image_of(volume: cinder::Volume) -> Result<ServerImage> {
    /// Attributes, which are no properties.
    const ATTRIBUTES: &[&str] = &[
        "checksum",
        "container_format",
        "disk_format",
        "image_id",
        "image_name",
        "min_disk",
        "min_ram",
        "size",
    ];
    let mut said = volume.volume_image_metadata;
    let number = |name: &str| said.get(name).and_then(|text| text.parse().ok());
    let image = ServerImage {
        min_ram: number("min_ram").unwrap_or_default(),
        min_disk: number("min_disk").unwrap_or_default(),
        ..ServerImage::default()
    };
    let name = said.remove("image_name").unwrap_or_default();
    let id = said.remove("image_id").unwrap_or_default();
    said.retain(|name, _| !ATTRIBUTES.contains(&name.as_str()));
    image_properties::check(&said)
        .map_err(|bad| invalid(format!("Invalid image metadata. Error: {bad}")))?;
    Ok(ServerImage {
        id,
        name,
        properties: image_disks::without(said),
        ..image
    })
}

/// Whether the volume to boot from is as large as the image asks, where its size is said.
pub(super) fn root_holds(devices: &[Device], image: &ServerImage) -> Result<()> {
    let root = devices.iter().find(|device| device.is_root());
    let Some(size) = root.filter(|root| !root.local).and_then(|root| root.size) else {
        return Ok(());
    };
    match image.min_disk > size {
        true => Err(invalid(format!(
            "Volume is smaller than the minimum size specified in image metadata. Volume size is {} bytes, minimum \
             size is {} bytes.",
            u64::from(size) * plan::GIB,
            u64::from(image.min_disk) * plan::GIB
        ))),
        false => Ok(()),
    }
}

/// Whether the disks that were asked for are those that image and flavor make: a local root has the size of the flavor,
/// and each sits on a bus that the server has.
pub(super) fn fits(
    devices: &[Device],
    properties: &BTreeMap<String, String>,
    flavor: &Flavor,
) -> Result<()> {
    for device in devices {
        let root = device.is_root() && device.local;
        if let Some(size) = device.size.filter(|size| root && *size != flavor.disk) {
            return Err(malformed(&format!(
                "The root disk has the {} GiB of the flavor, not volume_size={size}.",
                flavor.disk
            )));
        }
    }
    shown::fits(devices, properties, flavor)
}
