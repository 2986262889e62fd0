//! What a server remembers of the image it was made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The image of a server, as it was when the server was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerImage {
    pub id: String,
    pub name: String,
    /// `raw`, `qcow2`, …: what the image service checked, never guessed from the bytes.
    pub disk_format: String,
    pub container_format: String,
    /// MiB.
    pub min_ram: u32,
    /// GiB.
    pub min_disk: u32,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes a guest sees, when the image service knows.
    pub virtual_size: Option<u64>,
    /// Custom properties: `hw_*`, `os_*`, `img_*` and others.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

impl ServerImage {
    /// The image of its kernel; empty without one.
    pub fn kernel_id(&self) -> &str {
        self.properties.get("kernel_id").map_or("", String::as_str)
    }

    /// The image of its ramdisk; empty without one.
    pub fn ramdisk_id(&self) -> &str {
        self.properties.get("ramdisk_id").map_or("", String::as_str)
    }
}
