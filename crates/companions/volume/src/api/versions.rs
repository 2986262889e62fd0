//! Version documents.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use microversion::{Service, Version};
use serde_json::{Value, json};
use web::BaseUrl;

/// Block storage in the version headers.
pub const SERVICE: Service = Service {
    service_type: "volume",
    legacy_header: None,
    min: Version::new(3, 0),
    max: Version::new(3, 71),
};

fn versions(base: &BaseUrl) -> Value {
    json!({"versions": [{
        "id": "v3.0",
        "status": "CURRENT",
        "version": SERVICE.max.to_string(),
        "min_version": SERVICE.min.to_string(),
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": format!("{}/v3/", base.0)},
        ],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.volume+json;version=3",
        }],
    }]})
}

/// `GET /`: with choices, 300 says so.
pub fn choices(base: &BaseUrl) -> Response {
    answer(StatusCode::MULTIPLE_CHOICES, &versions(base))
}

/// `GET /v3/`.
pub fn document(base: &BaseUrl) -> Response {
    answer(StatusCode::OK, &versions(base))
}

fn answer(code: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    (code, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}
