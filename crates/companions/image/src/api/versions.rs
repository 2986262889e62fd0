//! Version documents.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use web::BaseUrl;

/// The versions that Glance lists, newest first; all are the same API here. 2.8 to 2.13 say that
/// there are stores (one), 2.15 and 2.14 that there is a cache: those are left out.
const VERSIONS: [&str; 14] = [
    "2.13", "2.12", "2.11", "2.10", "2.9", "2.8", "2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1",
    "2.0",
];

/// `GET /`: several choices, as 300 says.
pub async fn root(base: BaseUrl) -> Response {
    web::body::json(StatusCode::MULTIPLE_CHOICES, &document(&base))
}

/// `GET /versions`.
pub async fn list(base: BaseUrl) -> Response {
    web::body::json(StatusCode::OK, &document(&base))
}

fn document(base: &BaseUrl) -> Value {
    let versions = VERSIONS.iter().enumerate().map(|(at, version)| {
        json!({
            "id": format!("v{version}"),
            "status": if at == 0 { "CURRENT" } else { "SUPPORTED" },
            "links": [{"rel": "self", "href": format!("{}/v2/", base.0)}],
        })
    });
    json!({"versions": versions.collect::<Vec<_>>()})
}
