//! The disks of a request together with those that its image names, as of a server that boots from a volume.
//!
//! Source: `nova.compute.api.API._check_and_transform_bdm`.

use compute_model::image::ServerImage;
use compute_model::image_disks::{self, DiskSource, ImageDisk};

use super::{Device, Source};
use crate::servers::create::{NewServer, invalid};
use crate::servers::plan;
use crate::{Context, Control, Result};

/// What a new server is asked to be made from.
pub(in crate::servers) struct Asked {
    pub devices: Vec<Device>,
    /// The image of `imageRef`, without its word about disks.
    pub image: Option<ServerImage>,
    /// The root is one of the disks that the image names.
    pub stands_for_volumes: bool,
}

impl Asked {
    /// The image that a root on the host's disk is made from.
    pub fn root_image(&self) -> Option<&str> {
        let image = self.image.as_ref().filter(|_| !self.stands_for_volumes);
        image.map(|image| image.id.as_str())
    }
}

/// Looks the image up, and puts the disks that it names beside those of the request.
///
/// # Errors
/// 400 for an image that the caller does not see, or whose word about disks makes no sense.
pub(in crate::servers) async fn asked(
    control: &Control,
    cx: &Context,
    new: &NewServer,
) -> Result<Asked> {
    let mut image = match &new.image_id {
        Some(id) => Some(plan::image(control, cx, Some(id)).await?),
        None => None,
    };
    let mut named = Vec::new();
    if let Some(image) = &mut image {
        let disks = image_disks::of(&image.properties);
        named = disks.map_err(|bad| invalid(format!("Block Device Mapping is Invalid: {bad}.")))?;
        image.properties = image_disks::without(std::mem::take(&mut image.properties));
    }
    let stands_for_volumes = named.iter().any(|disk| disk.boot_index == Some(0));
    let id = image.as_ref().map(|image| image.id.as_str());
    Ok(Asked {
        devices: merged(new, named, id.filter(|_| !stands_for_volumes)),
        stands_for_volumes,
        image,
    })
}

/// The disks of the request, and those of the image whose names it does not say. `root_image`: the image of a root on the
/// host, which nobody has to name.
fn merged(new: &NewServer, named: Vec<ImageDisk>, root_image: Option<&str>) -> Vec<Device> {
    let mut devices = new.devices.clone();
    if root_image.is_none() && !named.is_empty() {
        // Clients name the image as the root that it is not.
        devices.retain(|device| !(device.is_root() && device.source == Source::Image));
    }
    if let (Some(id), true, false) = (root_image, devices.is_empty(), named.is_empty()) {
        devices.push(root_of(id));
    }
    let said = devices.iter().filter_map(|one| one.said.get("device_name"));
    let said: Vec<String> = said
        .chain(&new.without_devices)
        .map(|name| image_disks::with_folder(name))
        .collect();
    let hidden = |disk: &ImageDisk| {
        let name = disk.device_name.as_ref();
        name.is_some_and(|name| said.contains(name))
    };
    devices.extend(named.into_iter().filter(|disk| !hidden(disk)).map(device));
    devices
}

/// The root disk that is made of an image.
fn root_of(image_id: &str) -> Device {
    Device {
        source: Source::Image,
        local: true,
        uuid: Some(image_id.to_owned()),
        boot_index: Some(0),
        size: None,
        bus: None,
        volume_type: None,
        tag: None,
        delete_on_termination: None,
        said: Default::default(),
        old: false,
    }
}

fn device(disk: ImageDisk) -> Device {
    let (source, uuid) = match disk.source {
        DiskSource::Blank => (Source::Blank, None),
        DiskSource::Image(id) => (Source::Image, Some(id)),
        DiskSource::Snapshot(id) => (Source::Snapshot, Some(id)),
        DiskSource::Volume(id) => (Source::Volume, Some(id)),
    };
    let said = [
        ("device_name", disk.device_name),
        ("device_type", disk.device_type),
        ("guest_format", disk.guest_format),
    ];
    let said = said.into_iter();
    Device {
        source,
        local: disk.local,
        uuid,
        boot_index: disk.boot_index,
        size: disk.size,
        bus: disk.bus,
        volume_type: disk.volume_type,
        tag: disk.tag,
        // A disk on the host ends with its server, whatever the image says.
        delete_on_termination: (!disk.local).then_some(disk.delete_on_termination),
        said: said
            .filter_map(|(field, value)| Some((field, value?)))
            .collect(),
        old: false,
    }
}
