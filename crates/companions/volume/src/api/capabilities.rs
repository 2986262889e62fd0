//! What back ends are able to do, as administrators ask for it.

use rest::Answer;
use serde_json::{Value, json};

use super::Call;
use crate::db::services;
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::service::Binary;

/// What types of volumes may ask of a back end, as Cinder describes it to dashboards.
const PROPERTIES: [(&str, &str, &str); 4] = [
    (
        "thin_provisioning",
        "Thin Provisioning",
        "Sets thin provisioning.",
    ),
    ("compression", "Compression", "Enables compression."),
    ("qos", "QoS", "Enables QoS."),
    ("replication_enabled", "Replication", "Enables replication."),
];

/// `GET /capabilities/{host}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let host = call.path("host");
    let all = services::list(volumes.db().read(), Some(Binary::Volume), Some(host)).await?;
    let service = all.into_iter().next();
    let service = service.ok_or_else(|| Fault::NotFound(format!("Can't find service: {host}")))?;
    let told: Value = serde_json::from_str(&service.pool).unwrap_or_default();
    let properties = PROPERTIES.map(|(name, title, description)| {
        let about = json!({"title": title, "description": description, "type": "boolean"});
        (name.to_owned(), about)
    });
    let properties: serde_json::Map<String, Value> = properties.into_iter().collect();
    Ok(Answer::of(&json!({
        "namespace": format!("OS::Storage::Capabilities::{}", service.host),
        "vendor_name": told["vendor_name"],
        "volume_backend_name": told["volume_backend_name"],
        "pool_name": told["volume_backend_name"],
        "driver_version": told["driver_version"],
        "storage_protocol": told["storage_protocol"],
        "display_name": null,
        "description": null,
        "visibility": null,
        "replication_targets": [],
        "properties": properties,
    })))
}
