//! A companion as something that requests are sent to, wherever it runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::{ClientError, Result};

/// How long a service may take to begin its answer, and then for all of a body that is read whole,
/// before it counts as unreachable. A stream may take as long between two of its pieces.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The largest body that is read whole, in bytes: far more than any list that compute asks for.
const LARGEST: usize = 64 * 1024 * 1024;

/// How long and how much a service may answer.
#[derive(Debug, Clone, Copy)]
struct Limits {
    time: Duration,
    size: usize,
}

const LIMITS: Limits = Limits {
    time: TIMEOUT,
    size: LARGEST,
};

/// A companion: its own router in this process, or its address.
#[derive(Clone)]
pub struct Service {
    name: &'static str,
    way: Way,
    limits: Limits,
    /// A service's own token, sent beside that of the user in whose name it asks.
    vouched: Option<Arc<str>>,
    /// Aliases of the extensions that the service announces, once somebody asked: these do not
    /// change while it runs.
    pub(crate) extensions: Arc<OnceCell<BTreeSet<String>>>,
}

#[derive(Clone)]
enum Way {
    InProcess(Router),
    /// As `InProcess`, while somebody else keeps the router.
    Kept(Weak<Router>),
    Http {
        base: String,
        client: reqwest::Client,
    },
}

/// An answer whose body has not been read yet.
pub struct Reply {
    service: &'static str,
    limits: Limits,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

impl Service {
    /// A companion embedded in this process; `name` is for messages (`image`, `network`, …).
    pub fn in_process(name: &'static str, router: Router) -> Self {
        Self::by(name, Way::InProcess(router))
    }

    /// The same, reachable as long as the caller keeps the router: for services that answer each other's requests, of
    /// which none would ever be dropped otherwise.
    pub fn kept(name: &'static str, router: &Arc<Router>) -> Self {
        Self::by(name, Way::Kept(Arc::downgrade(router)))
    }

    /// A companion at `base`, the address its catalog entry has, without a slash at the end.
    pub fn http(name: &'static str, base: &str) -> Self {
        let way = Way::Http {
            base: base.trim_end_matches('/').to_owned(),
            client: http_client(),
        };
        Self::by(name, way)
    }

    fn by(name: &'static str, way: Way) -> Self {
        Service {
            name,
            way,
            limits: LIMITS,
            vouched: None,
            extensions: Arc::default(),
        }
    }

    /// The same, asked in the name of users by a service that shows `service_token` of its own beside theirs: a user's
    /// token is then taken for a while after it ended (Keystone's `allow_expired_window`), as long work needs.
    #[must_use]
    pub fn vouched(&self, service_token: &str) -> Self {
        Service {
            vouched: Some(service_token.into()),
            ..self.clone()
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
        self.dispatch(method, path, headers, Body::from(body)).await
    }

    /// Boxed, as what else is long here: every client of a service goes through it, and what waits for them is compiled
    /// without what is inside.
    fn dispatch<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        headers: &'a [(&'static str, &'a str)],
        body: Body,
    ) -> BoxFuture<'a, Result<Reply>> {
        self.dispatched(method, path, headers, body).boxed()
    }

    async fn dispatched(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Body,
    ) -> Result<Reply> {
        // Its log shows whose work it is.
        let asked = telemetry::request::current();
        let id = asked
            .iter()
            .map(|id| (web::request_id::HEADER, id.passed_on()));
        let vouched = self
            .vouched
            .iter()
            .map(|token| ("x-service-token", &**token));
        let headers: Vec<_> = headers.iter().copied().chain(id).chain(vouched).collect();
        let headers = headers.as_slice();
        match &self.way {
            Way::InProcess(router) => self.call(router, method, path, headers, body).await,
            Way::Kept(router) => {
                let router = router.upgrade();
                let router = router.ok_or_else(|| self.unreachable("it has ended"))?;
                self.call(&router, method, path, headers, body).await
            }
            Way::Http { base, client } => {
                let url = format!("{base}{path}");
                let mut request = client.request(method, url).body(outgoing(body).await);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let answered = tokio::time::timeout(self.limits.time, request.send()).await;
                let response = answered
                    .map_err(|_| self.unreachable("no answer in time"))?
                    .map_err(|error| self.unreachable(&error.to_string()))?;
                Ok(Reply {
                    service: self.name,
                    limits: self.limits,
                    status: response.status(),
                    headers: response.headers().clone(),
                    body: Body::from_stream(response.bytes_stream()),
                })
            }
        }
    }

    /// Sends a body that is made while it is sent; all of it and the beginning of the answer may take as long as `time`
    /// says.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`]; an error status is no error here.
    pub async fn stream(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Body,
        time: Duration,
    ) -> Result<Reply> {
        let patient = Service {
            limits: Limits {
                time,
                ..self.limits
            },
            ..self.clone()
        };
        patient.dispatch(method, path, headers, body).await
    }

    async fn call(
        &self,
        router: &Router,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Body,
    ) -> Result<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(body)
            .map_err(|error| self.unreadable(&error.to_string()))?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|error| self.unreadable(&error.to_string()))?;
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        // Whoever calls from within this process sees to it, with its own answer, that this is safe.
        request.extensions_mut().insert(web::durable::Later);
        let answered = tokio::time::timeout(self.limits.time, router.clone().oneshot(request));
        let Ok(response) = answered
            .await
            .map_err(|_| self.unreachable("no answer in time"))?;
        let (parts, body) = response.into_parts();
        Ok(Reply {
            service: self.name,
            limits: self.limits,
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
        self.json_at("", method, path, token, body).await
    }

    /// The same of a service with microversions, at one of them (`volume 3.67`).
    ///
    /// # Errors
    /// As of [`Service::json`].
    pub async fn json_at<T: DeserializeOwned>(
        &self,
        version: &str,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<T> {
        let asked = self.document(version, method, path, token, body);
        let bytes = asked.boxed().await?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(text).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// The same as it came.
    async fn document(
        &self,
        version: &str,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Bytes> {
        let mut headers = vec![
            ("x-auth-token", token),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        if !version.is_empty() {
            headers.push(("openstack-api-version", version));
        }
        let bytes = body
            .map(|body| Bytes::from(body.to_string()))
            .unwrap_or_default();
        let reply = self
            .send(method, path, &headers, bytes)
            .await?
            .accepted()
            .await?;
        reply.bytes().await
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

/// A body for the network. One that is there already is sent with its length.
async fn outgoing(body: Body) -> reqwest::Body {
    match axum::body::HttpBody::size_hint(&body).exact() {
        Some(0) => reqwest::Body::from(Bytes::new()),
        Some(_) => match body.collect().await {
            Ok(whole) => reqwest::Body::from(whole.to_bytes()),
            Err(error) => {
                reqwest::Body::wrap_stream(futures::stream::once(async { Err::<Bytes, _>(error) }))
            }
        },
        None => reqwest::Body::wrap_stream(body.into_data_stream()),
    }
}

impl Reply {
    /// The reply, if its status is a success.
    pub fn accepted(self) -> BoxFuture<'static, Result<Self>> {
        self.or_refused().boxed()
    }

    async fn or_refused(self) -> Result<Self> {
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
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] also when it takes too long, [`ClientError::Unreadable`] when it
    /// is too large.
    pub fn bytes(self) -> BoxFuture<'static, Result<Bytes>> {
        self.collected().boxed()
    }

    async fn collected(self) -> Result<Bytes> {
        let (service, Limits { time, size }) = (self.service, self.limits);
        let unreachable = |why: String| ClientError::Unreachable { service, why };
        let collected = tokio::time::timeout(time, Limited::new(self.body, size).collect()).await;
        match collected {
            Err(_) => Err(unreachable("its answer does not end".to_owned())),
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
                Err(ClientError::Unreadable {
                    service,
                    why: format!("the answer has more than {size} bytes"),
                })
            }
            Ok(Err(error)) => Err(unreachable(error.to_string())),
        }
    }

    /// The body as it comes. A service that says nothing for too long breaks it off.
    pub fn stream(self) -> impl futures::Stream<Item = Result<Bytes>> + Send {
        let (service, time) = (self.service, self.limits.time);
        let unreachable = move |why: String| ClientError::Unreachable { service, why };
        futures::stream::unfold(Some(self.body.into_data_stream()), move |body| async move {
            let mut body = body?;
            match tokio::time::timeout(time, body.next()).await {
                Err(_) => Some((Err(unreachable("nothing more comes".to_owned())), None)),
                Ok(None) => None,
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
                Ok(Some(Err(error))) => Some((Err(unreachable(error.to_string())), None)),
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

fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .tcp_keepalive(TIMEOUT)
        .build()
        // As `Client::new` does; only a broken TLS backend fails here.
        .expect("a client without special wishes is built")
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
    use std::convert::Infallible;

    use axum::routing::get;
    use futures::stream;

    use super::*;

    /// A service whose answers end in no good time, by both ways.
    async fn bad_services() -> [Service; 2] {
        let endless = || async {
            let piece = Ok::<_, Infallible>(Bytes::from_static(b"{"));
            Body::from_stream(stream::iter([piece]).chain(stream::pending()))
        };
        let huge = || async {
            let piece = || Ok::<_, Infallible>(Bytes::from_static(&[b' '; 1024]));
            Body::from_stream(stream::repeat_with(piece))
        };
        let router = Router::new()
            .route("/endless", get(endless))
            .route("/huge", get(huge))
            .route("/silent", get(std::future::pending::<&'static str>));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("its address");
        let served = router.clone();
        tokio::spawn(async move { axum::serve(listener, served).await });
        let limits = Limits {
            time: Duration::from_millis(200),
            size: 10_000,
        };
        [
            Service::in_process("image", router),
            Service::http("image", &format!("http://{address}")),
        ]
        .map(|service| Service { limits, ..service })
    }

    #[tokio::test]
    async fn no_service_keeps_anybody_for_ever() {
        for service in bad_services().await {
            let ask = |path: &'static str| service.json::<Value>(Method::GET, path, "t", None);
            for path in ["/silent", "/endless"] {
                let ended = ask(path).await;
                let given_up = matches!(ended, Err(ClientError::Unreachable { .. }));
                assert!(given_up, "{path}: {ended:?}");
            }
            let ended = ask("/huge").await;
            assert!(
                matches!(ended, Err(ClientError::Unreadable { .. })),
                "{ended:?}"
            );
            let reply = service
                .send(Method::GET, "/endless", &[], Bytes::new())
                .await;
            let pieces: Vec<_> = reply.expect("a head").stream().collect().await;
            assert_eq!(pieces.len(), 2, "{pieces:?}");
            assert!(matches!(pieces[1], Err(ClientError::Unreachable { .. })));
        }
    }

    #[tokio::test]
    async fn a_service_that_ended_is_unreachable_for_those_it_called() {
        let router = Arc::new(Router::new().route("/", axum::routing::get(async || "{}")));
        let service = Service::kept("compute", &router);
        let ask = || service.json::<Value>(Method::GET, "/", "t", None);
        assert_eq!(ask().await.expect("an answer"), serde_json::json!({}));
        drop(router);
        let ended = ask().await;
        assert!(
            matches!(ended, Err(ClientError::Unreachable { .. })),
            "{ended:?}"
        );
    }

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
