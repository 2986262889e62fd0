//! Availability zones: which there are, and which host is in which.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use compute_db::hosts;

use crate::services::is_up;
use crate::zones::Zones;
use crate::{Context, Control, Result, policy};

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    pub name: String,
    /// Whether any service in it is enabled.
    pub available: bool,
    /// Its enabled services, by host and kind.
    pub hosts: BTreeMap<String, BTreeMap<String, ServiceState>>,
}

/// A service in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    pub up: bool,
    pub last_seen: Option<DateTime<Utc>>,
}

/// The zones that servers can be in.
///
/// # Errors
/// Denied.
pub async fn list(control: &Control, cx: &Context) -> Result<Vec<Zone>> {
    policy::allow(control, cx)?;
    let mut all = zones(control).await?;
    all.retain(|zone| zone.name != control.settings.internal_service_availability_zone);
    Ok(all)
}

/// All zones, that of the cloud's own services included.
///
/// # Errors
/// Denied.
pub async fn detail(control: &Control, cx: &Context) -> Result<Vec<Zone>> {
    policy::allow(control, cx)?;
    zones(control).await
}

/// Those that are available first, each part by name.
async fn zones(control: &Control) -> Result<Vec<Zone>> {
    let map = Zones::read(control).await?;
    let services = hosts::services(control.db.read()).await?;
    let now = compute_db::now(control.db.read()).await?;
    let mut available: BTreeMap<String, Zone> = BTreeMap::new();
    let mut disabled = BTreeSet::new();
    for service in services {
        let name = map.of(&service).to_owned();
        if service.disabled {
            disabled.insert(name);
            continue;
        }
        let state = ServiceState {
            up: is_up(control, &service, now),
            last_seen: service.last_seen,
        };
        let zone = available.entry(name.clone()).or_insert_with(|| Zone {
            name,
            available: true,
            hosts: BTreeMap::new(),
        });
        let on_host = zone.hosts.entry(service.host).or_default();
        on_host.insert(service.binary, state);
    }
    disabled.retain(|name| !available.contains_key(name));
    let unavailable = disabled.into_iter().map(|name| Zone {
        name,
        available: false,
        hosts: BTreeMap::new(),
    });
    Ok(available.into_values().chain(unavailable).collect())
}
