//! The metadata service: tells guests of themselves over HTTP.
//!
//! A guest is known by the signed headers of the proxy in front of it, which knows the port that
//! the request came from. Without a signature nothing is told: a source address alone is what a
//! neighbour can forge.

mod identify;
mod password;
mod places;

use std::path::PathBuf;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use compute_db::{Database, passwords};
use compute_model::Server;
use compute_model::metadata::{self, Guest};
use http::{Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest, Sha512};

pub use identify::sign;

/// What an operator decides about the service.
#[derive(Clone)]
pub struct Settings {
    /// Shared with the proxies (`[neutron] metadata_proxy_shared_secret`).
    pub shared_secret: SecretString,
    /// Appended to host names (`[api] dhcp_domain`).
    pub dhcp_domain: String,
    /// A JSON document for all guests (`[api] vendordata_jsonfile_path`).
    pub vendordata_jsonfile_path: Option<PathBuf>,
}

/// The service's state.
#[derive(Clone)]
struct Service {
    db: Database,
    settings: Settings,
    vendor_data: Option<Value>,
    places: places::Places,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot read the vendor data file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the vendor data file {} is not JSON", path.display())]
    NotJson {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

/// The service as a router that takes every path.
///
/// # Errors
/// The vendor data file cannot be read.
pub fn router(db: Database, settings: Settings) -> Result<Router, StartError> {
    let vendor_data = match &settings.vendordata_jsonfile_path {
        Some(path) => Some(vendor_data(path)?),
        None => None,
    };
    let service = Service {
        db,
        settings,
        vendor_data,
        places: places::Places::default(),
    };
    Ok(Router::new().fallback(answer).with_state(service))
}

fn vendor_data(path: &std::path::Path) -> Result<Value, StartError> {
    let text = std::fs::read(path).map_err(|source| StartError::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| StartError::NotJson {
        path: path.to_owned(),
        source,
    })
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let server = match identify::server(&service.db, &service.settings, request.headers()).await {
        Ok(server) => server,
        Err(refusal) => {
            let status = refusal.status();
            return (status, refusal.to_string()).into_response();
        }
    };
    let Some(_place) = service.places.take(&server.id) else {
        let wait = [(header::RETRY_AFTER, "1")];
        return (
            StatusCode::TOO_MANY_REQUESTS,
            wait,
            "Too many questions at once.",
        )
            .into_response();
    };
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let wanted = metadata::is_password(request.uri().path());
    match (reads, wanted) {
        (true, _) => {}
        (false, true) => return password::keep(&service.db, &server, request).await,
        (false, false) => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
    let posted = match wanted {
        true => passwords::find(service.db.read(), &server.id).await,
        false => Ok(None),
    };
    let posted = match posted {
        Ok(posted) => posted,
        Err(error) => {
            tracing::error!(%error, "cannot look up a guest's password");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let seed = random_seed(&service.settings, &server);
    let guest = Guest {
        server: &server,
        dhcp_domain: &service.settings.dhcp_domain,
        random_seed: &seed,
        admin_password: None,
        files: &[],
        vendor_data: service.vendor_data.as_ref(),
        password: posted.as_deref(),
        user_data: server.user_data.as_ref().and_then(|text| {
            BASE64
                .decode(text.split_whitespace().collect::<String>())
                .ok()
        }),
    };
    match metadata::at(&guest, request.uri().path()) {
        Some(document) => (
            [(header::CONTENT_TYPE, document.content_type)],
            document.body,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// 512 bytes that only this guest can know: derived, so that every answer is the same.
fn random_seed(settings: &Settings, server: &Server) -> Vec<u8> {
    use secrecy::ExposeSecret;
    let mut seed = Vec::with_capacity(512);
    for part in 0u8..8 {
        let mut digest = Sha512::new();
        digest.update(settings.shared_secret.expose_secret());
        digest.update(&server.id);
        digest.update([part]);
        seed.extend_from_slice(&digest.finalize());
    }
    seed
}
