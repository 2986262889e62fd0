//! A service user's token, kept fresh.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{ClientError, Result, Service};

/// Tokens are renewed this long before they end, so that none ends on its way.
const MARGIN: TimeDelta = TimeDelta::seconds(120);

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub password: SecretString,
    pub project: String,
    /// Domain of both, by name.
    pub domain: String,
}

/// A login with the token it gave. Cheap to clone; all clones share the token.
#[derive(Clone)]
pub struct Session {
    identity: Service,
    login: Login,
    token: Arc<Mutex<Option<Token>>>,
}

/// A token and when it ends.
type Token = (String, DateTime<Utc>);

impl Session {
    /// A session that logs in when a token is first needed.
    pub fn new(identity: Service, login: Login) -> Self {
        Session {
            identity,
            login,
            token: Arc::default(),
        }
    }

    /// What only those know who log in so: the key of what they keep for one another.
    pub fn secret(&self) -> &SecretString {
        &self.login.password
    }

    /// A token that is valid for a while yet.
    pub fn token(&self) -> BoxFuture<'_, Result<String>> {
        self.good_token().boxed()
    }

    async fn good_token(&self) -> Result<String> {
        let mut kept = self.token.lock().await;
        if let Some((token, expires)) = kept.as_ref()
            && *expires - MARGIN > Utc::now()
        {
            return Ok(token.clone());
        }
        let (token, expires) = self.log_in().await?;
        *kept = Some((token.clone(), expires));
        Ok(token)
    }

    /// Forgets the token: a service refused it, perhaps since it was revoked.
    pub async fn forget(&self) {
        *self.token.lock().await = None;
    }

    /// Runs a call with a token, once more with a fresh one when the first was refused.
    pub async fn with<T, F, Fut>(&self, call: F) -> Result<T>
    where
        F: Fn(String) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        match call(self.token().await?).await {
            Err(ClientError::Refused { status, .. }) if status.as_u16() == 401 => {
                self.forget().await;
                call(self.token().await?).await
            }
            other => other,
        }
    }

    async fn log_in(&self) -> Result<Token> {
        let domain = json!({"name": self.login.domain});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": self.login.user,
                "domain": domain,
                "password": self.login.password.expose_secret(),
            }}},
            "scope": {"project": {"name": self.login.project, "domain": domain}},
        }});
        let reply = self
            .identity
            .send(
                Method::POST,
                "/v3/auth/tokens?nocatalog",
                &[("content-type", "application/json")],
                Bytes::from(body.to_string()),
            )
            .await?
            .accepted()
            .await?;
        let token = reply
            .headers
            .get("x-subject-token")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
            .ok_or_else(|| self.identity.unreadable("no X-Subject-Token"))?;
        let document: Value = serde_json::from_slice(&reply.bytes().await?)
            .map_err(|error| self.identity.unreadable(&error.to_string()))?;
        let expires = document["token"]["expires_at"]
            .as_str()
            .and_then(|text| text.parse::<DateTime<Utc>>().ok())
            .ok_or_else(|| self.identity.unreadable("no expires_at"))?;
        Ok((token, expires))
    }
}
