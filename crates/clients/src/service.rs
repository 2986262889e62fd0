//! A companion as something that requests are sent to, wherever it runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::{ClientError, Result};

/// How long an answer may take before the service counts as unreachable. Streams are not bound.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A companion: its own router in this process, or its address.
#[derive(Clone)]
pub struct Service {
    name: &'static str,
    way: Way,
    /// Aliases of the extensions that the service announces, once somebody asked: these do not
    /// change while it runs.
    pub(crate) extensions: Arc<OnceCell<BTreeSet<String>>>,
}

#[derive(Clone)]
enum Way {
    InProcess(Router),
    Http {
        base: String,
        client: reqwest::Client,
    },
}

/// An answer whose body has not been read yet.
pub struct Reply {
    service: &'static str,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

impl Service {
    /// A companion embedded in this process; `name` is for messages (`image`, `network`, …).
    pub fn in_process(name: &'static str, router: Router) -> Self {
        Service {
            name,
            way: Way::InProcess(router),
            extensions: Arc::default(),
        }
    }

    /// A companion at `base`, the address its catalog entry has, without a slash at the end.
    pub fn http(name: &'static str, base: &str) -> Self {
        Service {
            name,
            way: Way::Http {
                base: base.trim_end_matches('/').to_owned(),
                client: reqwest::Client::new(),
            },
            extensions: Arc::default(),
        }
    }

    /// Sends a request. `path` begins with a slash and may have a query.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`]; an error status is no error here.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Reply> {
        match &self.way {
            Way::InProcess(router) => self.call(router, method, path, headers, body).await,
            Way::Http { base, client } => {
                let url = format!("{base}{path}");
                let mut request = client.request(method, url).body(body);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let answered = tokio::time::timeout(TIMEOUT, request.send()).await;
                let response = answered
                    .map_err(|_| self.unreachable("no answer in time"))?
                    .map_err(|error| self.unreachable(&error.to_string()))?;
                Ok(Reply {
                    service: self.name,
                    status: response.status(),
                    headers: response.headers().clone(),
                    body: Body::from_stream(response.bytes_stream()),
                })
            }
        }
    }

    async fn call(
        &self,
        router: &Router,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::from(body))
            .map_err(|error| self.unreadable(&error.to_string()))?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|error| self.unreadable(&error.to_string()))?;
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        let Ok(response) = router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        Ok(Reply {
            service: self.name,
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    /// Sends a JSON document (or nothing) in the name of `token` and reads the JSON answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for every status that is no success.
    pub async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<T> {
        let headers = [
            ("x-auth-token", token),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let bytes = body
            .map(|body| Bytes::from(body.to_string()))
            .unwrap_or_default();
        let reply = self
            .send(method, path, &headers, bytes)
            .await?
            .accepted()
            .await?;
        let bytes = reply.bytes().await?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(text).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreachable(&self, why: &str) -> ClientError {
        ClientError::Unreachable {
            service: self.name,
            why: why.to_owned(),
        }
    }

    /// An answer that makes no sense.
    pub(crate) fn unreadable(&self, why: &str) -> ClientError {
        ClientError::Unreadable {
            service: self.name,
            why: why.to_owned(),
        }
    }
}

impl Reply {
    /// The reply, if its status is a success.
    pub async fn accepted(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let (service, status) = (self.service, self.status);
        let bytes = self.bytes().await.unwrap_or_default();
        Err(ClientError::Refused {
            service,
            status,
            message: fault_message(&bytes, status),
        })
    }

    /// The whole body.
    pub async fn bytes(self) -> Result<Bytes> {
        let service = self.service;
        let collected = self.body.collect().await;
        collected
            .map(|body| body.to_bytes())
            .map_err(|error| ClientError::Unreachable {
                service,
                why: error.to_string(),
            })
    }

    /// The body as it comes.
    pub fn stream(self) -> impl futures::Stream<Item = Result<Bytes>> + Send {
        let service = self.service;
        TryStreamExt::map_err(self.body.into_data_stream(), move |error| {
            ClientError::Unreachable {
                service,
                why: error.to_string(),
            }
        })
    }

    /// The length that the service announced.
    pub fn length(&self) -> Option<u64> {
        self.headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok())
    }
}

/// The text of a fault in any of the services' shapes.
fn fault_message(body: &[u8], status: StatusCode) -> String {
    let fallback = || status.canonical_reason().unwrap_or("error").to_owned();
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return fallback();
    };
    let direct = document.get("message").and_then(Value::as_str);
    let nested = document.as_object().and_then(|object| {
        let inner = object.values().find_map(Value::as_object)?;
        inner.get("message").and_then(Value::as_str)
    });
    direct
        .or(nested)
        .map(str::to_owned)
        .unwrap_or_else(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_every_services_fault() {
        for body in [
            r#"{"itemNotFound":{"code":404,"message":"gone"}}"#,
            r#"{"NeutronError":{"type":"X","message":"gone","detail":""}}"#,
            r#"{"message":"gone","code":"404 Not Found","title":"Not Found"}"#,
            r#"{"error":{"code":404,"title":"Not Found","message":"gone"}}"#,
        ] {
            assert_eq!(
                fault_message(body.as_bytes(), StatusCode::NOT_FOUND),
                "gone"
            );
        }
        assert_eq!(fault_message(b"<html>", StatusCode::NOT_FOUND), "Not Found");
    }
}
