//! The shell of every REST face.
//!
//! A service is a table of rows ([`Row`]): verb, path, action, versions, who may call, the code of a success, how far we
//! are with it, and a handler. One frame ([`frame`]) finds the row, finds the caller, reads and bounds the body,
//! negotiates the version, runs the handler and renders its answer. Handlers hold no plumbing: they parse, call, render.
//!
//! The frame knows no service. How a service words what the frame refuses, how it finds callers and which dialect its
//! paths are written in, it says by [`Service`].
//!
//! What holds: a call that a row names a rule for never succeeds without that rule having been asked (debug builds end
//! such a request, so that no test passes by it).

pub mod accepted;
mod answer;
pub mod bodies;
mod call;
mod frame;
mod paging;
pub mod parameters;
mod refused;
mod row;
mod table;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use microversion::Version;
use web::policy::Guard;

pub use answer::Answer;
pub use call::{Call, Unrenderable};
pub use frame::{Below, asked, run, serve};
pub use paging::next_page;
pub use refused::Refused;
pub use row::{Access, Answering, Handler, Open, Row, Serving, Status, Streamed, Verb, words};
pub use table::{Found, Line, Paths, Table};

/// A REST face: what the frame must know of it.
pub trait Service: Send + Sync + Sized + 'static {
    /// Who asks.
    type Caller: Send + Sync + 'static;
    /// What its use cases are told of a request: who asks, and which rule guards the call.
    type Context: Send + 'static;
    /// What a handler fails with.
    type Fault: IntoResponse + Send + 'static;

    /// The microversions it speaks; none for a service without them.
    const VERSIONS: Option<microversion::Service> = None;
    /// The version that a request through an older face has, which speaks no microversions.
    const LEGACY: Version = Version::MIN;
    /// The dialect of its paths.
    const PATHS: Paths = Paths::PLAIN;
    /// Whether a token is asked for before anything is said about a path that does not exist, as `keystonemiddleware`
    /// in front of a service does.
    const TOKEN_BEFORE_PATH: bool = true;

    /// All its calls.
    fn table() -> &'static Table<Self>;

    /// Finds who asks.
    ///
    /// # Errors
    /// The answer to a request whose caller cannot be found.
    fn identify(
        self: &Arc<Self>,
        head: &Parts,
    ) -> impl Future<Output = Result<Self::Caller, Response>> + Send;

    /// What use cases are told.
    fn context(caller: Self::Caller, guard: Guard, head: &Parts) -> Self::Context;

    /// The project that a caller acts in.
    fn project(caller: &Self::Caller) -> Option<&str>;

    /// Looks at the headers of a call that was found, before its body is looked at.
    ///
    /// # Errors
    /// What it refuses.
    fn admit(_head: &Parts) -> Result<(), Refused> {
        Ok(())
    }

    /// How the service words what the frame refuses.
    fn refuse(refused: Refused, headers: &HeaderMap) -> Response;
}

/// The router of a service: [`serve`], and around it what every face has: answers that promise something leave when
/// that is safe ([`web::durable`]), and each request has an id ([`web::request_id`]), in `id_header` too where a service
/// has one of its own.
pub fn router<S: Service>(
    service: Arc<S>,
    durable: web::Durable,
    id_header: Option<&'static str>,
) -> Router {
    let serve = move |request: Request| serve(service.clone(), request);
    wrap(Router::new().fallback(serve), durable, id_header)
}

/// The same around routes that a service built itself.
pub fn wrap(routes: Router, durable: web::Durable, id_header: Option<&'static str>) -> Router {
    routes
        .layer(middleware::from_fn_with_state(durable, web::durable::layer))
        .layer(middleware::from_fn(move |request, next| {
            web::request_id::layer(id_header, request, next)
        }))
}

/// What serves a call of somebody known, in a row of a table: `built!(servers::show)`.
#[macro_export]
macro_rules! built {
    ($handler:path) => {
        $crate::Serving::Known(|service, call| Box::pin($handler(service, call)))
    };
}

/// The same for a handler that reads the body as it comes: `streamed!(data::upload)`.
#[macro_export]
macro_rules! streamed {
    ($handler:path) => {
        $crate::Serving::Streamed(|service, call, body| Box::pin($handler(service, call, body)))
    };
}

/// What serves a call that needs no token, in a row of a table: `open!(versions::list)`.
#[macro_export]
macro_rules! open {
    ($handler:path) => {
        $crate::Serving::Open(|service, call| Box::pin($handler(service, call)))
    };
}
