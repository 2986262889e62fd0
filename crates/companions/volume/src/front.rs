//! The service's side of the frame: paths, callers, contexts.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use rest::{Below, Paths, Refused, Table};
use web::auth::{self, Authenticator};
use web::policy::Guard;
use web::{BaseUrl, Caller};

use crate::api::{Cx, Face, versions};
use crate::fault::{self, Fault};
use crate::routes;
use crate::service::Volumes;

/// Where the table of calls is mounted.
const MOUNT: &str = "/v3";

/// The routes of the service, without the prefix it is mounted at. Version documents need no token.
pub fn router(volumes: Volumes, authenticator: Arc<dyn Authenticator>) -> Router {
    let db = volumes.db().clone();
    let durable = web::Durable::by(move || {
        let db = db.clone();
        async move { db.durable().await }
    });
    let face = Arc::new(Face {
        volumes,
        authenticator,
    });
    let routes = Router::new().fallback(serve).with_state(face);
    rest::wrap(routes, durable, Some("x-compute-request-id"))
}

/// Serves any request: version documents, and what lies below the mount point.
async fn serve(State(face): State<Arc<Face>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let below = path.strip_prefix(MOUNT);
    match below.filter(|below| below.is_empty() || below.starts_with('/')) {
        Some("" | "/") => versions::document(&BaseUrl::of_head(&head)),
        Some(below) => {
            let below = Below {
                mount: MOUNT,
                path: below,
                legacy: false,
            };
            rest::run(face, head, body, below).await
        }
        None if matches!(path.as_str(), "" | "/") => versions::choices(&BaseUrl::of_head(&head)),
        None => fault::no_route(&head.headers),
    }
}

impl rest::Service for Face {
    type Caller = Arc<Caller>;
    type Context = Cx;
    type Fault = Fault;

    const VERSIONS: Option<microversion::Service> = Some(versions::SERVICE);
    const PATHS: Paths = Paths {
        project_before: true,
        json_after: true,
        slash_after: false,
        head_is_get: true,
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

    fn refuse(refused: Refused, headers: &HeaderMap) -> Response {
        fault::refuse(refused, headers)
    }
}
