//! The password that a guest posts for its owner, encrypted with the owner's public key. It posts once.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use compute_db::{Database, DbError, passwords, servers};
use compute_model::Server;
use http::{Method, StatusCode};

/// The longest password in bytes; Nova keeps it in four pieces of 255.
const LONGEST: usize = 4 * 255;

/// Keeps what the guest posted: 200, 409 for a second one, 400 for what is none.
pub async fn keep(db: &Database, server: &Server, request: Request) -> Response {
    if request.method() != Method::POST {
        return refuse("GET and POST only are supported.");
    }
    // Nova's words for an empty body too.
    let Ok(body) = axum::body::to_bytes(request.into_body(), LONGEST).await else {
        return refuse("Request is too large.");
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

fn refuse(why: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, why).into_response()
}
