//! The REST face: the service's side of the frame, and a file per resource.

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

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use rest::{Paths, Refused, Table};
use serde_json::Value;
use web::auth::{self, Authenticator};
use web::policy::Guard;
use web::{Caller, Query, RequestId};

use crate::db;
use crate::fault::{self, Fault};
use crate::model::{Image, Viewer};
use crate::policy;
use crate::routes;
use crate::service::Images;

/// What the frame works with.
pub struct Face {
    pub images: Images,
    authenticator: Arc<dyn Authenticator>,
}

/// Who asks, in which request, and which rule guards the call.
#[derive(Debug, Clone)]
pub struct Cx {
    pub caller: Arc<Caller>,
    pub request_id: RequestId,
    pub guard: Guard,
}

/// One request that found its row.
pub type Call = rest::Call<Cx>;

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

/// The routes of the service, without the prefix it is mounted at. Version documents need no token.
pub fn router(images: Images, authenticator: Arc<dyn Authenticator>) -> Router {
    let db = images.db().clone();
    let durable = web::Durable::by(move || {
        let db = db.clone();
        async move { db.durable().await }
    });
    let face = Arc::new(Face {
        images,
        authenticator,
    });
    rest::router(face, durable, None).layer(middleware::from_fn(fault::render))
}

impl rest::Service for Face {
    type Caller = Arc<Caller>;
    type Context = Cx;
    type Fault = Fault;

    const PATHS: Paths = Paths {
        head_is_get: true,
        ..Paths::PLAIN
    };

    fn table() -> &'static Table<Self> {
        routes::table()
    }

    async fn identify(self: &Arc<Self>, head: &Parts) -> Result<Arc<Caller>, Response> {
        auth::admit(self.authenticator.as_ref(), &head.headers).await
    }

    fn context(caller: Arc<Caller>, guard: Guard, head: &Parts) -> Cx {
        Cx {
            caller,
            request_id: web::request_id::given(head),
            guard,
        }
    }

    fn project(caller: &Arc<Caller>) -> Option<&str> {
        caller.project_id.as_deref()
    }

    fn refuse(refused: Refused, _: &HeaderMap) -> Response {
        Fault::from(refused).into_response()
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
    if !Viewer::of(images, caller).sees(&image.row, member) {
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
