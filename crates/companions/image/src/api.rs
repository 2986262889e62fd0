//! The handlers, a file per resource, and what they share.

pub mod actions;
pub mod data;
pub mod images;
pub mod imports;
pub mod info;
pub mod members;
pub mod metadefs;
pub mod schemas;
pub mod tags;
pub mod tasks;
pub mod versions;

use serde_json::Value;
use web::{Caller, Query};

use crate::call::{Call, Cx};
use crate::db;
use crate::fault::Fault;
use crate::model::Image;
use crate::policy;
use crate::service::Images;

/// Links the first page of a list, and the one behind `last` if there are more.
fn link_pages(body: &mut Value, path: &str, query: &Query, last: Option<&str>) {
    let link = |query: &Query| match query.encode() {
        text if text.is_empty() => path.to_owned(),
        text => format!("{path}?{text}"),
    };
    let first = query.without("marker");
    body["first"] = link(&first).into();
    if let Some(last) = last {
        body["next"] = link(&first.with("marker", last)).into();
    }
}

/// An image that the caller sees, and whether the caller's project is its member.
struct Seen {
    image: Image,
    member: bool,
}

/// Finds an image and asks whether the rule of the call lets the caller do it; one that the caller may not see
/// is not found.
async fn find(images: &Images, cx: &Cx, id: &str) -> Result<Seen, Fault> {
    cx.guard.note();
    find_by(images, &cx.caller, id, cx.guard.rule()).await
}

/// The same by another rule.
async fn find_by(images: &Images, caller: &Caller, id: &str, rule: &str) -> Result<Seen, Fault> {
    let seen = find_visible(images, caller, id).await?;
    policy::enforce(images, rule, caller, &seen.image.row, seen.member)?;
    Ok(seen)
}

/// Finds an image that the caller may know of, before any policy.
async fn find_visible(images: &Images, caller: &Caller, id: &str) -> Result<Seen, Fault> {
    let found = db::images::find(images.db().read(), id).await?;
    let image = found.ok_or_else(|| Fault::no_image(id))?;
    let member = match &caller.project_id {
        Some(project) => db::members::find(images.db().read(), id, project)
            .await?
            .is_some(),
        None => false,
    };
    if !policy::viewer(images, caller).sees(&image.row, member) {
        return Err(Fault::no_image(id));
    }
    Ok(Seen { image, member })
}

/// The JSON body of a call.
fn document(call: &Call) -> Result<&Value, Fault> {
    match &call.body {
        Value::Null => Err(Fault::BadRequest("Body expected in request.".to_owned())),
        document => Ok(document),
    }
}
