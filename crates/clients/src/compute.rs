//! Compute's own API as the companions use it: external events.

use http::Method;
use serde_json::{Value, json};

use crate::image::segment;
use crate::{Result, Service};

/// One external event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `network-vif-plugged`, `network-changed`, …
    pub name: &'static str,
    pub server_id: String,
    /// The port's id, where the event is about one.
    pub tag: Option<String>,
}

/// Sends events; servers that compute does not know are ignored, as Neutron does.
pub async fn send_events(service: &Service, token: &str, events: &[Event]) -> Result<()> {
    let events: Vec<Value> = events
        .iter()
        .map(|event| {
            let mut body = json!({
                "name": event.name,
                "server_uuid": event.server_id,
                "status": "completed",
            });
            if let Some(tag) = &event.tag {
                body["tag"] = json!(tag);
            }
            body
        })
        .collect();
    let body = json!({"events": events});
    let sent = service
        .json::<Value>(
            Method::POST,
            "/v2.1/os-server-external-events",
            token,
            Some(&body),
        )
        .await;
    match sent {
        Err(error) if error.is_not_found() => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The version that knows all events of volumes.
const VOLUME_EVENTS: &str = "compute 2.93";

/// Sends an event about a volume of a server; a server that compute does not know is ignored, as Cinder does.
///
/// # Errors
/// Compute did not take it.
pub async fn send_volume_event(
    service: &Service,
    token: &str,
    name: &str,
    server_id: &str,
    volume_id: &str,
) -> Result<()> {
    let body = json!({"events": [
        {"name": name, "server_uuid": server_id, "status": "completed", "tag": volume_id},
    ]});
    let headers = [
        ("x-auth-token", token),
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("openstack-api-version", VOLUME_EVENTS),
    ];
    let path = "/v2.1/os-server-external-events";
    let body = bytes::Bytes::from(body.to_string());
    let sent = service.send(Method::POST, path, &headers, body).await?;
    match sent.accepted().await {
        Err(error) if error.is_not_found() => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Has compute put another volume in the place of one that a server has.
///
/// # Errors
/// 400, 404, 409: it cannot, or not now.
pub async fn swap_volume(
    service: &Service,
    token: &str,
    server_id: &str,
    (volume_id, new): (&str, &str),
) -> Result<()> {
    let (server, volume) = (segment(server_id), segment(volume_id));
    let path = format!("/v2.1/servers/{server}/os-volume_attachments/{volume}");
    let body = json!({"volumeAttachment": {"volumeId": new}});
    service.json(Method::PUT, &path, token, Some(&body)).await
}
