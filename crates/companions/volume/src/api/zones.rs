//! Availability zones: those of the services that reported themselves.

use std::collections::BTreeMap;

use rest::Answer;
use serde_json::{Value, json};

use super::Call;
use crate::db::services;
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::service::Binary;

/// Zones, and whether an enabled service is in them.
async fn all(volumes: &Volumes) -> Result<BTreeMap<String, bool>, Fault> {
    let mut zones = BTreeMap::new();
    let services = services::list(volumes.db().read(), Some(Binary::Volume), None).await?;
    for service in services {
        let available = zones.entry(service.zone).or_default();
        *available |= !service.disabled;
    }
    Ok(zones)
}

/// Names of zones that volumes may be in.
///
/// # Errors
/// The database does not answer.
pub async fn known(volumes: &Volumes) -> Result<Vec<String>, Fault> {
    let mut zones: Vec<String> = all(volumes).await?.into_keys().collect();
    let own = &volumes.settings().zone;
    if !zones.contains(own) {
        zones.push(own.clone());
    }
    Ok(zones)
}

/// `GET /os-availability-zone`.
pub async fn list(volumes: Volumes, _call: Call) -> Result<Answer, Fault> {
    let zones = all(&volumes).await?;
    let zones = zones
        .iter()
        .map(|(name, available)| json!({"zoneName": name, "zoneState": {"available": available}}));
    Ok(Answer::of(
        &json!({"availabilityZoneInfo": zones.collect::<Vec<Value>>()}),
    ))
}
