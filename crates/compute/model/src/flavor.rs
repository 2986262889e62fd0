//! Flavors: the sizes a server may have.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A size for servers. A server keeps a copy of its own, so that a changed or deleted flavor does
/// not change it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flavor {
    /// The id users know (`flavorid`): any text.
    pub id: String,
    pub name: String,
    /// MiB.
    pub ram: u32,
    pub vcpus: u32,
    /// Root disk in GiB; 0 takes the image's own size.
    pub disk: u32,
    /// GiB.
    pub ephemeral: u32,
    /// MiB.
    pub swap: u32,
    /// Kept for microversions below 2.102; without effect.
    #[serde(default = "one")]
    pub rxtx_factor: f64,
    pub is_public: bool,
    pub disabled: bool,
    pub description: Option<String>,
    #[serde(default)]
    pub extra_specs: BTreeMap<String, String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

fn one() -> f64 {
    1.0
}

impl Flavor {
    /// The local disk space of a server of this flavor in GiB, as Placement counts it: root,
    /// ephemeral, and swap rounded up.
    pub fn disk_gb(&self) -> u64 {
        u64::from(self.disk) + u64::from(self.ephemeral) + u64::from(self.swap.div_ceil(1024))
    }
}
