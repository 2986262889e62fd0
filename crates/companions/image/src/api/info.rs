//! What the service offers: import methods and stores.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use web::auth::Authenticated;

use crate::fault::Fault;
use crate::import::METHODS;
use crate::model::STORE;
use crate::policy;
use crate::quota::Allowance;
use crate::service::Images;

/// `GET /v2/info/import`.
pub async fn import() -> Response {
    let body = json!({"import-methods": {
        "description": "Import methods available.",
        "type": "array",
        "value": METHODS,
    }});
    web::body::json(StatusCode::OK, &body)
}

/// `GET /v2/info/stores`.
pub async fn stores() -> Response {
    let body = json!({"stores": [{"id": STORE, "default": "true"}]});
    web::body::json(StatusCode::OK, &body)
}

/// `GET /v2/info/stores/detail`.
pub async fn stores_detail(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
) -> Result<Response, Fault> {
    let target = policy::owned_by(caller.project_id.as_deref());
    policy::allow(&images, "stores_info_detail", &caller, &target)?;
    let folder = images.settings().image_dir.display().to_string();
    let store = json!({
        "id": STORE, "default": "true", "type": "file", "weight": 0,
        "properties": {"data_dir": folder, "chunk_size": 262_144, "thin_provisioning": false},
    });
    Ok(web::body::json(StatusCode::OK, &json!({"stores": [store]})))
}

/// `GET /v2/info/usage`: what the caller's project has, and may have.
pub async fn usage(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
) -> Result<Response, Fault> {
    let usage = match Allowance::of(&images, caller.project_id.as_deref()).await? {
        Some(allowance) => allowance.report(&images).await?,
        None => json!({}),
    };
    Ok(web::body::json(StatusCode::OK, &json!({"usage": usage})))
}
