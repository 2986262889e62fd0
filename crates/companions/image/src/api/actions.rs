//! Actions: deactivate and reactivate.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use web::Caller;
use web::auth::Authenticated;

use super::find;
use crate::db;
use crate::fault::Fault;
use crate::service::Images;
use crate::tables::{Status, Word};

/// `POST /v2/images/{id}/actions/deactivate`.
pub async fn deactivate(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let step = (Status::Active, Status::Deactivated);
    switch(&images, &caller, &id, "deactivate", step).await
}

/// `POST /v2/images/{id}/actions/reactivate`.
pub async fn reactivate(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let step = (Status::Deactivated, Status::Active);
    switch(&images, &caller, &id, "reactivate", step).await
}

async fn switch(
    images: &Images,
    caller: &Caller,
    id: &str,
    action: &str,
    (from, to): (Status, Status),
) -> Result<Response, Fault> {
    let seen = find(images, caller, id, action).await?;
    let status = seen.image.row.status;
    let done = status == to
        || (status == from && db::images::switch(images.db().write(), id, (from, to)).await?);
    if done {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Fault::Forbidden(format!(
        "Not allowed to {action} image in status '{}'",
        status.word()
    )))
}
