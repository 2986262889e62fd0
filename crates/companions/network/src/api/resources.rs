//! The usual five requests of every resource.

use std::sync::Arc;

use http::HeaderMap;
use rest::Answer;
use serde_json::{Map, json};

use super::{Call, inner, listed, object, one, wrapped};
use crate::core::Core;
use crate::fault::{Fault, Result};
use crate::jobs::{self, Job};
use crate::list::{self, Paging};
use crate::resources::{self, Resource};
use crate::security_groups;
use crate::views::View;

/// A page of what the caller sees.
pub async fn index(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let query = &call.pairs();
    list::validate(query, resource.listing().filters())?;
    if resource.needs_default_group {
        security_groups::ensure_default_of_caller(cx).await?;
    }
    let paging = Paging::read(query, core.settings.max_page)?;
    let views = resources::page(cx, core.db.read(), resource, query, &paging);
    // As in Neutron: who may not see agents sees none.
    let views = match resource.operators_only && cx.allow(&View::new()).is_err() {
        true => Vec::new(),
        false => views.await?,
    };
    let url = call.link(&format!("v2.0/{}", resource.path));
    Ok(listed(
        paging.page(views, query, &url),
        query,
        resource.plural,
    ))
}

/// One, if the caller sees it.
pub async fn show(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let query = &call.pairs();
    let view = resources::view(cx, core.db.read(), resource, id).await?;
    if resource.operators_only {
        cx.allow(&view)?;
    }
    Ok(wrapped(resource.name, list::trim(view, query)))
}

/// Makes one, or several at once.
pub async fn create(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let body = object(&call)?;
    let Some(many) = body.get(resource.plural) else {
        let bodies = vec![inner(body, resource.name)?];
        let views = jobs::run(cx, &Job::Create { resource, bodies }).await?;
        return Ok(wrapped(resource.name, one(views)?));
    };
    let items = many.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Fault::BadRequest("Resources required".to_owned()))?;
    let bodies: Option<Vec<_>> = items
        .iter()
        .map(|item| item.get(resource.name).unwrap_or(item).as_object().cloned())
        .collect();
    let bodies = bodies.ok_or_else(|| Fault::BadRequest("Invalid bulk request".to_owned()))?;
    let views = jobs::run(cx, &Job::Create { resource, bodies }).await?;
    let mut answered = Map::new();
    answered.insert(resource.plural.to_owned(), json!(views));
    Ok(Answer::of(&answered))
}

/// Changes one.
pub async fn update(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let headers = &call.headers;
    let body = inner(object(&call)?, resource.name)?;
    let job = Job::Update {
        resource,
        id,
        body,
        revision: if_match(headers)?,
    };
    Ok(wrapped(resource.name, one(jobs::run(cx, &job).await?)?))
}

/// Removes one.
pub async fn remove(core: Arc<Core>, call: Call, resource: &'static Resource) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let headers = &call.headers;
    let job = Job::Delete {
        resource,
        id,
        revision: if_match(headers)?,
    };
    jobs::run(cx, &job).await?;
    Ok(Answer::empty())
}

/// The revision of an `If-Match: revision_number=N`.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>> {
    let Some(value) = headers.get("if-match") else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| {
        text.trim_matches('"')
            .strip_prefix("revision_number=")?
            .parse()
            .ok()
    });
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(Fault::BadRequest(
            "Revision number must be an integer: If-Match: revision_number=N".to_owned(),
        )),
    }
}
