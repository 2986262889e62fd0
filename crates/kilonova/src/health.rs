//! What must work for the cloud to be of use: every database can be written.

use std::sync::Arc;

use axum::Router;
use compute_db::Database;
use http::HeaderMap;
use telemetry::Checks;
use web::Authenticator;

/// A check for each database, by the name of its service.
pub fn checks<'a>(databases: impl Iterator<Item = (&'static str, &'a Database)>) -> Checks {
    databases.fold(Checks::default(), |checks, (name, db)| {
        let db = db.clone();
        checks.on(name, move || {
            let db = db.clone();
            async move {
                db.probe_write()
                    .await
                    .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
            }
        })
    })
}

/// `/healthcheck` and `/metrics` as everybody reaches them: who has a token reads why a check fails.
pub fn front(checks: Checks, authenticator: Arc<dyn Authenticator>) -> Router {
    let insider = move |headers: HeaderMap| {
        let authenticator = authenticator.clone();
        async move {
            let token = headers
                .get("x-auth-token")
                .and_then(|token| token.to_str().ok());
            match token {
                Some(token) => authenticator.authenticate(token, None).await.is_ok(),
                None => false,
            }
        }
    };
    telemetry::health_router(checks, insider)
        .merge(telemetry::metrics_router(env!("CARGO_PKG_VERSION")))
}

/// The same at the operators' door, where everybody may read everything.
pub fn operators(checks: Checks) -> Router {
    telemetry::health_router(checks, |_| std::future::ready(true))
        .merge(telemetry::metrics_router(env!("CARGO_PKG_VERSION")))
}
