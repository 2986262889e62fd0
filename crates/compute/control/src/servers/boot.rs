//! The disks of a new server: so far its root, made from an image on the host's own disk.

use std::collections::BTreeMap;

use compute_model::hardware::DiskBus;
use compute_model::{Flavor, create_fields, image_properties};

use super::create::invalid;
use crate::{ControlError, Result};

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
    /// GiB.
    pub size: Option<u32>,
    pub bus: Option<String>,
    pub volume_type: Option<String>,
    /// Further fields that were said, as text.
    pub said: BTreeMap<&'static str, String>,
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
}

/// Whether the disks make sense together with the image.
pub(super) fn check(devices: &[Device], image_id: Option<&str>) -> Result<()> {
    if devices.iter().any(Device::is_volume) {
        return Err(not_built("Volumes"));
    }
    let roots = devices.iter().filter(|device| device.boot_index == Some(0));
    let mut roots = roots.peekable();
    match (image_id, roots.peek()) {
        (None, None) if devices.is_empty() => {
            return Err(invalid("Missing imageRef attribute".to_owned()));
        }
        (Some(_), None) if devices.is_empty() => return Ok(()),
        (_, None) => {
            return Err(invalid(
                "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping \
                 combination is not valid."
                    .to_owned(),
            ));
        }
        (image, Some(root)) => {
            if root.source != Source::Image || root.uuid.as_deref() != image || image.is_none() {
                return Err(invalid(
                    "Block Device Mapping is Invalid: The root disk must be made from the image of imageRef."
                        .to_owned(),
                ));
            }
        }
    }
    match devices {
        [root] => fields(root),
        _ => Err(not_built("Further disks")),
    }
}

/// What is said of the root disk beyond what it is made from.
fn fields(root: &Device) -> Result<()> {
    let malformed = |why: String| invalid(format!("Block Device Mapping is Invalid: {why}"));
    if root.volume_type.is_some() {
        return Err(malformed(
            "Specifying a volume_type with destination_type=local is not supported.".to_owned(),
        ));
    }
    if let Some(bus) = root
        .bus
        .as_ref()
        .filter(|bus| bus.parse::<DiskBus>().is_err())
    {
        let bus = compute_model::hardware::quoted(bus);
        return Err(malformed(format!(
            "The provided disk bus {bus} is not valid."
        )));
    }
    for (field, value) in &root.said {
        let field = format!("server.block_device_mapping_v2.{field}");
        if let Some(refusal) = create_fields::refusal(&field, value) {
            return Err(invalid(refusal.to_string()));
        }
    }
    Ok(())
}

/// Whether the root disk that was asked for is the one that image and flavor make: it has one size and one bus.
pub(super) fn fits(
    devices: &[Device],
    properties: &BTreeMap<String, String>,
    flavor: &Flavor,
) -> Result<()> {
    let Some(root) = devices.first() else {
        return Ok(());
    };
    if let Some(size) = root.size.filter(|size| *size != flavor.disk) {
        return Err(invalid(format!(
            "Block Device Mapping is Invalid: The root disk has the {} GiB of the flavor, not volume_size={size}.",
            flavor.disk
        )));
    }
    let bus = image_properties::value(properties, "hw_disk_bus").unwrap_or("virtio");
    match root.bus.as_deref().filter(|wanted| *wanted != bus) {
        Some(wanted) => Err(invalid(format!(
            "Block Device Mapping is Invalid: The image's disks sit on {bus}, not disk_bus={wanted}."
        ))),
        None => Ok(()),
    }
}

fn not_built(what: &str) -> ControlError {
    ControlError::Unsupported {
        why: format!("{what} are not built yet."),
    }
}
