//! Done means durable: an answer that says that something was done or accepted leaves when that
//! outlives a power cut.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::{Method, StatusCode};

/// Waits until what was written is safe, or says why it is not.
#[derive(Clone)]
pub struct Durable(Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>);

impl Durable {
    /// For a service that keeps nothing that an answer could promise.
    pub fn nothing() -> Self {
        Self::by(|| std::future::ready(Ok::<_, std::convert::Infallible>(())))
    }

    /// By a service's own database, asked after each request that may have written.
    pub fn by<F, Fut, E>(settle: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        Durable(Arc::new(move || {
            let settled = settle();
            Box::pin(async move { settled.await.map_err(|error| error.to_string()) })
        }))
    }
}

/// Marks a request, in its extensions, whose sender makes sure by itself, later, that what it had
/// done is safe: a service in the same process, whose own answer waits. It cannot come from outside.
#[derive(Debug, Clone, Copy)]
pub struct Later;

/// Middleware: holds answers that promise something until it is safe. Reading promises nothing, nor
/// does a refusal.
pub async fn layer(State(durable): State<Durable>, request: Request, next: Next) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let later = request.extensions().get::<Later>().is_some();
    let response = next.run(request).await;
    let status = response.status();
    if reads || later || status.is_client_error() || status.is_server_error() {
        return response;
    }
    match (durable.0)().await {
        Ok(()) => response,
        Err(error) => {
            tracing::error!(%error, "what was done may not outlive a power cut");
            let body = serde_json::json!({
                "error": {"code": 500, "message": "The request may not have been stored."}
            });
            (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(body)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_promises_waits_and_fails_with_the_disk() {
        let (asked, broken) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, fails) = (asked.clone(), broken.clone());
        let durable = Durable::by(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let failed = fails.load(Ordering::SeqCst);
            async move {
                match failed {
                    true => Err("no room"),
                    false => Ok(()),
                }
            }
        });
        let router = Router::new()
            .route(
                "/",
                get(|| async { "seen" }).post(|| async { StatusCode::ACCEPTED }),
            )
            .route(
                "/no",
                get(|| async {}).post(|| async { StatusCode::CONFLICT }),
            )
            .layer(axum::middleware::from_fn_with_state(durable, layer));
        let send = async |method: &str, path: &str, later: bool| {
            let request = Request::builder().method(method).uri(path);
            let mut request = request.body(Body::empty()).expect("a request");
            if later {
                request.extensions_mut().insert(Later);
            }
            let answer = router.clone().oneshot(request).await.expect("an answer");
            answer.status().as_u16()
        };
        let status = async |method: &str, path: &str| send(method, path, false).await;
        assert_eq!(status("GET", "/").await, 200);
        assert_eq!(status("POST", "/no").await, 409);
        assert_eq!(send("POST", "/", true).await, 202);
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        assert_eq!(status("POST", "/").await, 202);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        broken.store(true, Ordering::SeqCst);
        assert_eq!(status("POST", "/").await, 500);
    }
}
