//! The REST face: the service's side of the frame.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use rest::{Paths, Refused, Table};
use web::Caller;
use web::auth::{self, Authenticator};
use web::policy::Guard;

use crate::call::{Cx, Face};
use crate::fault::{self, Fault};
use crate::routes;
use crate::service::Images;

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
