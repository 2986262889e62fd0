//! Which server asks: by the proxy's headers, whose signature is checked in constant time.

use compute_db::{Database, DbError, servers};
use compute_model::Server;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::Settings;

const SERVER: &str = "x-instance-id";
const TENANT: &str = "x-tenant-id";
const SIGNATURE: &str = "x-instance-id-signature";

/// Why nobody is told anything.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0} header is missing from request.")]
    Missing(&'static str),
    #[error("Invalid proxy request signature.")]
    Signature,
    #[error("")]
    Unknown,
    #[error("An unknown error has occurred. Please try your request again.")]
    Internal,
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Missing(_) => StatusCode::BAD_REQUEST,
            Refusal::Signature => StatusCode::FORBIDDEN,
            Refusal::Unknown => StatusCode::NOT_FOUND,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The server behind a proxied request.
pub async fn server(
    db: &Database,
    settings: &Settings,
    headers: &HeaderMap,
) -> Result<Server, Refusal> {
    let text = |name: &'static str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or(Refusal::Missing(name))
    };
    let (id, tenant, signature) = (text(SERVER)?, text(TENANT)?, text(SIGNATURE)?);
    let claimed = hex::decode(signature).map_err(|_| Refusal::Signature)?;
    mac(settings.shared_secret.expose_secret(), id)
        .verify_slice(&claimed)
        .map_err(|_| Refusal::Signature)?;
    let server = servers::find(db.read(), id)
        .await
        .map_err(|error| match error {
            DbError::NotFound(_) => Refusal::Unknown,
            error => {
                tracing::error!(%error, "cannot look up a guest");
                Refusal::Internal
            }
        })?;
    match server.project_id == tenant {
        true => Ok(server),
        false => Err(Refusal::Unknown),
    }
}

/// The signature that a proxy adds for a server: hex of HMAC-SHA256.
pub fn sign(secret: &str, server_id: &str) -> String {
    hex::encode(mac(secret, server_id).finalize().into_bytes())
}

fn mac(secret: &str, server_id: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(server_id.as_bytes());
    mac
}
