//! Keystone: whom a token belongs to, and whether a project exists.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use web::{AuthError, Authenticator, Caller};

use crate::{ClientError, Result, Service, Session};

/// How long an answer about a token is believed. A revoked token may work that much longer;
/// keystonemiddleware's own default is five minutes.
const REMEMBER: Duration = Duration::from_secs(30);

/// Tokens remembered at once.
const CAPACITY: u64 = 100_000;

/// Checks tokens with a Keystone.
pub struct Keystone {
    service: Service,
    session: Session,
    url: String,
    known: moka::future::Cache<String, Arc<Caller>>,
}

impl Keystone {
    /// `session` is the service user that asks; `url` is what a 401 names.
    pub fn new(service: Service, session: Session, url: String) -> Self {
        Keystone {
            service,
            session,
            url,
            known: moka::future::Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(REMEMBER)
                .build(),
        }
    }

    async fn validate(&self, token: &str, expired_too: bool) -> Result<Caller> {
        let path = match expired_too {
            true => "/v3/auth/tokens?nocatalog&allow_expired=1",
            false => "/v3/auth/tokens?nocatalog",
        };
        self.session
            .with(|own| async move {
                let reply = self
                    .service
                    .send(
                        Method::GET,
                        path,
                        &[("x-auth-token", &own), ("x-subject-token", token)],
                        bytes::Bytes::new(),
                    )
                    .await?
                    .accepted()
                    .await?;
                let bytes = reply.bytes().await?;
                caller(&bytes, token).ok_or_else(|| self.service.unreadable("no token document"))
            })
            .await
    }

    async fn ask(&self, token: &str, expired_too: bool) -> std::result::Result<Caller, AuthError> {
        match self.validate(token, expired_too).await {
            Ok(caller) => Ok(caller),
            Err(ClientError::Refused { status, .. }) if status.is_client_error() => {
                Err(AuthError::Unauthorized)
            }
            Err(error) => Err(AuthError::Unavailable(error.to_string())),
        }
    }
}

#[async_trait]
impl Authenticator for Keystone {
    async fn authenticate(
        &self,
        token: &str,
        service_token: Option<&str>,
    ) -> std::result::Result<Arc<Caller>, AuthError> {
        let service_roles = match service_token {
            Some(other) => self.ask(other, false).await?.roles,
            None => Vec::new(),
        };
        let trusted = service_roles.iter().any(|role| role == "service");
        if let Some(known) = self.known.get(token).await
            && service_roles.is_empty()
            && known.expires_at > Utc::now()
        {
            return Ok(known);
        }
        let mut caller = self.ask(token, trusted).await?;
        caller.service_roles = service_roles;
        let caller = Arc::new(caller);
        if caller.service_roles.is_empty() {
            self.known.insert(token.to_owned(), caller.clone()).await;
        }
        Ok(caller)
    }

    fn identity_url(&self) -> String {
        self.url.clone()
    }
}

#[derive(Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Owned {
    id: String,
    name: String,
    domain: Named,
}

#[derive(Deserialize)]
struct Token {
    user: Owned,
    project: Option<Owned>,
    domain: Option<Named>,
    #[serde(default)]
    system: Value,
    #[serde(default)]
    roles: Vec<Named>,
    expires_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Document {
    token: Token,
}

/// The caller that a token document describes.
fn caller(document: &[u8], token: &str) -> Option<Caller> {
    let Document { token: read } = serde_json::from_slice(document).ok()?;
    let (project, project_domain) = match read.project {
        Some(project) => (Some((project.id, project.name)), Some(project.domain)),
        None => (None, None),
    };
    let (project_id, project_name) = project.unzip();
    Some(Caller {
        user_id: read.user.id,
        user_name: read.user.name,
        user_domain_id: read.user.domain.id,
        user_domain_name: read.user.domain.name,
        project_id,
        project_name,
        project_domain_id: project_domain.as_ref().map(|domain| domain.id.clone()),
        project_domain_name: project_domain.map(|domain| domain.name),
        domain_id: read.domain.map(|domain| domain.id),
        system: read.system["all"].as_bool().unwrap_or_default(),
        roles: read.roles.into_iter().map(|role| role.name).collect(),
        service_roles: Vec::new(),
        expires_at: read.expires_at,
        token: SecretString::from(token.to_owned()),
    })
}

/// Whether a project exists; `None` when the caller's token may not know.
pub async fn project_exists(service: &Service, token: &str, id: &str) -> Result<Option<bool>> {
    let path = format!("/v3/projects/{}", crate::image::segment(id));
    match service.json::<Value>(Method::GET, &path, token, None).await {
        Ok(_) => Ok(Some(true)),
        Err(error) if error.is_not_found() => Ok(Some(false)),
        Err(error) if error.status().is_some_and(|status| status.as_u16() == 403) => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct CatalogEntry {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Catalog {
    catalog: Vec<CatalogEntry>,
}

/// A registered limit or a project's own; each has its number under another name.
#[derive(Deserialize)]
struct UnifiedLimit {
    resource_name: String,
    region_id: Option<String>,
    #[serde(alias = "default_limit", alias = "resource_limit")]
    number: i64,
}

#[derive(Deserialize)]
struct UnifiedLimits {
    #[serde(alias = "registered_limits")]
    limits: Vec<UnifiedLimit>,
}

/// The unified limits that hold for a project at the service of type `service_type` in `region`, by
/// resource: what is registered, and over it what was set for the project. A limit of the region
/// goes before one of all regions.
///
/// # Errors
/// What the identity service answers. A service that is not in the catalog has no limits.
pub async fn limits(
    identity: &Service,
    token: &str,
    (service_type, region): (&str, &str),
    project_id: &str,
) -> Result<BTreeMap<String, i64>> {
    let path = "/v3/auth/catalog";
    let catalog: Catalog = identity.json(Method::GET, path, token, None).await?;
    let mut entries = catalog.catalog.into_iter();
    let Some(service) = entries.find(|entry| entry.kind == service_type) else {
        return Ok(BTreeMap::new());
    };
    let service = crate::image::segment(&service.id);
    let project = crate::image::segment(project_id);
    let mut known = BTreeMap::new();
    for path in [
        format!("/v3/registered_limits?service_id={service}"),
        format!("/v3/limits?service_id={service}&project_id={project}"),
    ] {
        let found: UnifiedLimits = identity.json(Method::GET, &path, token, None).await?;
        for of_region in [false, true] {
            for limit in &found.limits {
                let fits = match &limit.region_id {
                    None => !of_region,
                    Some(name) => of_region && name == region,
                };
                if fits {
                    known.insert(limit.resource_name.clone(), limit.number);
                }
            }
        }
    }
    Ok(known)
}
