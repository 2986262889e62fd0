//! From a request to its handler, in the order in which Nova finds things wrong.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use microversion::{NegotiationError, Version, negotiate, stamp};
use serde_json::Value;
use web::body::{BodyError, MAX_REQUEST_BODY};
use web::{BaseUrl, Caller, RequestId, auth};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::{Fault, no_route};
use crate::lookup::{self, Found};
use crate::routes::Route;
use crate::versions::{self, Face, SERVICE};

/// Serves any request.
pub async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(base) = BaseUrl::from_request_parts(&mut parts, &()).await;
    let path = parts.uri.path().to_owned();
    let (face, below) = match mounted(&path) {
        Some(mounted) => mounted,
        None if path == "/" || path.is_empty() => {
            return versions::answer(StatusCode::OK, &versions::list(&base.0));
        }
        None => {
            return versions::answer(
                StatusCode::MULTIPLE_CHOICES,
                &versions::choices(&base.0, &path),
            );
        }
    };
    if below.is_empty() || below == "/" {
        return document(&parts, &base, face);
    }
    // A token is asked for before anything is said about the path.
    let caller = match auth::identify(api.authenticator.as_ref(), &parts.headers).await {
        Ok(caller) => caller,
        Err(error) => return auth::refuse(&error, &api.authenticator.identity_url()),
    };
    let Some(found) = lookup::find(&parts.method, below) else {
        return no_route(
            parts
                .headers
                .get(header::ACCEPT)
                .and_then(|accept| accept.to_str().ok()),
        );
    };
    let body = match web::body::read(body, MAX_REQUEST_BODY).await {
        Ok(body) => body,
        Err(error) => return unread(&error),
    };
    versioned(face, &parts.headers, async |version| {
        let legacy = face == Face::Legacy;
        call(api, &parts, base, caller, found, &body, (version, legacy)).await
    })
    .await
}

/// The face a path belongs to, and what of it is below the mount point.
fn mounted(path: &str) -> Option<(Face, &str)> {
    let under = |mount| {
        path.strip_prefix(mount)
            .filter(|rest: &&str| rest.is_empty() || rest.starts_with('/'))
    };
    under("/v2.1")
        .map(|rest| (Face::Current, rest))
        .or_else(|| under("/v2").map(|rest| (Face::Legacy, rest)))
}

/// The version document at the root of a mount point. It honours the version headers and needs no token.
fn document(parts: &Parts, base: &BaseUrl, face: Face) -> Response {
    let asked = match face {
        Face::Current => negotiate(&SERVICE, &parts.headers),
        Face::Legacy => Ok(SERVICE.min),
    };
    let (version, mut response) = match asked {
        Ok(version) => (
            Some(version),
            versions::answer(StatusCode::OK, &versions::document(&base.0, face)),
        ),
        Err(error) => (spoken(&error), Fault::from(error).into_response()),
    };
    if let Some(version) = version.filter(|_| face == Face::Current) {
        stamp(&SERVICE, version, response.headers_mut());
    }
    response
}

/// Runs a call at the version asked for, and stamps the answer, whatever it is, with that version.
async fn versioned(
    face: Face,
    headers: &HeaderMap,
    run: impl AsyncFnOnce(Version) -> Result<Response, Fault>,
) -> Response {
    if face == Face::Legacy {
        return run(SERVICE.min).await.unwrap_or_else(Fault::into_response);
    }
    let (version, answered) = match negotiate(&SERVICE, headers) {
        Ok(version) => (Some(version), run(version).await),
        Err(error) => (spoken(&error), Err(error.into())),
    };
    let mut response = answered.unwrap_or_else(Fault::into_response);
    if let Some(version) = version {
        stamp(&SERVICE, version, response.headers_mut());
    }
    response
}

/// The version that the answer to a refused version names: the refused one, if it is one at all.
fn spoken(error: &NegotiationError) -> Option<Version> {
    match error {
        NegotiationError::Syntax(_) => None,
        NegotiationError::Unknown { asked, .. } => Some(*asked),
    }
}

async fn call(
    api: Arc<Api>,
    parts: &Parts,
    base: BaseUrl,
    caller: Arc<Caller>,
    found: Found,
    body: &[u8],
    (version, legacy): (Version, bool),
) -> Result<Response, Fault> {
    check_content_type(&parts.headers)?;
    web::text::no_nul_in_uri(&parts.uri).map_err(|nul| Fault::nul(&nul))?;
    let body = parse(&parts.method, body);
    if let Ok(body) = &body {
        web::text::no_nul(body).map_err(|nul| Fault::nul(&nul))?;
    }
    let route = choose(found.routes, &body)?;
    let body = body?;
    if let Some(in_url) = &found.project
        && caller.project_id.as_ref() != Some(in_url)
    {
        return Err(Fault::other_project(
            in_url,
            caller.project_id.as_deref().unwrap_or("None"),
        ));
    }
    if !route.range.contains(version) {
        return Err(Fault::no_resource());
    }
    let request_id = parts.extensions.get::<RequestId>().cloned();
    let call = Call {
        caller,
        request_id: request_id.unwrap_or_else(|| web::request_id::of(&parts.headers)),
        version,
        legacy,
        base,
        url_project: found.project,
        captures: found.captures,
        query: parts.uri.query().map(str::to_owned),
        body,
        route,
    };
    Ok(respond((route.handler)(api, call).await?, route, version))
}

/// Only JSON is understood; a plain text type counts as none.
fn check_content_type(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = value
        .to_str()
        .unwrap_or("?")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "" | "text/plain" | "application/json" | "application/vnd.openstack.compute+json" => Ok(()),
        _ => Err(Fault::unsupported_media_type()),
    }
}

/// The body of a verb that has one; `null` when it is empty.
fn parse(method: &Method, body: &[u8]) -> Result<Value, Fault> {
    if body.is_empty() || !matches!(*method, Method::POST | Method::PUT) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|_| Fault::malformed())
}

/// The route, or the action that the only key of the body names.
fn choose(
    routes: &'static [&'static Route],
    body: &Result<Value, Fault>,
) -> Result<&'static Route, Fault> {
    if let [route] = routes
        && route.action.is_none()
    {
        return Ok(route);
    }
    let object = body
        .as_ref()
        .map_err(Clone::clone)?
        .as_object()
        .ok_or_else(Fault::malformed)?;
    let mut keys = object.keys();
    let (Some(name), None) = (keys.next(), keys.next()) else {
        return Err(Fault::malformed());
    };
    let named = routes.iter().find(|route| route.action == Some(name));
    named.copied().ok_or_else(|| Fault::no_such_action(name))
}

fn respond(answer: Answer, route: &Route, version: Version) -> Response {
    let code = answer.code.unwrap_or_else(|| route.success(version));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    *response.headers_mut() = answer.headers;
    if let Some(body) = answer.body {
        *response.body_mut() = Body::from(body);
    } else if code != StatusCode::NO_CONTENT {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    response
}

/// A body that is too large, refused before Nova sees it, in the words of oslo.middleware; or one that never came.
fn unread(error: &BodyError) -> Response {
    if let BodyError::Broken(_) = error {
        return Fault::bad_request(error.to_string()).into_response();
    }
    let code = StatusCode::PAYLOAD_TOO_LARGE;
    let text = HeaderValue::from_static("text/plain; charset=UTF-8");
    (code, [(header::CONTENT_TYPE, text)], error.to_string()).into_response()
}
