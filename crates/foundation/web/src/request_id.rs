//! Request ids: a local one made here for every request, and a global one that the caller may send.
//!
//! Every answer carries the local id in `x-openstack-request-id` and, where a service has one, in
//! its own older header (`x-compute-request-id`).

use std::borrow::Cow;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
pub use telemetry::RequestId;
use uuid::Uuid;

/// The header that all OpenStack services answer with, and in which a caller sends a global id.
pub const HEADER: &str = "x-openstack-request-id";

/// A new local id beside the global id found in `headers`.
pub fn of(headers: &HeaderMap) -> RequestId {
    RequestId {
        local: format!("req-{}", Uuid::new_v4()),
        global: headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|value| is_id(value))
            .map(str::to_owned),
    }
}

/// The ids that [`layer`] gave a request.
pub fn given(head: &Parts) -> RequestId {
    let given = head.extensions.get::<RequestId>().cloned();
    given.unwrap_or_else(|| of(&head.headers))
}

/// `req-` and a UUID: anything else a caller sends is ignored, since it would end up in logs.
fn is_id(value: &str) -> bool {
    value
        .strip_prefix("req-")
        .is_some_and(|id| Uuid::parse_str(id).is_ok())
}

/// What paths name by a secret, and the log must not: who reads it could use the secret.
const SECRET: &[&str] = &["/os-console-auth-tokens/"];

/// The path as the log may have it.
fn shown(path: &str) -> Cow<'_, str> {
    let found = SECRET
        .iter()
        .find_map(|name| Some(path.find(name)? + name.len()));
    match found {
        Some(end) => format!("{}***", &path[..end]).into(),
        None => path.into(),
    }
}

/// Middleware: gives the request its ids (found in its extensions, and by what it calls), logs its end, and puts the
/// local id on the answer.
///
/// `also` is a service's own header for the same id.
pub async fn layer(also: Option<&'static str>, mut request: Request, next: Next) -> Response {
    let ids = of(request.headers());
    let span = tracing::info_span!(
        "request",
        id = %ids.local,
        global_id = ids.shown_global(),
        method = %request.method(),
        path = %shown(request.uri().path()),
    );
    request.extensions_mut().insert(ids.clone());
    let started = std::time::Instant::now();
    let run = telemetry::request::follow(ids.clone(), span.clone(), next.run(request));
    let mut response = run.await;
    span.in_scope(|| {
        tracing::info!(
            status = response.status().as_u16(),
            millis = started.elapsed().as_millis() as u64,
            "answered"
        );
    });
    let value = HeaderValue::from_str(&ids.local).expect("an id is plain ASCII");
    if let Some(header) = also {
        response
            .headers_mut()
            .insert(HeaderName::from_static(header), value.clone());
    }
    response
        .headers_mut()
        .insert(HeaderName::from_static(HEADER), value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_path_is_not_logged() {
        let path = "/v2.1/os-console-auth-tokens/secret";
        assert_eq!(shown(path), "/v2.1/os-console-auth-tokens/***");
        assert_eq!(shown("/v2.1/servers/s"), "/v2.1/servers/s");
    }

    #[test]
    fn only_a_well_formed_global_id_is_taken() {
        let mut headers = HeaderMap::new();
        headers.insert(
            HEADER,
            HeaderValue::from_static("req-x\u{7f}".trim_end_matches('\u{7f}')),
        );
        assert_eq!(of(&headers).global, None);
        let good = "req-2c50b1a0-6e8c-4d3a-8c56-0c9c3a3b7c11";
        headers.insert(HEADER, HeaderValue::from_static(good));
        assert_eq!(of(&headers).global.as_deref(), Some(good));
    }
}
