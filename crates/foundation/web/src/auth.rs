//! Who is asking: the caller behind a token, and the answer when there is none.

use std::sync::Arc;

use async_trait::async_trait;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};

use crate::body;
use crate::policy::Subject;

/// An authenticated caller: what its token says. Having one is the proof that a token was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user_id: String,
    pub user_name: String,
    pub user_domain_id: String,
    pub user_domain_name: String,
    /// The project the token is scoped to, if any.
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub project_domain_id: Option<String>,
    pub project_domain_name: Option<String>,
    /// The domain the token is scoped to, if any.
    pub domain_id: Option<String>,
    /// Whether the token is scoped to the whole system.
    pub system: bool,
    /// Role names, implied ones included.
    pub roles: Vec<String>,
    /// Role names of the service token that came along in `X-Service-Token`.
    pub service_roles: Vec<String>,
    pub expires_at: DateTime<Utc>,
    /// The token itself, for asking another service in the caller's name.
    pub token: SecretString,
}

impl Caller {
    /// Whether the caller has this role; names compare without regard to case.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles
            .iter()
            .any(|role| role.eq_ignore_ascii_case(name))
    }

    /// The token, for a header of a request to another service.
    pub fn token(&self) -> &str {
        self.token.expose_secret()
    }
}

impl Subject for Caller {
    fn attribute(&self, name: &str) -> Option<&str> {
        match name {
            "user_id" => Some(&self.user_id),
            "user_domain_id" => Some(&self.user_domain_id),
            "project_id" | "tenant" | "tenant_id" => self.project_id.as_deref(),
            "project_domain_id" => self.project_domain_id.as_deref(),
            "domain_id" => self.domain_id.as_deref(),
            "system_scope" => self.system.then_some("all"),
            _ => None,
        }
    }

    fn lacks(&self, name: &str) -> bool {
        let scope = [
            "domain_id",
            "project_domain_id",
            "project_id",
            "system_scope",
            "tenant",
            "tenant_id",
        ];
        scope.contains(&name) && self.attribute(name).is_none()
    }

    fn roles(&self) -> &[String] {
        &self.roles
    }

    fn service_roles(&self) -> &[String] {
        &self.service_roles
    }
}

/// Why a token gave no caller.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No token, or one that is unknown, expired or revoked.
    #[error("the token is missing, expired, revoked or unknown")]
    Unauthorized,
    /// The identity service could not be asked.
    #[error("the identity service does not answer: {0}")]
    Unavailable(String),
}

/// Checks tokens. The real one asks the identity service and remembers the answer for a while.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The caller behind `token`; `service_token` is the value of `X-Service-Token`, if sent.
    async fn authenticate(
        &self,
        token: &str,
        service_token: Option<&str>,
    ) -> Result<Arc<Caller>, AuthError>;

    /// The address that a 401 names in `WWW-Authenticate`.
    fn identity_url(&self) -> String;
}

/// The caller behind the token headers of a request.
///
/// # Errors
/// The answer as keystonemiddleware gives it: 401, or 503 when the identity service is away.
pub async fn admit(
    authenticator: &dyn Authenticator,
    headers: &HeaderMap,
) -> Result<Arc<Caller>, Response> {
    let found = identify(authenticator, headers).await;
    found.map_err(|error| refuse(&error, &authenticator.identity_url()))
}

/// The caller behind the token headers of a request.
pub async fn identify(
    authenticator: &dyn Authenticator,
    headers: &HeaderMap,
) -> Result<Arc<Caller>, AuthError> {
    let token = header_text(headers, "x-auth-token")
        .or_else(|| header_text(headers, "x-storage-token"))
        .ok_or(AuthError::Unauthorized)?;
    authenticator
        .authenticate(token, header_text(headers, "x-service-token"))
        .await
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The answer to a request whose caller could not be found.
pub fn refuse(error: &AuthError, identity_url: &str) -> Response {
    let (status, message) = match error {
        AuthError::Unauthorized => (
            StatusCode::UNAUTHORIZED,
            "The request you have made requires authentication.",
        ),
        AuthError::Unavailable(why) => {
            tracing::error!(why, "cannot check a token");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "The Keystone service is temporarily unavailable.",
            )
        }
    };
    let mut response = body::json(status, &body::fault(status, message));
    if status == StatusCode::UNAUTHORIZED {
        let value = format!("Keystone uri=\"{identity_url}\"");
        if let Ok(value) = value.parse() {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
    }
    response
}
