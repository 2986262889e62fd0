//! The table of contents of the API: every call, its versions, its policy, its handler.

mod actions;
mod flavors;
mod gone;
mod operators;
mod projects;
mod proxies;
mod servers;

use std::sync::{Arc, LazyLock};

use axum::response::{IntoResponse, Response};
use compute_control::Context;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use microversion::Version;
use rest::words::OK;
use rest::{Access, Answering, Paths, Refused, Row, Serving, Table, Verb, built};
use web::body::BodyError;
use web::policy::Guard;
use web::{Caller, auth};

use crate::Api;
use crate::call::Call;
use crate::fault::{Fault, no_route};
use crate::versions::SERVICE;

/// One call of the API.
pub type Route = Row<Api>;

static TABLE: LazyLock<Table<Api>> = LazyLock::new(|| {
    Table::new(&[
        actions::ROWS,
        flavors::ROWS,
        gone::ROWS,
        operators::ROWS,
        projects::ROWS,
        proxies::ROWS,
        servers::ROWS,
    ])
});

/// Every call, those that are gone included.
pub fn table() -> &'static Table<Api> {
    &TABLE
}

impl rest::Service for Api {
    type Caller = Arc<Caller>;
    type Context = Context;
    type Fault = Fault;

    const VERSIONS: Option<microversion::Service> = Some(SERVICE);
    /// Older than every microversion.
    const LEGACY: Version = Version::new(2, 0);
    const PATHS: Paths = Paths {
        project_before: true,
        json_after: true,
        slash_after: false,
        head_is_get: false,
    };

    fn table() -> &'static Table<Self> {
        table()
    }

    async fn identify(self: &Arc<Self>, head: &Parts) -> Result<Arc<Caller>, Response> {
        auth::admit(self.authenticator.as_ref(), &head.headers).await
    }

    fn context(caller: Arc<Caller>, guard: Guard, head: &Parts) -> Context {
        Context {
            caller,
            request_id: web::request_id::given(head),
            guard,
        }
    }

    fn project(caller: &Arc<Caller>) -> Option<&str> {
        caller.project_id.as_deref()
    }

    /// Only JSON is understood; a plain text type counts as none.
    fn admit(head: &Parts) -> Result<(), Refused> {
        let Some(value) = head.headers.get(header::CONTENT_TYPE) else {
            return Ok(());
        };
        let media = value.to_str().unwrap_or("?").split(';').next();
        let media = media.unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "" | "text/plain" | "application/json" | "application/vnd.openstack.compute+json" => {
                Ok(())
            }
            _ => Err(Refused::MediaType),
        }
    }

    fn refuse(refused: Refused, headers: &HeaderMap) -> Response {
        match refused {
            // They come from in front of the API.
            Refused::NoPath | Refused::NoVerb(_) => no_route(headers),
            Refused::Body(error @ BodyError::TooLarge) => {
                let text = HeaderValue::from_static("text/plain; charset=UTF-8");
                let code = StatusCode::PAYLOAD_TOO_LARGE;
                (code, [(header::CONTENT_TYPE, text)], error.to_string()).into_response()
            }
            Refused::Malformed(_) => Fault::malformed().into_response(),
            refused => Fault::new(refused.status(), refused.to_string()).into_response(),
        }
    }
}

/// A route that is there at every version, with what serves it.
const fn row(
    verb: Verb,
    path: &'static str,
    access: Access,
    success: StatusCode,
    serving: Serving<Api>,
) -> Route {
    Row::new(verb, path, access, success, serving)
}

/// A route that was removed from all versions.
const fn gone(verb: Verb, path: &'static str) -> Route {
    row(verb, path, Access::Authenticated, OK, Serving::Gone)
}

/// Answers that the call is not built yet.
#[expect(non_upper_case_globals, reason = "reads as a handler in the tables")]
const not_built: Serving<Api> = Serving::NotBuilt;

/// Calls of which only the refusal is left: 400, with a pointer to what replaced them.
#[expect(non_upper_case_globals, reason = "reads as a handler in the tables")]
const always_refused: Serving<Api> = Serving::Known(refuse_replaced);

fn refuse_replaced(_: Arc<Api>, call: Call) -> Answering<Api> {
    let fault = Fault::bad_request(match call.action {
        Some("os-getRDPConsole") => "Guest does not have a console available.",
        _ => "Command Not supported. Please use Ironic command to perform this action.",
    });
    Box::pin(std::future::ready(Err(fault)))
}
