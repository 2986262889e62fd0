//! Where one service's trait meets another service's REST API.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use clients::compute::{Event, send_events};
use clients::{Service, Session};
use http::{Request, StatusCode};
use image::{LimitSource, LimitsUnavailable};
use network::{EventSink, MetadataUpstream, SinkError};
use tower::ServiceExt;

/// Carries the network service's events to compute's API, as Neutron does.
pub struct Events {
    pub compute: Service,
    pub session: Session,
}

impl Events {
    async fn send(
        &self,
        name: &'static str,
        server_id: &str,
        port_id: Option<&str>,
    ) -> Result<(), SinkError> {
        let events = [Event {
            name,
            server_id: server_id.to_owned(),
            tag: port_id.map(str::to_owned),
        }];
        let sent = self
            .session
            .with(|token| {
                let events = &events;
                async move { send_events(&self.compute, &token, events).await }
            })
            .await;
        Ok(sent?)
    }
}

#[async_trait]
impl EventSink for Events {
    async fn vif_plugged(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-vif-plugged", server_id, Some(port_id))
            .await
    }

    async fn vif_unplugged(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-vif-unplugged", server_id, Some(port_id))
            .await
    }

    async fn vif_deleted(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-vif-deleted", server_id, Some(port_id))
            .await
    }

    async fn changed(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-changed", server_id, Some(port_id)).await
    }
}

/// The image service's quotas as the identity service keeps them.
pub struct ImageLimits {
    pub identity: Service,
    pub session: Session,
    /// The region whose limits hold.
    pub region: String,
}

#[async_trait]
impl LimitSource for ImageLimits {
    async fn limits(&self, project_id: &str) -> Result<BTreeMap<String, i64>, LimitsUnavailable> {
        let asked = self.session.with(|token| async move {
            let place = ("image", self.region.as_str());
            clients::identity::limits(&self.identity, &token, place, project_id).await
        });
        asked
            .await
            .map_err(|error| LimitsUnavailable(error.to_string()))
    }
}

/// Takes the metadata proxy's requests to the metadata service of this process.
pub struct Metadata(pub Router);

#[async_trait]
impl MetadataUpstream for Metadata {
    async fn send(&self, request: Request<Body>) -> Response {
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The index at the front door: which services are behind which prefix.
pub async fn index(prefixes: Arc<[&'static str]>) -> Response {
    let services: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}/")).collect();
    let body = serde_json::json!({"name": "kilonova", "services": services});
    (StatusCode::OK, axum::Json(body)).into_response()
}

/// The answer to a path that no service is behind, in the form of the identity service, which every client reads first.
pub async fn nowhere() -> Response {
    fault(
        StatusCode::NOT_FOUND,
        "No service has this path. GET / lists those that are here.",
    )
}

/// The answer to a method that a path of the front door itself does not have.
pub async fn no_such_method() -> Response {
    fault(
        StatusCode::METHOD_NOT_ALLOWED,
        "This path of the front door does not have this method.",
    )
}

fn fault(status: StatusCode, message: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let body = serde_json::json!({"error": {"code": code, "title": title, "message": message}});
    (status, axum::Json(body)).into_response()
}
