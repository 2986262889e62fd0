//! The disks of a new server: so far its root, made from an image on the host's own disk.

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
    match devices.len() {
        1 => Ok(()),
        _ => Err(not_built("Further disks")),
    }
}

fn not_built(what: &str) -> ControlError {
    ControlError::Unsupported {
        why: format!("{what} are not built yet."),
    }
}
