//! The HTTP face: paths, bodies, status codes. What is done is in [`crate::jobs`] and [`crate::resources`].

mod around;
mod bindings;
mod tags;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use web::auth::Authenticated;
use web::body::json as answer;
use web::{Authenticator, BaseUrl, Query};

use crate::core::{Core, Cx, View};
use crate::fault::{Fault, Result};
use crate::jobs::{self, Job};
use crate::resources::{self, Resource};
use crate::{list, security_groups};

type Shared = State<Arc<Core>>;

/// All routes, below the service's prefix.
pub fn router(core: Arc<Core>, authenticator: Arc<dyn Authenticator>) -> Router {
    let db = core.db.clone();
    let durable = web::Durable::by(move || {
        let db = db.clone();
        async move { db.durable().await }
    });
    let inside = Router::new()
        .route("/v2.0", get(version))
        .route("/v2.0/", get(version))
        .route("/v2.0/extensions", get(around::list_extensions))
        .route("/v2.0/extensions/{alias}", get(around::show_extension))
        .route("/v2.0/availability_zones", get(around::zones))
        .route("/v2.0/service-providers", get(around::service_providers))
        .route(
            "/v2.0/network-ip-availabilities",
            get(around::ip_availabilities),
        )
        .route(
            "/v2.0/network-ip-availabilities/{id}",
            get(around::ip_availability),
        )
        .route("/v2.0/quotas", get(around::list_quotas))
        .route(
            "/v2.0/quotas/{project}",
            get(around::show_quota)
                .put(around::set_quota)
                .delete(around::reset_quota),
        )
        .route("/v2.0/quotas/{project}/{view}", get(around::quota_view))
        .route(
            "/v2.0/auto-allocated-topology/{project}",
            get(around::topology).delete(around::delete_topology),
        )
        .route(
            "/v2.0/ports/{id}/bindings",
            get(bindings::bindings).post(bindings::bind),
        )
        .route(
            "/v2.0/ports/{id}/bindings/{host}",
            get(bindings::show_binding)
                .put(bindings::change_binding)
                .delete(bindings::unbind),
        )
        .route(
            "/v2.0/ports/{id}/bindings/{host}/activate",
            put(bindings::activate_binding),
        )
        .route(
            "/v2.0/routers/{id}/add_router_interface",
            put(add_interface),
        )
        .route(
            "/v2.0/routers/{id}/remove_router_interface",
            put(remove_interface),
        )
        .route("/v2.0/routers/{id}/add_extraroutes", put(add_routes))
        .route("/v2.0/routers/{id}/remove_extraroutes", put(remove_routes))
        .route("/v2.0/{collection}", get(index).post(create))
        .route(
            "/v2.0/{collection}/{id}",
            get(show).put(update).delete(remove),
        )
        .route(
            "/v2.0/{collection}/{id}/tags",
            get(tags::tags)
                .put(tags::replace_tags)
                .delete(tags::clear_tags),
        )
        .route(
            "/v2.0/{collection}/{id}/tags/{tag}",
            get(tags::has_tag)
                .put(tags::add_tag)
                .delete(tags::remove_tag),
        )
        .layer(middleware::from_fn_with_state(
            authenticator,
            web::auth::layer,
        ))
        .with_state(core);
    Router::new()
        .route("/", get(versions))
        .merge(inside)
        .method_not_allowed_fallback(|| async { Fault::NoSuchMethod })
        .fallback(|| async { Fault::NoSuchRoute })
        .layer(middleware::from_fn(no_nul))
        .layer(middleware::from_fn_with_state(durable, web::durable::layer))
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(
            |request: Request, next: middleware::Next| web::request_id::layer(None, request, next),
        ))
}

async fn versions(base: BaseUrl) -> Response {
    let link = json!([{"rel": "self", "href": format!("{}/v2.0/", base.0)}]);
    answer(
        StatusCode::OK,
        &json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": link}]}),
    )
}

async fn version(base: BaseUrl) -> Response {
    let resources: Vec<Value> = resources::RESOURCES
        .iter()
        .map(|resource| {
            json!({
                "name": resource.name, "collection": resource.plural,
                "links": [{"rel": "self", "href": format!("{}/v2.0/{}", base.0, resource.path)}],
            })
        })
        .collect();
    answer(StatusCode::OK, &json!({"resources": resources}))
}

fn resource(path: &str) -> Result<&'static Resource> {
    resources::at(path).ok_or(Fault::NoSuchRoute)
}

/// A body that must be a JSON object.
async fn read(body: Body) -> Result<Map<String, Value>> {
    let bytes = web::body::read(body, web::body::MAX_REQUEST_BODY)
        .await
        .map_err(|error| Fault::BadRequest(error.to_string()))?;
    let document = serde_json::from_slice(&bytes);
    if let Ok(document) = &document {
        web::text::no_nul(document).map_err(|nul| Fault::BadRequest(nul.to_string()))?;
    }
    match document {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Fault::BadRequest(
            "Unable to find a JSON object in request body".to_owned(),
        )),
    }
}

/// Middleware: refuses addresses that hide a NUL.
async fn no_nul(request: Request, next: middleware::Next) -> Response {
    match web::text::no_nul_in_uri(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(nul) => Fault::BadRequest(nul.to_string()).into_response(),
    }
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

fn wrapped(status: StatusCode, name: &str, view: View) -> Response {
    let mut body = Map::new();
    body.insert(name.to_owned(), Value::Object(view));
    answer(status, &body)
}

fn one(views: Vec<View>) -> Result<View> {
    views
        .into_iter()
        .next()
        .ok_or_else(|| Fault::Broken("nothing to show".to_owned()))
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

async fn index(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(collection): Path<String>,
    base: BaseUrl,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let resource = resource(&collection)?;
    list::validate(&query, resource.table)?;
    if resource.what == resources::What::SecurityGroup || resource.what == resources::What::Rule {
        security_groups::greet(&cx).await?;
    }
    let mut views = resources::list(&cx, core.db.read(), resource, &query).await?;
    if resource.what == resources::What::Agent && !cx.may("get_agent", &View::new()) {
        // As in Neutron: who may not see agents sees none.
        views.clear();
    }
    listing(
        &core,
        views,
        &query,
        resource.plural,
        &format!("{}/v2.0/{collection}", base.0),
    )
}

/// A page of a list.
fn listing(
    core: &Core,
    views: Vec<View>,
    query: &Query,
    plural: &str,
    url: &str,
) -> Result<Response> {
    let page = list::page(views, query, url, core.settings.max_page)?;
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
    Ok(answer(StatusCode::OK, &body))
}

async fn show(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id)): Path<(String, String)>,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let resource = resource(&collection)?;
    let view = resources::view(&cx, core.db.read(), resource, &id).await?;
    if resource.what == resources::What::Agent {
        cx.check("get_agent", &view)?;
    }
    Ok(wrapped(
        StatusCode::OK,
        resource.name,
        list::trim(view, &query),
    ))
}

async fn create(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(collection): Path<String>,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let resource = resource(&collection)?;
    if !resource.creatable {
        return Err(Fault::NoSuchRoute);
    }
    let body = read(body).await?;
    let Some(many) = body.get(resource.plural) else {
        let bodies = vec![inner(&body, resource.name)?];
        let views = jobs::run(&cx, &Job::Create { resource, bodies }).await?;
        return Ok(wrapped(StatusCode::CREATED, resource.name, one(views)?));
    };
    let items = many.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Fault::BadRequest("Resources required".to_owned()))?;
    let bodies: Option<Vec<_>> = items
        .iter()
        .map(|item| item.get(resource.name).unwrap_or(item).as_object().cloned())
        .collect();
    let bodies = bodies.ok_or_else(|| Fault::BadRequest("Invalid bulk request".to_owned()))?;
    let views = jobs::run(&cx, &Job::Create { resource, bodies }).await?;
    let mut answered = Map::new();
    answered.insert(resource.plural.to_owned(), json!(views));
    Ok(answer(StatusCode::CREATED, &answered))
}

async fn update(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let resource = resource(&collection)?;
    if !resource.updatable {
        return Err(Fault::NoSuchRoute);
    }
    let body = inner(&read(body).await?, resource.name)?;
    let job = Job::Update {
        resource,
        id: &id,
        body,
        revision: if_match(&headers)?,
    };
    Ok(wrapped(
        StatusCode::OK,
        resource.name,
        one(jobs::run(&cx, &job).await?)?,
    ))
}

async fn remove(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::Delete {
        resource: resource(&collection)?,
        id: &id,
        revision: if_match(&headers)?,
    };
    jobs::run(&cx, &job).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn router_action(
    core: &Core,
    caller: &web::Caller,
    id: &str,
    action: &str,
    body: Body,
) -> Result<Response> {
    let cx = Cx { core, caller };
    let job = Job::RouterAction {
        id,
        action,
        body: read(body).await?,
    };
    Ok(answer(StatusCode::OK, &one(jobs::run(&cx, &job).await?)?))
}

async fn add_interface(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response> {
    router_action(&core, &caller, &id, "add_router_interface", body).await
}

async fn remove_interface(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response> {
    router_action(&core, &caller, &id, "remove_router_interface", body).await
}

async fn add_routes(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response> {
    router_action(&core, &caller, &id, "add_extraroutes", body).await
}

async fn remove_routes(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response> {
    router_action(&core, &caller, &id, "remove_extraroutes", body).await
}
