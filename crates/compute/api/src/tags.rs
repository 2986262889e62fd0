//! Tags of servers.

use std::sync::Arc;

use compute_control::servers::tags;
use http::StatusCode;
use microversion::{Rules, Versioned, check_text};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Tag;

/// `GET …/tags`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let id = call.path("server_id");
    let tags = tags::list(&api.control, &call.cx, id).await?;
    call.render(&TagsView { tags })
}

/// `GET …/tags/{tag}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, tag) = (call.path("server_id"), call.path("id"));
    tags::show(&api.control, &call.cx, id, tag).await?;
    Ok(Answer::empty())
}

/// `PUT …/tags`.
pub async fn update_all(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let ReplaceTags { tags } = call.admit()?;
    let tags: Vec<String> = tags.into_iter().map(|Tag(tag)| tag).collect();
    let id = call.path("server_id");
    let tags = tags::replace(&api.control, &call.cx, id, &tags).await?;
    call.render(&TagsView { tags })
}

/// `PUT …/tags/{tag}`: 201 for a new one.
pub async fn update(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, tag) = (call.path("server_id"), call.path("id"));
    check_text("tag", tag, &TAG, call.mode).map_err(|refusal| {
        Fault::bad_request(format!(
            "Tag '{tag}' is invalid. It must be a non empty string without characters '/' and ','. Validation error \
             message: {refusal}"
        ))
    })?;
    let new = tags::add(&api.control, &call.cx, id, tag).await?;
    Ok(match new {
        true => Answer::empty().with_location(&call.link(&format!("servers/{id}/tags/{tag}"))),
        false => Answer::empty().with_code(StatusCode::NO_CONTENT),
    })
}

/// `DELETE …/tags/{tag}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, tag) = (call.path("server_id"), call.path("id"));
    tags::delete(&api.control, &call.cx, id, tag).await?;
    Ok(Answer::empty())
}

/// `DELETE …/tags`.
pub async fn delete_all(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    tags::clear(&api.control, &call.cx, call.path("server_id")).await?;
    Ok(Answer::empty())
}

#[derive(Serialize, Versioned)]
pub struct TagsView {
    pub tags: Vec<String>,
}

/// The body of `PUT …/tags`: replaces all.
#[derive(Debug, Deserialize, Versioned)]
pub struct ReplaceTags {
    #[mv(max_items = 50)]
    pub tags: Vec<Tag>,
}

/// What a tag in a path must be; the same as [`Tag`].
pub const TAG: Rules = Rules {
    pattern: Some("^[^,/]*$"),
    min_length: Some(1),
    max_length: Some(60),
    ..Rules::NONE
};
