//! The HTTP face: the service's side of the frame, and what its handlers share. What is done is in [`crate::jobs`] and
//! [`crate::resources`].

pub mod bindings;
pub mod forwardings;
pub mod resources;
pub mod routers;
pub mod service;
pub mod tags;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use rest::{Answer, Paths, Refused, Table};
use serde_json::{Map, Value, json};
use web::auth::{self, Authenticator};
use web::policy::Guard;
use web::{Caller, Query};

use crate::core::{Core, Cx, View};
use crate::fault::{Fault, Result};
use crate::list::{self, Page};
use crate::routes;

/// What the frame works with.
pub struct Face {
    pub core: Arc<Core>,
    authenticator: Arc<dyn Authenticator>,
}

/// Who asks, and which rule guards the call.
#[derive(Debug)]
pub struct Asked {
    pub caller: Arc<Caller>,
    pub guard: Guard,
}

impl Asked {
    /// What use cases are given.
    pub fn with<'a>(&'a self, core: &'a Core) -> Cx<'a> {
        Cx {
            core,
            caller: &self.caller,
            guard: &self.guard,
        }
    }
}

/// One request that found its row.
pub type Call = rest::Call<Asked>;

/// All routes, below the service's prefix.
pub fn router(core: Arc<Core>, authenticator: Arc<dyn Authenticator>) -> Router {
    let db = core.db.clone();
    let durable = web::Durable::by(move || {
        let db = db.clone();
        async move { db.durable().await }
    });
    let face = Arc::new(Face {
        core,
        authenticator,
    });
    rest::router(face, durable, None)
}

impl rest::Service for Face {
    type Caller = Arc<Caller>;
    type Context = Asked;
    type Fault = Fault;

    const PATHS: Paths = Paths {
        json_after: true,
        head_is_get: true,
        ..Paths::PLAIN
    };

    fn table() -> &'static Table<Self> {
        routes::table()
    }

    async fn identify(
        self: &Arc<Self>,
        head: &Parts,
    ) -> std::result::Result<Arc<Caller>, Response> {
        auth::admit(self.authenticator.as_ref(), &head.headers).await
    }

    fn context(caller: Arc<Caller>, guard: Guard, _: &Parts) -> Asked {
        Asked { caller, guard }
    }

    fn project(caller: &Arc<Caller>) -> Option<&str> {
        caller.project_id.as_deref()
    }

    fn refuse(refused: Refused, _: &HeaderMap) -> Response {
        Fault::from(refused).into_response()
    }
}

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

/// A page of a small list that no table holds.
fn listing(
    core: &Core,
    views: Vec<View>,
    query: &Query,
    plural: &str,
    url: &str,
) -> Result<Answer> {
    let page = list::page(views, query, url, core.settings.max_page)?;
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
