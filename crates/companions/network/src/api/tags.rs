//! Tags, below every resource that has them.

use std::sync::Arc;

use rest::Answer;
use serde_json::{Value, json};

use super::{Call, object, one};
use crate::attributes;
use crate::core::{Core, Cx};
use crate::fault::{Fault, Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::resources::{self, Resource, Tagging};
use crate::views::View;

async fn tags_of(cx: &Cx<'_>, resource: &Resource, id: &str) -> Result<Vec<String>> {
    let view = resources::view(cx, cx.core.db.read(), resource, id).await?;
    Ok(serde_json::from_value(view.get("tags").cloned().unwrap_or_default()).unwrap_or_default())
}

pub async fn tags(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let tags = tags_of(cx, resource, id).await?;
    Ok(Answer::of(&json!({"tags": tags})))
}

pub async fn has_tag(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let tag = call.path("tag");
    match tags_of(cx, resource, id)
        .await?
        .iter()
        .any(|known| known == tag)
    {
        true => Ok(Answer::empty()),
        false => Err(missing(&kinds::TAG, tag)),
    }
}

async fn change_tags(
    cx: &Cx<'_>,
    resource: &'static Resource,
    id: &str,
    change: Tagging,
) -> Result<View> {
    let job = Job::Tag {
        resource,
        id,
        change,
    };
    one(jobs::run(cx, &job).await?)
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

pub async fn add_tag(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let tag = call.path("tag");
    change_tags(cx, resource, id, Tagging::Add(checked_tag(tag)?)).await?;
    Ok(Answer::empty())
}

pub async fn remove_tag(
    core: Arc<Core>,
    call: Call,
    resource: &'static Resource,
) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let tag = call.path("tag");
    change_tags(cx, resource, id, Tagging::Remove(tag.to_owned())).await?;
    Ok(Answer::empty())
}

pub async fn replace_tags(
    core: Arc<Core>,
    call: Call,
    resource: &'static Resource,
) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let body = object(&call)?;
    let tags = attributes::kinds::texts(body.get("tags").unwrap_or(&Value::Null))
        .map_err(|why| attributes_fault("tags", &why))?;
    let tags: Vec<String> = serde_json::from_value(tags).unwrap_or_default();
    let tags = tags
        .iter()
        .map(|tag| checked_tag(tag))
        .collect::<Result<Vec<_>>>()?;
    let view = change_tags(cx, resource, id, Tagging::Replace(tags)).await?;
    Ok(Answer::of(&view))
}

pub async fn clear_tags(
    core: Arc<Core>,
    call: Call,
    resource: &'static Resource,
) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    change_tags(cx, resource, id, Tagging::Replace(Vec::new())).await?;
    Ok(Answer::empty())
}
