//! The REST face: the service's side of the frame.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use rest::{Paths, Refused, Table};
use web::Caller;
use web::auth::{self, Authenticator};
use web::policy::Guard;

use crate::call::{Asked, Face};
use crate::core::Core;
use crate::fault::Fault;
use crate::routes;

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
