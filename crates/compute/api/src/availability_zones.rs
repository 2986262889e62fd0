//! Availability zones.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::availability_zones::{self, Zone};
use microversion::Versioned;
use serde::Serialize;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

/// `GET /os-availability-zone`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let zones = availability_zones::list(&api.control, &call.cx).await?;
    shown(&call, &zones, false)
}

/// `GET /os-availability-zone/detail`.
pub async fn detail(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let zones = availability_zones::detail(&api.control, &call.cx).await?;
    shown(&call, &zones, true)
}

fn shown(call: &Call, zones: &[Zone], with_hosts: bool) -> Result<Answer, Fault> {
    let views: Vec<ZoneView<'_>> = zones
        .iter()
        .map(|zone| ZoneView {
            name: &zone.name,
            state: ZoneState {
                available: zone.available,
            },
            hosts: (with_hosts && zone.available).then(|| hosts(zone)),
        })
        .collect();
    call.render_under("availabilityZoneInfo", &views)
}

fn hosts(zone: &Zone) -> BTreeMap<&str, BTreeMap<&str, ServiceState>> {
    let hosts = zone.hosts.iter().map(|(host, services)| {
        let services = services.iter().map(|(binary, state)| {
            let state = ServiceState {
                // Those that are disabled are not listed.
                active: true,
                available: state.up,
                updated_at: state.last_seen.map(web::time::naive_micros),
            };
            (binary.as_str(), state)
        });
        (host.as_str(), services.collect())
    });
    hosts.collect()
}

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
