//! Tags, below every resource that has them.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use web::auth::Authenticated;
use web::body::json as answer;

use super::{Shared, one, read};
use crate::attributes;
use crate::core::{Core, Cx, View};
use crate::fault::{Fault, Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::resources::{self, Resource, Tagging};

fn taggable(path: &str) -> Result<&'static Resource> {
    resources::at(path)
        .filter(|resource| resource.taggable)
        .ok_or(Fault::NoSuchRoute)
}

async fn tags_of(
    core: &Core,
    caller: &web::Caller,
    collection: &str,
    id: &str,
) -> Result<Vec<String>> {
    let cx = Cx { core, caller };
    let view = resources::view(&cx, core.db.read(), taggable(collection)?, id).await?;
    Ok(serde_json::from_value(view.get("tags").cloned().unwrap_or_default()).unwrap_or_default())
}

pub async fn tags(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Response> {
    let tags = tags_of(&core, &caller, &collection, &id).await?;
    Ok(answer(StatusCode::OK, &json!({"tags": tags})))
}

pub async fn has_tag(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<Response> {
    match tags_of(&core, &caller, &collection, &id)
        .await?
        .contains(&tag)
    {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(missing(&kinds::TAG, tag)),
    }
}

async fn change_tags(
    core: &Core,
    caller: &web::Caller,
    collection: &str,
    id: &str,
    change: Tagging,
) -> Result<View> {
    let cx = Cx { core, caller };
    let job = Job::Tag {
        resource: taggable(collection)?,
        id,
        change,
    };
    one(jobs::run(&cx, &job).await?)
}

fn checked_tag(tag: &str) -> Result<String> {
    if tag.is_empty() || tag.chars().count() > 255 {
        return Err(attributes_fault("tag", "a tag has 1 to 255 characters"));
    }
    Ok(tag.to_owned())
}

fn attributes_fault(name: &str, reason: &str) -> Fault {
    crate::fault::invalid(name, reason)
}

pub async fn add_tag(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<Response> {
    change_tags(
        &core,
        &caller,
        &collection,
        &id,
        Tagging::Add(checked_tag(&tag)?),
    )
    .await?;
    Ok(StatusCode::CREATED.into_response())
}

pub async fn remove_tag(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<Response> {
    change_tags(&core, &caller, &collection, &id, Tagging::Remove(tag)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub async fn replace_tags(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id)): Path<(String, String)>,
    body: Body,
) -> Result<Response> {
    let body = read(body).await?;
    let tags = attributes::kinds::texts(body.get("tags").unwrap_or(&Value::Null))
        .map_err(|why| attributes_fault("tags", &why))?;
    let tags: Vec<String> = serde_json::from_value(tags).unwrap_or_default();
    let tags = tags
        .iter()
        .map(|tag| checked_tag(tag))
        .collect::<Result<Vec<_>>>()?;
    let view = change_tags(&core, &caller, &collection, &id, Tagging::Replace(tags)).await?;
    Ok(answer(StatusCode::OK, &view))
}

pub async fn clear_tags(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Response> {
    change_tags(
        &core,
        &caller,
        &collection,
        &id,
        Tagging::Replace(Vec::new()),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
