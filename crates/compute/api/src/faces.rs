//! The faces of the API: where the table of calls is mounted, and the version documents around it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use microversion::{negotiate, stamp};
use rest::{Below, Refused, Service};
use web::BaseUrl;

use crate::Api;
use crate::versions::{self, Face, SERVICE};

/// Serves any request.
pub async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let base = BaseUrl::of_head(&head);
    let path = head.uri.path().to_owned();
    let (face, below) = match mounted(&path) {
        Some(mounted) => mounted,
        None if path == "/" || path.is_empty() => {
            return versions::answer(StatusCode::OK, &versions::list(&base.0));
        }
        None => {
            let choices = versions::choices(&base.0, &path);
            return versions::answer(StatusCode::MULTIPLE_CHOICES, &choices);
        }
    };
    if below.is_empty() || below == "/" {
        return document(&head, &base, face);
    }
    let below = Below {
        mount: face.mount(),
        path: below,
        legacy: face == Face::Legacy,
    };
    rest::run(api, head, body, below).await
}

/// The face a path belongs to, and what of it is below the mount point.
fn mounted(path: &str) -> Option<(Face, &str)> {
    let faces = [Face::Current, Face::Legacy];
    faces.into_iter().find_map(|face| {
        let below = path.strip_prefix(face.mount())?;
        (below.is_empty() || below.starts_with('/')).then_some((face, below))
    })
}

/// The version document at the root of a mount point. It honours the version headers and needs no token.
fn document(head: &Parts, base: &BaseUrl, face: Face) -> Response {
    let asked = match face {
        Face::Current => negotiate(&SERVICE, &head.headers),
        Face::Legacy => Ok(SERVICE.min),
    };
    let document = || versions::answer(StatusCode::OK, &versions::document(&base.0, face));
    let (version, mut response) = match asked {
        Ok(version) => (Some(version), document()),
        Err(error) => (
            rest::asked(&error),
            Api::refuse(Refused::Version(error), &head.headers),
        ),
    };
    if let Some(version) = version.filter(|_| face == Face::Current) {
        stamp(&SERVICE, version, response.headers_mut());
    }
    response
}
