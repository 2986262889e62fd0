//! The identity service (Keystone v3).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use identity::{Bootstrap, Endpoint, Identity, Interface, Settings};
use settings::Problems;
use sql::Database;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::Authenticator;
use web::policy::PolicyError;

use super::{Companion, Configured, First, KeySet, Keystone, Neighbours, Place, Row};

/// How often the age of the primary key is looked at.
const LOOK: Duration = Duration::from_secs(60);

pub const ROW: Row = Row {
    name: "identity",
    catalog: &[("identity", "keystone")],
    path: "",
    user: None,
    sections: identity::sections,
    read,
    calls: identity::calls,
    accepts: identity::accepted,
    bodies: Vec::new,
    parameters: identity::parameters,
    rules: identity::POLICY_TABLES,
    rule_prefix: "identity:",
};

fn read(from: &settings::Settings) -> Result<Arc<dyn Configured>, Problems> {
    Ok(Arc::new(Chosen(identity::read(from)?)))
}

struct Chosen(Settings);

#[async_trait]
impl Configured for Chosen {
    fn connection(&self) -> Option<&str> {
        self.0.connection.as_deref()
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn Companion>> {
        let db = place.database(ROW.name).await?;
        let settings = Settings {
            fernet_keys: place.folder.join("keys/fernet"),
            credential_keys: place.folder.join("keys/credential"),
            public_url: format!("{}/identity", place.url),
            ..self.0.clone()
        };
        Ok(Arc::new(Service(Identity::open(db, settings).await?)))
    }
}

struct Service(Identity);

#[async_trait]
impl Companion for Service {
    fn database(&self) -> Option<&Database> {
        Some(self.0.database())
    }

    fn router(&self, _callers: Arc<dyn Authenticator>) -> Router {
        self.0.router()
    }

    fn reload_policy(&self) -> Result<(), PolicyError> {
        self.0.reload_policy()
    }

    async fn start(&self, _neighbours: Neighbours, stop: CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(rotate_on_time(self.0.clone(), stop));
        tasks
    }

    fn keystone(&self) -> Option<&dyn Keystone> {
        Some(self)
    }
}

#[async_trait]
impl Keystone for Service {
    fn authenticator(&self) -> Arc<dyn Authenticator> {
        self.0.authenticator()
    }

    async fn bootstrap(&self, first: &First) -> Result<()> {
        let users = first.service_users.iter();
        let wanted = Bootstrap {
            admin_password: first.admin_password.clone(),
            demo_password: Some(first.demo_password.clone()),
            service_users: users
                .map(|(user, password)| identity::ServiceUser {
                    name: user.name.to_owned(),
                    password: password.clone(),
                    roles: user.roles,
                })
                .collect(),
            region: first.region.clone(),
            endpoints: endpoints(first),
            reset_passwords: first.reset_passwords,
        };
        Ok(self.0.bootstrap(&wanted).await?)
    }

    async fn rotate(&self, which: KeySet) -> Result<String> {
        match which {
            KeySet::Tokens => {
                self.0.rotate_token_keys()?;
                Ok(
                    "tokens are made with a new key; those made before stay good for their life"
                        .to_owned(),
                )
            }
            KeySet::Credentials => {
                let count = self.0.rotate_credential_keys().await?;
                Ok(format!("{count} credentials are encrypted with a new key"))
            }
        }
    }
}

fn endpoints(first: &First) -> Vec<Endpoint> {
    let each = first.endpoints.iter().flat_map(|(kind, name, url)| {
        Interface::ALL.into_iter().map(|interface| Endpoint {
            service_type: (*kind).to_owned(),
            service_name: (*name).to_owned(),
            interface,
            url: url.clone(),
        })
    });
    each.collect()
}

/// Rotates the keys of tokens while the cloud runs, when the primary one is old enough.
async fn rotate_on_time(identity: Identity, stop: CancellationToken) {
    loop {
        match identity.rotate_token_keys_when_due(SystemTime::now()) {
            Ok(true) => tracing::info!("tokens are made with a new key"),
            Ok(false) => {}
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the keys of tokens could not be rotated"
            ),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}
