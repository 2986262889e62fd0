//! The password that a guest posts for its owner, encrypted with the owner's public key. It posts once.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use compute_db::{Database, DbError, passwords, servers};
use compute_model::Server;
use http::{Method, StatusCode};

/// The longest password in bytes; Nova keeps it in four pieces of 255.
const LONGEST: usize = 4 * 255;

/// How long a guest may take to send its password: a kilobyte over a network of this host.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps what the guest posted: 200, 409 for a second one, 400 for what is none.
pub async fn keep(db: &Database, server: &Server, request: Request) -> Response {
    if request.method() != Method::POST {
        return refuse("GET and POST only are supported.");
    }
    // Nova's words for an empty body too.
    let body = match read(request.into_body(), BODY_TIMEOUT).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if body.is_empty() {
        return refuse("Request is too large.");
    }
    let text = std::str::from_utf8(&body).ok();
    // No database keeps a NUL.
    let Some(password) = text.filter(|text| !text.contains('\0')) else {
        return refuse("The password is not text.");
    };
    // Locked, so that nothing is kept for a server that is deleted meanwhile.
    let kept = sql::retry(|| async {
        let tx = db.begin().await?;
        servers::lock(&tx, &server.id).await?;
        passwords::insert(&tx, &server.id, password, sql::micros(Utc::now())).await?;
        Ok::<(), DbError>(tx.commit().await?)
    })
    .await;
    match kept {
        Ok(()) => StatusCode::OK.into_response(),
        Err(DbError::Duplicate(_)) => StatusCode::CONFLICT.into_response(),
        Err(DbError::NotFound(_)) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot keep a guest's password");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The body; 408 when it does not come in time: a guest keeps one of its few places for so long.
async fn read(body: Body, time: Duration) -> Result<Bytes, Response> {
    match tokio::time::timeout(time, axum::body::to_bytes(body, LONGEST)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(refuse("Request is too large.")),
        Err(_) => {
            let answer = (StatusCode::REQUEST_TIMEOUT, "The body did not come.");
            Err(answer.into_response())
        }
    }
}

fn refuse(why: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_ends_with_408() {
        let (sender, receiver) = tokio::sync::oneshot::channel::<Bytes>();
        let body = Body::from_stream(futures::stream::once(receiver));
        let read = read(body, Duration::from_millis(50)).await;
        let refusal = read.expect_err("nothing came");
        assert_eq!(refusal.status(), StatusCode::REQUEST_TIMEOUT);
        drop(sender);
    }
}
