//! The REST face: routes, and a file per resource.

mod actions;
mod data;
mod images;
mod imports;
mod info;
mod members;
mod schemas;
mod tags;
mod tasks;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post, put};
use serde_json::Value;
use web::{Authenticator, Caller};

use crate::db;
use crate::fault::{self, Fault};
use crate::model::{Image, Viewer};
use crate::policy;
use crate::service::Images;

/// The routes of the service, without the prefix it is mounted at. Version documents need no token.
pub fn router(images: Images, authenticator: Arc<dyn Authenticator>) -> Router {
    let db = images.db().clone();
    let durable = web::Durable::by(move || {
        let db = db.clone();
        async move { db.durable().await }
    });
    let open = Router::new()
        .route("/", get(versions::root))
        .route("/versions", get(versions::list))
        .route("/v2", get(versions::root))
        .route("/v2/", get(versions::root))
        .route("/healthcheck", get(|| async { "OK" }));
    v2().layer(middleware::from_fn_with_state(
        authenticator,
        web::auth::layer,
    ))
    .merge(open)
    .layer(middleware::from_fn(no_nul))
    .layer(middleware::from_fn_with_state(durable, web::durable::layer))
    .fallback(|| async { Fault::NotFound("The resource could not be found.".to_owned()) })
    .layer(middleware::from_fn(fault::render))
    .layer(middleware::from_fn(|request, next| {
        web::request_id::layer(None, request, next)
    }))
    .layer(DefaultBodyLimit::disable())
    .with_state(images)
}

fn v2() -> Router<Images> {
    let not_built = |what: &'static str| any(move || async move { Fault::NotBuilt(what) });
    Router::new()
        .route("/v2/images", get(images::list).post(images::create))
        .route(
            "/v2/images/{id}",
            get(images::show)
                .patch(images::update)
                .delete(images::delete),
        )
        .route(
            "/v2/images/{id}/file",
            get(data::download).put(data::upload),
        )
        .route("/v2/images/{id}/stage", put(data::stage))
        .route("/v2/images/{id}/import", post(imports::import))
        .route("/v2/images/{id}/tasks", get(tasks::of_image))
        .route(
            "/v2/images/{id}/locations",
            get(data::locations).post(data::add_location),
        )
        .route(
            "/v2/images/{id}/actions/deactivate",
            post(actions::deactivate),
        )
        .route(
            "/v2/images/{id}/actions/reactivate",
            post(actions::reactivate),
        )
        .route(
            "/v2/images/{id}/tags/{tag}",
            put(tags::add).delete(tags::remove),
        )
        .route(
            "/v2/images/{id}/members",
            get(members::list).post(members::add),
        )
        .route(
            "/v2/images/{id}/members/{member}",
            get(members::show)
                .put(members::answer)
                .delete(members::remove),
        )
        .route("/v2/stores/{store}/{id}", delete(data::delete_from_store))
        .route("/v2/info/import", get(info::import))
        .route("/v2/info/stores", get(info::stores))
        .route("/v2/info/stores/detail", get(info::stores_detail))
        .route("/v2/info/usage", get(info::usage))
        .route("/v2/schemas/{name}", get(schemas::show))
        .route(
            "/v2/schemas/metadefs/{name}",
            not_built("The metadata definition catalogue"),
        )
        .route("/v2/tasks", get(tasks::list).post(tasks::create))
        .route("/v2/tasks/{id}", get(tasks::show))
        .route("/v2/cache", not_built("The image cache"))
        .route("/v2/cache/{*rest}", not_built("The image cache"))
        .route("/v2/cached_images", not_built("The image cache"))
        .route("/v2/cached_images/{*rest}", not_built("The image cache"))
        .route("/v2/queued_images/{*rest}", not_built("The image cache"))
        .route(
            "/v2/metadefs/{*rest}",
            not_built("The metadata definition catalogue"),
        )
}

/// An image that the caller sees, and whether the caller's project is its member.
struct Seen {
    image: Image,
    member: bool,
}

/// Finds an image and asks whether the caller may do `rule` to it; one that the caller may not see
/// is not found.
async fn find(images: &Images, caller: &Caller, id: &str, rule: &str) -> Result<Seen, Fault> {
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

/// Reads a JSON body.
async fn json_body(body: Body) -> Result<Value, Fault> {
    let bytes = web::body::read(body, web::body::MAX_REQUEST_BODY)
        .await
        .map_err(|error| match error {
            web::body::BodyError::TooLarge => Fault::TooLarge(error.to_string()),
            web::body::BodyError::Broken(_) => Fault::BadRequest(error.to_string()),
        })?;
    if bytes.is_empty() {
        return Err(Fault::BadRequest("Body expected in request.".to_owned()));
    }
    let document = serde_json::from_slice(&bytes)
        .map_err(|error| Fault::BadRequest(format!("Malformed JSON in request body: {error}")))?;
    web::text::no_nul(&document).map_err(|nul| Fault::BadRequest(nul.to_string()))?;
    Ok(document)
}

/// Middleware: refuses addresses that hide a NUL.
async fn no_nul(request: Request, next: Next) -> Response {
    match web::text::no_nul_in_uri(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(nul) => Fault::BadRequest(nul.to_string()).into_response(),
    }
}
