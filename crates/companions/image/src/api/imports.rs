//! `POST /v2/images/{id}/import`.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use web::RequestId;
use web::auth::Authenticated;

use super::{find, json_body};
use crate::fault::Fault;
use crate::import::{self, Asked};
use crate::service::Images;
use crate::upload;

/// Starts an import.
pub async fn import(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    Extension(request): Extension<RequestId>,
    body: Body,
) -> Result<Response, Fault> {
    let body = json_body(body).await?;
    let method = import::method(&images, &body)?;
    let seen = find(&images, &caller, &id, "modify_image").await?;
    let asked = Asked {
        owner: caller.project_id.clone(),
        user_id: caller.user_id.clone(),
        request_id: request.local,
        sender: upload::sender(&caller).to_owned(),
    };
    import::start(&images, &seen.image, method, asked, &body).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
