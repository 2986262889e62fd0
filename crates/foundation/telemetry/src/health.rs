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
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Answers are remembered this long: whoever asks often, and need not say who they are, causes one round of checks.
const REMEMBERED: Duration = Duration::from_secs(1);

/// A check that takes longer has failed; below the patience of load balancers.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

type Answers = Vec<(&'static str, Result<(), String>)>;

/// Answers, and when they were given.
type Latest = (Instant, Arc<Answers>);

/// Whether who sends these headers may read why a check fails.
type Insider = Box<dyn Fn(HeaderMap) -> BoxFuture<'static, bool> + Send + Sync>;

/// What must work for the process to be of use. Clones share their answers.
#[derive(Clone, Default)]
pub struct Checks {
    checks: Arc<Vec<(&'static str, Check)>>,
    latest: Arc<Mutex<Option<Latest>>>,
}

impl Checks {
    /// Adds a check; its error is one sentence for the operator, without secrets.
    #[must_use]
    pub fn on<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let checks =
            Arc::get_mut(&mut self.checks).expect("checks are added before they are shared");
        checks.push((name, Box::new(move || Box::pin(check()))));
        self
    }

    /// The latest answers; asks anew when they are older than [`REMEMBERED`]. Who comes meanwhile waits for the same.
    async fn ask(&self) -> Arc<Answers> {
        let mut latest = self.latest.lock().await;
        if let Some((at, answers)) = &*latest
            && at.elapsed() < REMEMBERED
        {
            return answers.clone();
        }
        let asked = self.checks.iter().map(|(name, check)| async move {
            let answer = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
            (
                *name,
                answer.unwrap_or_else(|_| Err(format!("no answer within {CHECK_TIMEOUT:?}"))),
            )
        });
        let answers = Arc::new(join_all(asked).await);
        *latest = Some((Instant::now(), answers.clone()));
        answers
    }
}

/// The route `/healthcheck`: `OK`, or 503. Who is an insider reads a line per failing check, or JSON with every check
/// when the client accepts it; for everybody else the text is `OK` or `unhealthy`.
pub fn health_router<F, Fut>(checks: Checks, insider: F) -> Router
where
    F: Fn(HeaderMap) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    let insider: Insider = Box::new(move |headers| Box::pin(insider(headers)));
    Router::new()
        .route("/healthcheck", get(show))
        .with_state(Arc::new((checks, insider)))
}

async fn show(State(state): State<Arc<(Checks, Insider)>>, headers: HeaderMap) -> Response {
    let (checks, insider) = &*state;
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
    if !insider(headers.clone()).await {
        let word = if failing.is_empty() {
            "OK"
        } else {
            "unhealthy"
        };
        return (status, word).into_response();
    }
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    match (wants_json, failing.is_empty()) {
        (true, healthy) => (status, axum::Json(detail(healthy, &answers))).into_response(),
        (false, true) => (status, "OK").into_response(),
        (false, false) => (status, failing.join("\n")).into_response(),
    }
}

fn detail(healthy: bool, answers: &Answers) -> Value {
    let checks: Map<String, Value> = answers
        .iter()
        .map(|(name, answer)| {
            let word = answer.as_ref().map_or_else(String::as_str, |()| "OK");
            ((*name).to_owned(), word.into())
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
        let request = match accept {
            "anonymous" => request,
            _ => request.header("x-auth-token", "good"),
        };
        let request = request.body(Body::empty()).expect("request");
        let insider = |headers: HeaderMap| async move { headers.contains_key("x-auth-token") };
        let answer = health_router(checks, insider)
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

    #[tokio::test]
    async fn a_stranger_learns_that_it_is_unhealthy_and_not_why() {
        let (status, text) = ask(mixed(), "anonymous").await;
        assert_eq!((status.as_u16(), text.as_str()), (503, "unhealthy"));
    }

    #[tokio::test(start_paused = true)]
    async fn many_askers_cause_one_round_of_checks_a_second() {
        let rounds = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = rounds.clone();
        let checks = Checks::default().on("database", move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async { Ok(()) }
        });
        for _ in 0..50 {
            ask(checks.clone(), "*/*").await;
        }
        assert_eq!(rounds.load(std::sync::atomic::Ordering::Relaxed), 1);
        tokio::time::advance(REMEMBERED).await;
        ask(checks, "*/*").await;
        assert_eq!(rounds.load(std::sync::atomic::Ordering::Relaxed), 2);
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
