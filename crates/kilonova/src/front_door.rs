//! The front door: all REST services behind one address, and what it answers itself.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode};
use telemetry::Checks;
use web::{Authenticator, body, request_id};

use crate::companions::Companions;
use crate::health;

/// All REST services: each companion and compute behind its name.
pub fn router(
    companions: &Companions,
    compute: Router,
    callers: &Arc<dyn Authenticator>,
    checks: Checks,
) -> Router {
    let mut faces = vec![("compute", compute)];
    for one in &companions.0 {
        faces.push((one.row.name, one.companion.router(callers.clone())));
    }
    let prefixes: Arc<[&'static str]> = faces.iter().map(|(name, _)| *name).collect();
    let door = Router::new().route("/", get(move || index(prefixes.clone())));
    // `nest` would not hand `/image/` on, which clients ask for versions.
    faces
        .into_iter()
        .fold(door, |door, (name, face)| {
            door.nest_service(&format!("/{name}"), face)
        })
        .merge(health::front(checks, callers.clone()))
        .method_not_allowed_fallback(no_such_method)
        .fallback(nowhere)
}

/// The index: which services are behind which prefix.
async fn index(prefixes: Arc<[&'static str]>) -> Response {
    let services: Vec<String> = prefixes
        .iter()
        .map(|prefix| format!("/{prefix}/"))
        .collect();
    let body = serde_json::json!({"name": "kilonova", "services": services});
    (StatusCode::OK, axum::Json(body)).into_response()
}

/// The answer to a path that no service is behind, in the form of the identity service, which every client reads first.
async fn nowhere() -> Response {
    fault(
        StatusCode::NOT_FOUND,
        "No service has this path. GET / lists those that are here.",
    )
}

/// The answer to a method that a path of the front door itself does not have.
async fn no_such_method() -> Response {
    fault(
        StatusCode::METHOD_NOT_ALLOWED,
        "This path of the front door does not have this method.",
    )
}

fn fault(status: StatusCode, message: &str) -> Response {
    let id = request_id::of(&HeaderMap::new()).local;
    tracing::info!(%id, status = status.as_u16(), "answered at the front door");
    let mut response = body::json(status, &body::fault(status, message));
    let id = HeaderValue::from_str(&id).expect("an id is plain ASCII");
    response.headers_mut().insert(request_id::HEADER, id);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_front_door_refuses_has_a_request_id() {
        for response in [nowhere().await, no_such_method().await] {
            let id = response.headers().get(request_id::HEADER);
            let id = id.and_then(|id| id.to_str().ok()).expect("an id");
            assert!(id.starts_with("req-"), "{id}");
        }
    }
}
