//! Actions: deactivate and reactivate.

use rest::Answer;

use super::{Call, Cx, find};
use crate::db;
use crate::fault::Fault;
use crate::service::Images;
use crate::tables::{Status, Word};

/// `POST /v2/images/{id}/actions/deactivate`.
pub async fn deactivate(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let step = (Status::Active, Status::Deactivated);
    switch(&images, cx, id, "deactivate", step).await
}

/// `POST /v2/images/{id}/actions/reactivate`.
pub async fn reactivate(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let step = (Status::Deactivated, Status::Active);
    switch(&images, cx, id, "reactivate", step).await
}

async fn switch(
    images: &Images,
    cx: &Cx,
    id: &str,
    action: &str,
    (from, to): (Status, Status),
) -> Result<Answer, Fault> {
    let seen = find(images, cx, id).await?;
    let status = seen.image.row.status;
    let done = status == to
        || (status == from && db::images::switch(images.db().write(), id, (from, to)).await?);
    if done {
        return Ok(Answer::empty());
    }
    Err(Fault::Forbidden(format!(
        "Not allowed to {action} image in status '{}'",
        status.word()
    )))
}
