//! Members: sharing an image with a project, which accepts or rejects.

use chrono::Utc;
use rest::Answer;
use serde_json::{Value, json};

use super::{Call, Cx, Seen, document, find_visible};
use crate::db;
use crate::fault::Fault;
use crate::policy;
use crate::service::Images;
use crate::tables::{MemberStatus, Visibility, Word, member};
use crate::view;

/// A shared image that the caller sees, and that the rule of the call is about.
async fn shared(images: &Images, cx: &Cx, id: &str) -> Result<Seen, Fault> {
    let seen = find_visible(images, &cx.caller, id).await?;
    if seen.image.row.visibility != Visibility::Shared {
        return Err(Fault::Forbidden(
            "Only shared images have members.".to_owned(),
        ));
    }
    cx.guard.note();
    policy::enforce(
        images,
        cx.guard.rule(),
        &cx.caller,
        &seen.image.row,
        seen.member,
    )?;
    Ok(seen)
}

fn nobody(id: &str, project: &str) -> Fault {
    Fault::NotFound(format!(
        "{project} not found in the member list of the image {id}."
    ))
}

/// `GET /v2/images/{id}/members`. A member sees itself only, as in Glance.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let seen = shared(&images, cx, id).await?;
    let all = db::members::list(images.db().read(), id).await?;
    let owner = images.policy().is_admin(cx.caller.as_ref())
        || seen.image.row.owner == cx.caller.project_id;
    let members: Vec<Value> = all
        .iter()
        .filter(|row| owner || Some(&row.member) == cx.caller.project_id.as_ref())
        .map(view::member)
        .collect();
    let body = json!({"members": members, "schema": "/v2/schemas/members"});
    Ok(Answer::of(&body))
}

/// `GET /v2/images/{id}/members/{member}`. Whatever is not allowed is not found.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let project = call.path("member");
    let seen = shared(&images, cx, id).await.map_err(|fault| match fault {
        Fault::Forbidden(why) => Fault::NotFound(why),
        other => other,
    })?;
    let own = images.policy().is_admin(cx.caller.as_ref())
        || seen.image.row.owner == cx.caller.project_id
        || cx.caller.project_id.as_deref() == Some(project);
    let found = db::members::find(images.db().read(), id, project).await?;
    let row = found.filter(|_| own).ok_or_else(|| nobody(id, project))?;
    Ok(Answer::of(&view::member(&row)))
}

/// `POST /v2/images/{id}/members`.
pub async fn add(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let body = document(&call)?;
    let project = match body.get("member") {
        None => Err("Member to be added not specified"),
        Some(Value::String(project)) if project.is_empty() => Err("Member can't be empty"),
        Some(Value::String(project)) if project.chars().count() <= 255 => Ok(project.clone()),
        Some(_) => Err("Expected a member in the form: {\"member\": \"image_id\"}"),
    };
    let project = project.map_err(|text| Fault::BadRequest(text.to_owned()))?;
    shared(&images, cx, id).await?;
    let now = sql::micros(Utc::now());
    let row = member::Model {
        image_id: id.to_owned(),
        member: project.clone(),
        status: MemberStatus::Pending,
        created_at: now,
        updated_at: now,
    };
    match sql::retry(|| insert(&images, &row)).await {
        Err(Fault::Database(error)) if error.is_duplicate() => Err(Fault::Conflict(format!(
            "Member {project} is duplicated for image {id}"
        ))),
        Err(fault) => Err(fault),
        Ok(()) => Ok(Answer::of(&view::member(&row))),
    }
}

/// Adds a member while the image is locked: members are counted one after the other.
async fn insert(images: &Images, row: &member::Model) -> Result<(), Fault> {
    let id = &row.image_id;
    let tx = images.db().begin().await?;
    if db::images::locked(&tx, id).await?.is_none() {
        return Err(Fault::no_image(id));
    }
    let most = images.settings().member_limit;
    let count = db::members::count(&tx, id).await?;
    if most >= 0 && i64::try_from(count).unwrap_or(i64::MAX) >= most {
        return Err(Fault::TooLarge(format!(
            "Image member limit exceeded for image {id}: The limit has been exceeded on the number \
             of allowed image members for this image. Attempted: {}, Maximum: {most}",
            count + 1
        )));
    }
    db::members::add(&tx, row).await?;
    tx.commit().await?;
    Ok(())
}

/// `PUT /v2/images/{id}/members/{member}`: the member's answer. The owner cannot give it.
pub async fn answer(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let project = call.path("member");
    let body = document(&call)?;
    let status = match body.get("status") {
        None => return Err(Fault::BadRequest("Status not specified".to_owned())),
        Some(status) => status.as_str().and_then(MemberStatus::from_word),
    };
    let status = status.ok_or_else(|| {
        Fault::BadRequest(
            "Incorrect request: Status must be \"pending\", \"accepted\" or \"rejected\"."
                .to_owned(),
        )
    })?;
    shared(&images, cx, id).await?;
    let own = images.policy().is_admin(cx.caller.as_ref())
        || cx.caller.project_id.as_deref() == Some(project);
    let found = db::members::find(images.db().read(), id, project).await?;
    let row = found.filter(|_| own).ok_or_else(|| nobody(id, project))?;
    let row = db::members::answer(images.db().write(), row, status).await?;
    Ok(Answer::of(&view::member(&row)))
}

/// `DELETE /v2/images/{id}/members/{member}`.
pub async fn remove(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    let project = call.path("member");
    shared(&images, cx, id).await?;
    if db::members::remove(images.db().write(), id, project).await? {
        return Ok(Answer::empty());
    }
    Err(nobody(id, project))
}
