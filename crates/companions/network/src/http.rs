//! The HTTP face: paths, bodies, status codes. What is done is in [`crate::jobs`] and [`crate::resources`].

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
use crate::fault::{Fault, Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::resources::{self, Resource, Tagging};
use crate::{attributes, availability, binding, extensions, list, quotas, security_groups};

type Shared = State<Arc<Core>>;

/// All routes, below the service's prefix.
pub fn router(core: Arc<Core>, authenticator: Arc<dyn Authenticator>) -> Router {
    let inside = Router::new()
        .route("/v2.0", get(version))
        .route("/v2.0/", get(version))
        .route("/v2.0/extensions", get(list_extensions))
        .route("/v2.0/extensions/{alias}", get(show_extension))
        .route("/v2.0/availability_zones", get(zones))
        .route("/v2.0/service-providers", get(service_providers))
        .route("/v2.0/network-ip-availabilities", get(ip_availabilities))
        .route("/v2.0/network-ip-availabilities/{id}", get(ip_availability))
        .route("/v2.0/quotas", get(list_quotas))
        .route(
            "/v2.0/quotas/{project}",
            get(show_quota).put(set_quota).delete(reset_quota),
        )
        .route("/v2.0/quotas/{project}/{view}", get(quota_view))
        .route(
            "/v2.0/auto-allocated-topology/{project}",
            get(topology).delete(delete_topology),
        )
        .route("/v2.0/ports/{id}/bindings", get(bindings).post(bind))
        .route(
            "/v2.0/ports/{id}/bindings/{host}",
            get(show_binding).put(change_binding).delete(unbind),
        )
        .route(
            "/v2.0/ports/{id}/bindings/{host}/activate",
            put(activate_binding),
        )
        .route("/v2.0/routers/{id}/{action}", put(router_action))
        .route("/v2.0/{collection}", get(index).post(create))
        .route(
            "/v2.0/{collection}/{id}",
            get(show).put(update).delete(remove),
        )
        .route(
            "/v2.0/{collection}/{id}/tags",
            get(tags).put(replace_tags).delete(clear_tags),
        )
        .route(
            "/v2.0/{collection}/{id}/tags/{tag}",
            get(has_tag).put(add_tag).delete(remove_tag),
        )
        .layer(middleware::from_fn_with_state(
            authenticator,
            web::auth::layer,
        ))
        .with_state(core);
    Router::new()
        .route("/", get(versions))
        .merge(inside)
        .fallback(|| async { Fault::NoSuchRoute })
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
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Fault::BadRequest(
            "Unable to find a JSON object in request body".to_owned(),
        )),
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
    if resource.what == resources::What::Agent {
        cx.check("get_agent", &View::new())?;
    }
    let views = resources::list(&cx, core.db.read(), resource, &query).await?;
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

async fn tags(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Response> {
    let tags = tags_of(&core, &caller, &collection, &id).await?;
    Ok(answer(StatusCode::OK, &json!({"tags": tags})))
}

async fn has_tag(
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

async fn add_tag(
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

async fn remove_tag(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<Response> {
    change_tags(&core, &caller, &collection, &id, Tagging::Remove(tag)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn replace_tags(
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

async fn clear_tags(
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

async fn router_action(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, action)): Path<(String, String)>,
    body: Body,
) -> Result<Response> {
    let known = [
        "add_router_interface",
        "remove_router_interface",
        "add_extraroutes",
        "remove_extraroutes",
    ];
    if !known.contains(&action.as_str()) {
        return Err(Fault::NoSuchRoute);
    }
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::RouterAction {
        id: &id,
        action: &action,
        body: read(body).await?,
    };
    Ok(answer(StatusCode::OK, &one(jobs::run(&cx, &job).await?)?))
}

async fn bindings_of(core: &Core, caller: &web::Caller, id: &str) -> Result<Vec<View>> {
    let cx = Cx { core, caller };
    let view = resources::view(&cx, core.db.read(), resource("ports")?, id).await?;
    cx.check("get_port_binding", &view)?;
    let port =
        crate::store::get::<crate::tables::ports::Entity>(core.db.read(), &kinds::PORT, id).await?;
    binding::list(core.db.read(), &port).await
}

async fn bindings(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response> {
    listing(
        &core,
        bindings_of(&core, &caller, &id).await?,
        &query,
        "bindings",
        "",
    )
}

async fn show_binding(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
) -> Result<Response> {
    let all = bindings_of(&core, &caller, &id).await?;
    let found = all
        .into_iter()
        .find(|view| view.get("host").and_then(Value::as_str) == Some(&host));
    let found = found.ok_or_else(|| missing(&kinds::BINDING, format!("{id} on host {host}")))?;
    Ok(wrapped(StatusCode::OK, "binding", found))
}

async fn bind(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::Bind {
        port: &id,
        body: inner(&read(body).await?, "binding")?,
    };
    Ok(wrapped(
        StatusCode::CREATED,
        "binding",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

async fn change_binding(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::ChangeBinding {
        port: &id,
        host: &host,
        body: inner(&read(body).await?, "binding")?,
    };
    Ok(wrapped(
        StatusCode::OK,
        "binding",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

async fn activate_binding(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let views = jobs::run(
        &cx,
        &Job::ActivateBinding {
            port: &id,
            host: &host,
        },
    )
    .await?;
    Ok(wrapped(StatusCode::OK, "binding", one(views)?))
}

async fn unbind(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    jobs::run(
        &cx,
        &Job::DeleteBinding {
            port: &id,
            host: &host,
        },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_extensions(State(core): Shared, query: Query) -> Result<Response> {
    listing(&core, extensions::list(), &query, "extensions", "")
}

async fn show_extension(Path(alias): Path<String>) -> Result<Response> {
    let found = extensions::find(&alias).ok_or_else(|| missing(&kinds::EXTENSION, alias))?;
    Ok(wrapped(StatusCode::OK, "extension", found))
}

async fn zones(State(core): Shared, query: Query) -> Result<Response> {
    let zone = |resource: &str| {
        let mut view = View::new();
        crate::views::fill(
            &mut view,
            json!({
                "name": core.settings.availability_zone, "resource": resource, "state": "available",
            }),
        );
        view
    };
    listing(
        &core,
        vec![zone("network"), zone("router")],
        &query,
        "availability_zones",
        "",
    )
}

async fn service_providers(State(core): Shared, query: Query) -> Result<Response> {
    listing(&core, Vec::new(), &query, "service_providers", "")
}

async fn ip_availabilities(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    cx.check("get_network_ip_availability", &View::new())?;
    let views = availability::list(core.db.read()).await?;
    listing(&core, views, &query, "network_ip_availabilities", "")
}

async fn ip_availability(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    cx.check("get_network_ip_availability", &View::new())?;
    let views = availability::list(core.db.read()).await?;
    let found = views
        .into_iter()
        .find(|view| view.get("network_id").and_then(Value::as_str) == Some(&id));
    let found = found.ok_or_else(|| missing(&kinds::NETWORK, id))?;
    Ok(wrapped(StatusCode::OK, "network_ip_availability", found))
}

async fn list_quotas(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    cx.check("get_quota", &View::new())?;
    listing(
        &core,
        quotas::list(core.db.read()).await?,
        &query,
        "quotas",
        "",
    )
}

/// A project reads its own quotas; others' are for admins.
fn may_read_quota(cx: &Cx<'_>, project: &str) -> Result<()> {
    if project == cx.project() {
        Ok(())
    } else {
        cx.check("get_quota", &View::new())
    }
}

async fn show_quota(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    // An old way to ask whose token it is.
    if project == "tenant" || project == "project" {
        return Ok(answer(
            StatusCode::OK,
            &json!({"tenant": {"tenant_id": cx.project(), "project_id": cx.project()}}),
        ));
    }
    may_read_quota(&cx, &project)?;
    let limits = quotas::limits(core.db.read(), &project).await?;
    Ok(wrapped(StatusCode::OK, "quota", quotas::show(&limits)))
}

async fn quota_view(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((project, view)): Path<(String, String)>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    may_read_quota(&cx, &project)?;
    let shown = match view.as_str() {
        "default" | "default.json" => quotas::DEFAULTS
            .iter()
            .map(|(name, limit)| ((*name).to_owned(), json!(limit)))
            .collect(),
        "details" | "details.json" => quotas::details(core.db.read(), &project).await?,
        _ => return Err(Fault::NoSuchRoute),
    };
    Ok(wrapped(StatusCode::OK, "quota", shown))
}

async fn set_quota(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::SetQuota {
        project: &project,
        body: inner(&read(body).await?, "quota")?,
    };
    Ok(wrapped(
        StatusCode::OK,
        "quota",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

async fn reset_quota(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    jobs::run(&cx, &Job::ResetQuota { project: &project }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn topology(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let project = if project == "null" || project == "None" {
        cx.project().to_owned()
    } else {
        project
    };
    let job = match query.last("fields") {
        Some("dry-run") => Job::RehearseTopology,
        _ => Job::Topology { project: &project },
    };
    Ok(wrapped(
        StatusCode::OK,
        "auto_allocated_topology",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

async fn delete_topology(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let project = if project == "null" || project == "None" {
        cx.project().to_owned()
    } else {
        project
    };
    jobs::run(&cx, &Job::DeleteTopology { project: &project }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
