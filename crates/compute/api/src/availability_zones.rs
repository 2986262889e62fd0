//! Availability zones.

use std::collections::BTreeMap;

use microversion::Versioned;
use serde::Serialize;

/// A zone. Its hosts are `null` in the list for users.
#[derive(Serialize, Versioned)]
pub struct ZoneView<'v> {
    #[mv(wire = "zoneName")]
    pub name: &'v str,
    #[mv(wire = "zoneState")]
    pub state: ZoneState,
    /// By host, then by service.
    pub hosts: Option<BTreeMap<&'v str, BTreeMap<&'v str, ServiceState>>>,
}

#[derive(Serialize, Versioned)]
pub struct ZoneState {
    pub available: bool,
}

#[derive(Serialize, Versioned)]
pub struct ServiceState {
    /// Not disabled.
    pub active: bool,
    /// Heard of lately.
    pub available: bool,
    pub updated_at: Option<String>,
}
