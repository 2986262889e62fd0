//! The placement service (Placement 1.0): its calls, none of which is built beside the version document. What it would
//! show, inventories and allocations, the compute service keeps as claims.

mod routes;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use rest::parameters::{Parameters, Unknown};
use rest::{Answer, Refused, Table};
use serde_json::json;
use web::auth::{self, Authenticator, Caller};
use web::policy::Guard;

/// Every call of the API, for documents and for tests that walk them.
pub fn calls() -> Vec<rest::Line> {
    routes::table().lines()
}

/// What queries of calls may say: nothing yet.
pub fn parameters() -> Vec<Parameters> {
    vec![Parameters {
        calls: &["GET /"],
        known: Vec::new(),
        unknown: Unknown::Ignored("as in Placement"),
    }]
}

/// The REST face, to be mounted under a prefix of choice.
pub fn router(authenticator: Arc<dyn Authenticator>) -> Router {
    let face = Arc::new(Face { authenticator });
    rest::router(face, web::Durable::nothing(), None)
}

/// What the frame works with.
struct Face {
    authenticator: Arc<dyn Authenticator>,
}

impl rest::Service for Face {
    type Caller = Arc<Caller>;
    type Context = ();
    type Fault = Fault;

    fn table() -> &'static Table<Self> {
        routes::table()
    }

    async fn identify(self: &Arc<Self>, head: &Parts) -> Result<Arc<Caller>, Response> {
        auth::admit(self.authenticator.as_ref(), &head.headers).await
    }

    fn context(_caller: Arc<Caller>, _guard: Guard, _head: &Parts) -> Self::Context {}

    fn project(caller: &Arc<Caller>) -> Option<&str> {
        caller.project_id.as_deref()
    }

    fn refuse(refused: Refused, _: &HeaderMap) -> Response {
        Fault(refused).into_response()
    }
}

/// `GET /`.
async fn versions(_: Arc<Face>, call: rest::Call<()>) -> Result<Answer, Fault> {
    let link = json!({"rel": "self", "href": call.base.0});
    Ok(Answer::of(&json!({"versions": [{
        "id": "v1.0", "min_version": "1.0", "max_version": "1.0", "status": "CURRENT", "links": [link],
    }]})))
}

/// A request that is refused, told as a list of errors, as Placement words them.
struct Fault(Refused);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let title = status.canonical_reason().unwrap_or_default();
        let error =
            json!({"status": status.as_u16(), "title": title, "detail": self.0.to_string()});
        (status, axum::Json(json!({"errors": [error]}))).into_response()
    }
}
