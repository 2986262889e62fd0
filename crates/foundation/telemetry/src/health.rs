//! Health: named checks, asked when somebody asks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

/// A check that takes longer has failed; below the patience of load balancers.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What must work for the process to be of use.
#[derive(Default)]
pub struct Checks(Vec<(&'static str, Check)>);

impl Checks {
    /// Adds a check; its error is one sentence for the operator, without secrets.
    #[must_use]
    pub fn on<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.0.push((name, Box::new(move || Box::pin(check()))));
        self
    }

    async fn ask(&self) -> Vec<(&'static str, Result<(), String>)> {
        let asked = self.0.iter().map(|(name, check)| async move {
            let answer = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
            (
                *name,
                answer.unwrap_or_else(|_| Err(format!("no answer within {CHECK_TIMEOUT:?}"))),
            )
        });
        join_all(asked).await
    }
}

/// The route `/healthcheck`: `OK`, or 503 with a line per failing check; JSON with every check when
/// the client accepts it.
pub fn health_router(checks: Checks) -> Router {
    Router::new()
        .route("/healthcheck", get(show))
        .with_state(Arc::new(checks))
}

async fn show(State(checks): State<Arc<Checks>>, headers: HeaderMap) -> Response {
    let answers = checks.ask().await;
    let failing: Vec<String> = answers
        .iter()
        .filter_map(|(name, answer)| answer.as_ref().err().map(|why| format!("{name}: {why}")))
        .collect();
    let status = if failing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if !failing.is_empty() {
        tracing::warn!(failing = failing.join("; "), "health check failed");
    }
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    match (wants_json, failing.is_empty()) {
        (true, healthy) => (status, axum::Json(detail(healthy, answers))).into_response(),
        (false, true) => (status, "OK").into_response(),
        (false, false) => (status, failing.join("\n")).into_response(),
    }
}

fn detail(healthy: bool, answers: Vec<(&'static str, Result<(), String>)>) -> Value {
    let checks: Map<String, Value> = answers
        .into_iter()
        .map(|(name, answer)| {
            (
                name.to_owned(),
                answer.map_or_else(Value::from, |()| "OK".into()),
            )
        })
        .collect();
    json!({ "healthy": healthy, "checks": checks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn ask(checks: Checks, accept: &str) -> (StatusCode, String) {
        let request = Request::get("/healthcheck").header(header::ACCEPT, accept);
        let request = request.body(Body::empty()).expect("request");
        let answer = health_router(checks)
            .oneshot(request)
            .await
            .expect("answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn mixed() -> Checks {
        Checks::default()
            .on("database", || async { Ok(()) })
            .on("broker", || async { Err("refused".to_owned()) })
    }

    #[tokio::test]
    async fn a_healthy_process_says_ok() {
        let checks = Checks::default().on("database", || async { Ok(()) });
        assert_eq!(ask(checks, "*/*").await, (StatusCode::OK, "OK".to_owned()));
    }

    #[tokio::test]
    async fn a_failing_check_is_named() {
        let (status, text) = ask(mixed(), "*/*").await;
        assert_eq!((status.as_u16(), text.as_str()), (503, "broker: refused"));
        let (status, text) = ask(mixed(), "application/json").await;
        assert_eq!(status.as_u16(), 503);
        let text: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            text,
            json!({ "healthy": false, "checks": { "database": "OK", "broker": "refused" } })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed() {
        let checks = Checks::default().on("disk", std::future::pending);
        assert_eq!(
            ask(checks, "").await,
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "disk: no answer within 2s".to_owned()
            )
        );
    }
}
