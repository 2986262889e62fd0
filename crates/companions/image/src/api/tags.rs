//! Tags of images.

use rest::Answer;

use super::{Call, find};
use crate::attributes;
use crate::db;
use crate::fault::Fault;
use crate::service::Images;

/// `PUT /v2/images/{id}/tags/{tag}`.
pub async fn add(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let tag = call.path("tag");
    let mut seen = find(&images, cx, id).await?;
    if tag.chars().count() > 255 {
        return Err(Fault::BadRequest(
            "A tag has at most 255 characters.".to_owned(),
        ));
    }
    seen.image.tags.insert(tag.to_owned());
    attributes::limits(&seen.image, images.settings())?;
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        db::images::add_tag(&tx, id, tag).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}

/// `DELETE /v2/images/{id}/tags/{tag}`.
pub async fn remove(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let tag = call.path("tag");
    find(&images, cx, id).await?;
    if db::images::drop_tag(images.db().write(), id, tag).await? {
        return Ok(Answer::empty());
    }
    Err(Fault::NotFound(format!(
        "Tag {tag} not found on image {id}"
    )))
}
