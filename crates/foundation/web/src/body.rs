//! Bodies: how much of one is read, and JSON answers.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;

/// Largest request body that an API reads, in bytes; uploads stream and are not bound by it.
/// oslo.middleware's default (`max_request_body_size`).
pub const MAX_REQUEST_BODY: usize = 114_688;

/// How long a client may take to send a body that is read whole; uploads stream and are not bound by
/// it. As long as nginx's `client_body_timeout`, but for all of the body, which is small.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(60);

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

async fn read_within(body: Body, limit: usize, time: Duration) -> Result<Bytes, BodyError> {
    match tokio::time::timeout(time, Limited::new(body, limit).collect()).await {
        Err(_) => Err(BodyError::Broken(format!(
            "the body was not complete after {} seconds",
            time.as_secs()
        ))),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(BodyError::TooLarge)
        }
        Ok(Err(error)) => Err(BodyError::Broken(error.to_string())),
    }
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
}
