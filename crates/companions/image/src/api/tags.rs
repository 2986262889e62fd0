//! Tags of images.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use web::auth::Authenticated;

use super::find;
use crate::attributes;
use crate::db;
use crate::fault::Fault;
use crate::service::Images;

/// `PUT /v2/images/{id}/tags/{tag}`.
pub async fn add(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let mut seen = find(&images, &caller, &id, "modify_image").await?;
    if tag.chars().count() > 255 {
        return Err(Fault::BadRequest(
            "A tag has at most 255 characters.".to_owned(),
        ));
    }
    seen.image.tags.insert(tag.clone());
    attributes::limits(&seen.image, images.settings())?;
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        db::images::add_tag(&tx, &id, &tag).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /v2/images/{id}/tags/{tag}`.
pub async fn remove(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    find(&images, &caller, &id, "modify_image").await?;
    if db::images::drop_tag(images.db().write(), &id, &tag).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Fault::NotFound(format!(
        "Tag {tag} not found on image {id}"
    )))
}
