//! `POST /v2/images/{id}/import`.

use rest::Answer;

use super::{Call, document, find};
use crate::fault::Fault;
use crate::import::{self, Asked};
use crate::service::Images;
use crate::upload;

/// Starts an import.
pub async fn import(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let body = document(&call)?;
    let method = import::method(&images, body)?;
    let seen = find(&images, cx, id).await?;
    let asked = Asked {
        owner: cx.caller.project_id.clone(),
        user_id: cx.caller.user_id.clone(),
        request_id: cx.request_id.local.clone(),
        sender: upload::sender(&cx.caller).to_owned(),
    };
    import::start(&images, &seen.image, method, asked, body).await?;
    Ok(Answer::empty())
}
