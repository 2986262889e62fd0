//! From a request to its handler, in the order in which Nova finds things wrong.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use microversion::{Mode, NegotiationError, Version, negotiate, stamp};
use serde_json::Value;
use web::BaseUrl;
use web::body::MAX_REQUEST_BODY;
use web::policy::Guard;

use crate::{Access, Answer, Call, Found, Refused, Row, Service, Serving};

/// Where the table of a service begins, and how it is spoken to.
#[derive(Clone, Copy, Debug)]
pub struct Below<'a> {
    /// The mount point, with a slash before it; empty for rows with whole paths.
    pub mount: &'static str,
    /// The path below the mount point, as it was sent.
    pub path: &'a str,
    /// Whether it came through an older face, which speaks no microversions.
    pub legacy: bool,
}

/// Serves a request to a service whose rows have whole paths.
pub async fn serve<S: Service>(service: Arc<S>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let below = Below {
        mount: "",
        path: &path,
        legacy: false,
    };
    run(service, head, body, below).await
}

/// Serves a request to what lies below a mount point.
pub async fn run<S: Service>(
    service: Arc<S>,
    head: Parts,
    body: Body,
    below: Below<'_>,
) -> Response {
    let found = S::table().find(&head.method, below.path);
    let open = matches!(&found, Ok(found) if is_open(found));
    let caller = match (&found, open) {
        (_, true) => None,
        (Err(_), false) if !S::TOKEN_BEFORE_PATH => None,
        _ => match service.identify(&head).await {
            Ok(caller) => Some(caller),
            Err(response) => return response,
        },
    };
    let found = match found {
        Ok(found) => found,
        Err(refused) => return S::refuse(refused, &head.headers),
    };
    let body = match found.rows {
        [row] if matches!(row.serving, Serving::Streamed(_)) => Read::Stream(body),
        _ => match web::body::read(body, MAX_REQUEST_BODY).await {
            Ok(bytes) => Read::Whole(bytes),
            Err(error) => return S::refuse(error.into(), &head.headers),
        },
    };
    let (version, stamped) = match spoken::<S>(&head.headers, below.legacy) {
        Ok(version) => version,
        Err(error) => {
            let asked = asked(&error);
            let response = S::refuse(error.into(), &head.headers);
            return stamp_with::<S>(asked, response);
        }
    };
    let response = match prepare(&head, found, body, caller.as_ref(), version) {
        Ok(prepared) => {
            let called = call(service, &head, prepared, caller, (version, below));
            called.await.unwrap_or_else(IntoResponse::into_response)
        }
        Err(refused) => S::refuse(refused, &head.headers),
    };
    stamp_with::<S>(stamped.then_some(version), response)
}

/// A body, as its row wants it.
enum Read {
    Whole(axum::body::Bytes),
    Stream(Body),
}

/// A request that may be answered.
struct Prepared<S: Service> {
    row: &'static Row<S>,
    found: Found<S>,
    body: Value,
    stream: Option<Body>,
}

fn is_open<S: Service>(found: &Found<S>) -> bool {
    let first = found.rows.first();
    first.is_some_and(|row| row.access == Access::Open)
}

/// The version to speak, and whether answers name it.
fn spoken<S: Service>(
    headers: &HeaderMap,
    legacy: bool,
) -> Result<(Version, bool), NegotiationError> {
    match S::VERSIONS {
        Some(versions) if legacy => Ok((versions.min, false)),
        Some(versions) => Ok((negotiate(&versions, headers)?, true)),
        None => Ok((Version::MIN, false)),
    }
}

/// The version that the answer to a refused version names: the refused one, if it is one at all.
pub fn asked(error: &NegotiationError) -> Option<Version> {
    match error {
        NegotiationError::Syntax(_) => None,
        NegotiationError::Unknown { asked, .. } => Some(*asked),
    }
}

fn stamp_with<S: Service>(version: Option<Version>, mut response: Response) -> Response {
    if let (Some(versions), Some(version)) = (S::VERSIONS, version) {
        stamp(&versions, version, response.headers_mut());
    }
    response
}

/// Finds out which row is meant, and whether it is there for this caller.
fn prepare<S: Service>(
    head: &Parts,
    found: Found<S>,
    body: Read,
    caller: Option<&S::Caller>,
    version: Version,
) -> Result<Prepared<S>, Refused> {
    S::admit(head)?;
    web::text::no_nul_in_uri(&head.uri)?;
    let (body, stream) = match body {
        Read::Whole(bytes) => (parse(&found, &bytes), None),
        Read::Stream(stream) => (Ok(Value::Null), Some(stream)),
    };
    if let Ok(body) = &body {
        web::text::no_nul(body)?;
    }
    let (row, body) = choose(found.rows, body)?;
    if let Some(in_url) = &found.project {
        let of_token = caller.and_then(S::project);
        if of_token != Some(in_url) {
            return Err(Refused::OtherProject {
                in_url: in_url.clone(),
                of_token: of_token.unwrap_or("None").to_owned(),
            });
        }
    }
    if !row.range.contains(version) {
        return Err(Refused::NotInVersion);
    }
    Ok(Prepared {
        row,
        found,
        body,
        stream,
    })
}

/// The body of a verb that has one; `null` when it is empty.
fn parse<S: Service>(found: &Found<S>, body: &[u8]) -> Result<Value, Refused> {
    let meant = found.rows.first().is_some_and(|row| row.verb.has_body());
    if body.is_empty() || !meant {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| Refused::Malformed(error.to_string()))
}

/// The row, or the action that the only key of the body names; and the body.
fn choose<S: Service>(
    rows: &'static [&'static Row<S>],
    body: Result<Value, Refused>,
) -> Result<(&'static Row<S>, Value), Refused> {
    if let [row] = rows
        && row.action.is_none()
    {
        return Ok((row, body?));
    }
    let body = body?;
    let object = body.as_object().ok_or(Refused::NoAction)?;
    let mut keys = object.keys();
    let (Some(name), None) = (keys.next(), keys.next()) else {
        return Err(Refused::NoAction);
    };
    let named = rows.iter().find(|row| row.action == Some(name));
    match named {
        Some(row) => Ok((row, body)),
        None => Err(Refused::UnknownAction(name.clone())),
    }
}

/// Runs the handler.
async fn call<S: Service>(
    service: Arc<S>,
    head: &Parts,
    mut prepared: Prepared<S>,
    caller: Option<S::Caller>,
    spoken: (Version, Below<'_>),
) -> Result<Response, S::Fault> {
    let row = prepared.row;
    let guard = Guard::new(row.rule());
    let stream = prepared.stream.take();
    let answer = match (row.serving, caller) {
        (Serving::Open(handler), _) => handler(service, fill((), head, prepared, spoken)).await?,
        (Serving::Known(handler), Some(caller)) => {
            let cx = S::context(caller, guard.clone(), head);
            handler(service, fill(cx, head, prepared, spoken)).await?
        }
        (Serving::Streamed(handler), Some(caller)) => {
            let cx = S::context(caller, guard.clone(), head);
            let call = fill(cx, head, prepared, spoken);
            handler(service, call, stream.unwrap_or_default()).await?
        }
        (Serving::Gone, _) => return Ok(S::refuse(Refused::Gone, &head.headers)),
        (Serving::NotBuilt, _) | (Serving::Known(_) | Serving::Streamed(_), None) => {
            let refused = Refused::NotBuilt(row.to_string());
            return Ok(S::refuse(refused, &head.headers));
        }
    };
    debug_assert!(
        guard.was_asked(),
        "{row} succeeded without its rule having been asked"
    );
    let mut response = respond(answer, row.success(spoken.0));
    if head.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    Ok(response)
}

fn fill<S: Service, C>(
    cx: C,
    head: &Parts,
    prepared: Prepared<S>,
    (version, below): (Version, Below<'_>),
) -> Call<C> {
    Call {
        cx,
        action: prepared.row.action,
        version,
        legacy: below.legacy,
        mode: match below.legacy {
            true => Mode::Relaxed(S::LEGACY),
            false => Mode::Strict(version),
        },
        base: BaseUrl::of_head(head),
        mount: below.mount,
        whole_path: head.uri.path().to_owned(),
        url_project: prepared.found.project,
        captures: prepared.found.captures,
        query: head.uri.query().map(str::to_owned),
        headers: head.headers.clone(),
        address: web::client::address(&head.extensions),
        body: prepared.body,
    }
}

fn respond(answer: Answer, success: StatusCode) -> Response {
    let code = answer.code.unwrap_or(success);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    *response.headers_mut() = answer.headers;
    if let Some(body) = answer.body {
        *response.body_mut() = body;
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
