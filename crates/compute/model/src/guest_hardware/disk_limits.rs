//! How much a guest may read and write on each of its disks: `quota:disk_*` of its flavor.

use serde::{Deserialize, Serialize};

use super::Asked;

/// Limits of each disk of a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskLimits {
    /// Bytes in a second.
    pub bytes: Rates,
    /// Operations in a second.
    pub operations: Rates,
}

/// 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    pub total: u64,
    pub read: u64,
    pub write: u64,
}

impl DiskLimits {
    pub fn is_none(&self) -> bool {
        *self == DiskLimits::default()
    }
}

/// A limit of everything and one of a direction exclude each other: hypervisors take one kind.
pub(super) fn of(asked: &Asked) -> Result<DiskLimits, String> {
    let limit = |key| asked.spec(key).map(Option::unwrap_or_default);
    let bytes = Rates {
        total: limit("quota:disk_total_bytes_sec")?,
        read: limit("quota:disk_read_bytes_sec")?,
        write: limit("quota:disk_write_bytes_sec")?,
    };
    let operations = Rates {
        total: limit("quota:disk_total_iops_sec")?,
        read: limit("quota:disk_read_iops_sec")?,
        write: limit("quota:disk_write_iops_sec")?,
    };
    for (rates, unit) in [(bytes, "bytes"), (operations, "iops")] {
        if rates.total > 0 && (rates.read > 0 || rates.write > 0) {
            return Err(format!(
                "The flavor limits quota:disk_total_{unit}_sec together with quota:disk_read_{unit}_sec or \
                 quota:disk_write_{unit}_sec."
            ));
        }
    }
    Ok(DiskLimits { bytes, operations })
}
