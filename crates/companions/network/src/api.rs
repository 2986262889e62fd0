//! The handlers, a file per resource, and what they share. What is done is in [`crate::jobs`] and [`crate::resources`].

pub mod bindings;
pub mod forwardings;
pub mod resources;
pub mod routers;
pub mod service;
pub mod tags;

use rest::Answer;
use serde_json::{Map, Value, json};
use web::Query;

use crate::call::Call;
use crate::core::Core;
use crate::fault::{Fault, Result};
use crate::list::{self, Page};
use crate::views::View;

/// The body, which must be a JSON object.
fn object(call: &Call) -> Result<&Map<String, Value>> {
    call.body
        .as_object()
        .ok_or_else(|| Fault::BadRequest("Unable to find a JSON object in request body".to_owned()))
}

/// The object under `name`.
fn inner(body: &Map<String, Value>, name: &str) -> Result<Map<String, Value>> {
    match body.get(name) {
        Some(Value::Object(map)) => Ok(map.clone()),
        _ => Err(Fault::BadRequest(format!(
            "Unable to find '{name}' in request body"
        ))),
    }
}

/// `{"<name>": view}`.
fn wrapped(name: &str, view: View) -> Answer {
    Answer::of(&json!({name: view}))
}

/// The only view of a change to one object.
fn one(views: Vec<View>) -> Result<View> {
    views
        .into_iter()
        .next()
        .ok_or_else(|| Fault::Broken("nothing to show".to_owned()))
}

/// A page of a small list that no table holds; `filters` are members of the views.
fn listing(
    core: &Core,
    views: Vec<View>,
    query: &Query,
    plural: &str,
    filters: &'static [&'static str],
) -> Result<Answer> {
    list::validate(query, filters.iter().copied())?;
    let page = list::page(views, query, "", core.settings.max_page)?;
    Ok(listed(page, query, plural))
}

/// A page as answered, with the members that are wanted.
fn listed(page: Page, query: &Query, plural: &str) -> Answer {
    let items: Vec<View> = page
        .items
        .into_iter()
        .map(|item| list::trim(item, query))
        .collect();
    let mut body = Map::new();
    body.insert(plural.to_owned(), json!(items));
    if let Some(links) = page.links.filter(|links| !links.is_empty()) {
        body.insert(format!("{plural}_links"), json!(links));
    }
    Answer::of(&body)
}
