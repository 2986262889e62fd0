//! Bodies: how much of one is read, and JSON answers.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde_json::Value;

/// Largest request body that an API reads, in bytes; uploads stream and are not bound by it.
/// oslo.middleware's default (`max_request_body_size`).
pub const MAX_REQUEST_BODY: usize = 114_688;

/// How long a client may take to send a body that is read whole; uploads stream and are not bound by
/// it. As long as nginx's `client_body_timeout`, but for all of the body, which is small.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// How much of a body that is too large is read and thrown away, in bytes, and for how long, before it is refused. A
/// connection that is closed on unread bytes is reset, and a client that still sends then never sees the answer. As
/// nginx's `lingering_time`, which is longer.
const DISCARDED: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("Request is too large.")]
    TooLarge,
    #[error("the client went away while sending: {0}")]
    Broken(String),
}

/// Reads a whole body of at most `limit` bytes, sent within [`BODY_TIMEOUT`].
pub async fn read(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    read_within(body, limit, BODY_TIMEOUT).await
}

async fn read_within(mut body: Body, limit: usize, time: Duration) -> Result<Bytes, BodyError> {
    let read = tokio::time::timeout(time, Limited::new(&mut body, limit).collect()).await;
    match read {
        Err(_) => Err(BodyError::Broken(format!(
            "the body was not complete after {} seconds",
            time.as_secs()
        ))),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            discard(body).await;
            Err(BodyError::TooLarge)
        }
        Ok(Err(error)) => Err(BodyError::Broken(error.to_string())),
    }
}

async fn discard(mut body: Body) {
    let all = async {
        let mut left = DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // What is still sent after that time meets a closed connection.
    let _ = tokio::time::timeout(DISCARD_TIME, all).await;
}

/// The body of a refusal in the form of the identity service, which every client reads first: that of the service
/// itself, and of what answers where it is not known which service a request was meant for.
#[must_use]
pub fn fault(status: StatusCode, message: &str) -> Value {
    serde_json::json!({"error": {"code": status.as_u16(), "title": title(status), "message": message}})
}

/// What a status is called.
pub(crate) fn title(status: StatusCode) -> &'static str {
    // Those that HTTP does not name.
    status.canonical_reason().unwrap_or("Error")
}

/// A JSON answer.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (
            status,
            [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )],
            bytes,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_its_status_in_numbers_and_words() {
        for (code, title) in [(404, "Not Found"), (599, "Error")] {
            let status = StatusCode::from_u16(code).expect("a status");
            assert_eq!(
                fault(status, "why"),
                serde_json::json!({"error": {"code": code, "title": title, "message": "why"}})
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let piece = Ok::<_, std::io::Error>(Bytes::from_static(b"{"));
        let pieces = futures::stream::iter([piece]);
        let body = Body::from_stream(futures::StreamExt::chain(
            pieces,
            futures::stream::pending(),
        ));
        let ended = read_within(body, 10, Duration::from_millis(50)).await;
        assert!(matches!(ended, Err(BodyError::Broken(_))), "{ended:?}");
    }

    #[tokio::test]
    async fn what_is_sent_beyond_the_limit_is_taken_in_before_the_refusal() {
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = sent.clone();
        let pieces = futures::StreamExt::inspect(
            futures::stream::iter(
                (0..100).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"12345678"))),
            ),
            move |_| {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            },
        );
        let ended = read_within(Body::from_stream(pieces), 10, Duration::from_secs(9)).await;
        assert!(matches!(ended, Err(BodyError::TooLarge)), "{ended:?}");
        assert_eq!(sent.load(std::sync::atomic::Ordering::SeqCst), 100);
    }
}
