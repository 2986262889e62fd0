//! The REST face: the table of routes as it is served, and who asks found by their token.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rest::{Paths, Refused, Table};
use web::policy::Guard;

use crate::establish;
use crate::fault::Fault;
use crate::frame::Who;
use crate::narrow;
use crate::routes;
use crate::session::Session;
use crate::state::State;

/// The router of the table of routes. Every answer depends on the token, and a refused one says where to get one.
pub fn router(state: Arc<State>) -> Router {
    let db = state.db.clone();
    let durable = web::Durable::by(move || {
        let db = db.clone();
        async move { db.durable().await }
    });
    let keystone = format!("Keystone uri=\"{}\"", state.settings.public_url);
    let keystone = HeaderValue::from_str(&keystone).ok();
    rest::router(state, durable, None).layer(axum::middleware::map_response(
        move |mut response: Response| {
            let vary = HeaderValue::from_static("X-Auth-Token");
            response.headers_mut().insert(header::VARY, vary);
            let refused = response.status() == StatusCode::UNAUTHORIZED;
            if let Some(keystone) = keystone.clone().filter(|_| refused) {
                let headers = response.headers_mut();
                headers.insert(header::WWW_AUTHENTICATE, keystone);
            }
            std::future::ready(response)
        },
    ))
}

impl rest::Service for State {
    type Caller = Arc<Session>;
    type Context = Who;
    type Fault = Fault;

    const PATHS: Paths = Paths {
        // Clients write some paths with a slash at the end (`OS-TRUST/trusts/?…`).
        slash_after: true,
        head_is_get: true,
        ..Paths::PLAIN
    };
    const TOKEN_BEFORE_PATH: bool = false;

    fn table() -> &'static Table<Self> {
        routes::table()
    }

    async fn identify(self: &Arc<Self>, head: &Parts) -> Result<Arc<Session>, Response> {
        let session = find_session(self, head).await;
        session.map_err(IntoResponse::into_response)
    }

    fn context(session: Arc<Session>, guard: Guard, _: &Parts) -> Who {
        Who { session, guard }
    }

    fn project(session: &Arc<Session>) -> Option<&str> {
        session.caller.project_id.as_deref()
    }

    fn refuse(refused: Refused, _: &HeaderMap) -> Response {
        Fault::from(refused).into_response()
    }
}

async fn find_session(state: &Arc<State>, head: &Parts) -> Result<Arc<Session>, Fault> {
    let token = head.headers.get("x-auth-token");
    let token = token.and_then(|value| value.to_str().ok());
    let token = token.filter(|token| !token.is_empty());
    let session = establish::of_token(state, token.ok_or(Fault::Unauthorized)?, false).await?;
    narrow::admit(&session, &head.method, head.uri.path())?;
    Ok(session)
}
