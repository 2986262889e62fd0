//! Where the devices of a guest sit, as its saved memory knows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a device sits: a bus by its name, and the place on it. What is missing, QEMU chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// On PCI the slot times eight and the function, on SCSI the target, on IDE the unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
}

/// Addresses by the names of devices.
pub(crate) type Addresses = BTreeMap<String, Address>;
