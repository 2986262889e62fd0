//! Compute's own API as the companions use it: external events.

use http::Method;
use serde_json::{Value, json};

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
