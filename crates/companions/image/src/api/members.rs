//! Members: sharing an image with a project, which accepts or rejects.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::StatusCode;
use serde_json::{Value, json};
use web::Caller;
use web::auth::Authenticated;

use super::{Seen, find_visible, json_body};
use crate::db;
use crate::fault::Fault;
use crate::policy;
use crate::service::Images;
use crate::tables::{MemberStatus, Visibility, Word, member};
use crate::view;

/// A shared image that the caller sees, and may do `rule` to.
async fn shared(images: &Images, caller: &Caller, id: &str, rule: &str) -> Result<Seen, Fault> {
    let seen = find_visible(images, caller, id).await?;
    if seen.image.row.visibility != Visibility::Shared {
        return Err(Fault::Forbidden(
            "Only shared images have members.".to_owned(),
        ));
    }
    policy::enforce(images, rule, caller, &seen.image.row, seen.member)?;
    Ok(seen)
}

fn nobody(id: &str, project: &str) -> Fault {
    Fault::NotFound(format!(
        "{project} not found in the member list of the image {id}."
    ))
}

/// `GET /v2/images/{id}/members`. A member sees itself only, as in Glance.
pub async fn list(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let seen = shared(&images, &caller, &id, "get_members").await?;
    let all = db::members::list(images.db().read(), &id).await?;
    let owner =
        images.policy().is_admin(caller.as_ref()) || seen.image.row.owner == caller.project_id;
    let members: Vec<Value> = all
        .iter()
        .filter(|row| owner || Some(&row.member) == caller.project_id.as_ref())
        .map(view::member)
        .collect();
    let body = json!({"members": members, "schema": "/v2/schemas/members"});
    Ok(web::body::json(StatusCode::OK, &body))
}

/// `GET /v2/images/{id}/members/{member}`. Whatever is not allowed is not found.
pub async fn show(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path((id, project)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let seen = shared(&images, &caller, &id, "get_member")
        .await
        .map_err(|fault| match fault {
            Fault::Forbidden(why) => Fault::NotFound(why),
            other => other,
        })?;
    let own = images.policy().is_admin(caller.as_ref())
        || seen.image.row.owner == caller.project_id
        || caller.project_id.as_ref() == Some(&project);
    let found = db::members::find(images.db().read(), &id, &project).await?;
    let row = found.filter(|_| own).ok_or_else(|| nobody(&id, &project))?;
    Ok(web::body::json(StatusCode::OK, &view::member(&row)))
}

/// `POST /v2/images/{id}/members`.
pub async fn add(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, Fault> {
    let body = json_body(body).await?;
    let project = match body.get("member") {
        None => Err("Member to be added not specified"),
        Some(Value::String(project)) if project.is_empty() => Err("Member can't be empty"),
        Some(Value::String(project)) if project.chars().count() <= 255 => Ok(project.clone()),
        Some(_) => Err("Expected a member in the form: {\"member\": \"image_id\"}"),
    };
    let project = project.map_err(|text| Fault::BadRequest(text.to_owned()))?;
    shared(&images, &caller, &id, "add_member").await?;
    let now = sql::micros(Utc::now());
    let row = member::Model {
        image_id: id.clone(),
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
        Ok(()) => Ok(web::body::json(StatusCode::OK, &view::member(&row))),
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
pub async fn answer(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path((id, project)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Fault> {
    let body = json_body(body).await?;
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
    shared(&images, &caller, &id, "modify_member").await?;
    let own =
        images.policy().is_admin(caller.as_ref()) || caller.project_id.as_ref() == Some(&project);
    let found = db::members::find(images.db().read(), &id, &project).await?;
    let row = found.filter(|_| own).ok_or_else(|| nobody(&id, &project))?;
    let row = db::members::answer(images.db().write(), row, status).await?;
    Ok(web::body::json(StatusCode::OK, &view::member(&row)))
}

/// `DELETE /v2/images/{id}/members/{member}`.
pub async fn remove(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path((id, project)): Path<(String, String)>,
) -> Result<Response, Fault> {
    shared(&images, &caller, &id, "delete_member").await?;
    if db::members::remove(images.db().write(), &id, &project).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(nobody(&id, &project))
}
