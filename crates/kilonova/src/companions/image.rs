//! The image service (Glance v2).

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use clients::{Service as Client, Session};
use image::{Images, LimitSource, LimitsUnavailable, Settings};
use settings::{Problems, section};
use sql::Database;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::Authenticator;
use web::policy::PolicyError;

use super::{Companion, Configured, Neighbours, Place, Row, ServiceUser};

pub const ROW: Row = Row {
    name: "image",
    catalog: &[("image", "glance")],
    path: "",
    // It reads the limits of projects.
    user: Some(ServiceUser {
        name: "glance",
        roles: &["service"],
    }),
    sections: || vec![section::<Settings>()],
    read,
    calls: image::calls,
    accepts: image::accepted,
    bodies: Vec::new,
    parameters: image::parameters,
    rules: &[image::POLICY_RULES],
    rule_prefix: "",
};

fn read(from: &settings::Settings) -> Result<Arc<dyn Configured>, Problems> {
    Ok(Arc::new(Chosen(from.read()?)))
}

struct Chosen(Settings);

#[async_trait]
impl Configured for Chosen {
    fn connection(&self) -> Option<&str> {
        self.0.connection.as_deref()
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn Companion>> {
        let db = place.database(ROW.name).await?;
        let mut settings = Settings {
            keep_free: place.config.place.disk_reserve,
            ..self.0.clone()
        };
        if settings.image_dir.as_os_str().is_empty() {
            settings.image_dir = place.folder.join("images");
        }
        let ask_limits = settings.use_keystone_limits;
        Ok(Arc::new(Service {
            images: Images::open(db, settings).await?,
            ask_limits,
        }))
    }
}

struct Service {
    images: Images,
    /// Whether the identity service is asked for limits.
    ask_limits: bool,
}

#[async_trait]
impl Companion for Service {
    fn database(&self) -> Option<&Database> {
        Some(self.images.database())
    }

    fn router(&self, callers: Arc<dyn Authenticator>) -> Router {
        self.images.router(callers)
    }

    fn reload_policy(&self) -> Result<(), PolicyError> {
        self.images.reload_policy()
    }

    async fn start(&self, neighbours: Neighbours, _stop: CancellationToken) -> JoinSet<()> {
        if let Some(session) = neighbours.session.filter(|_| self.ask_limits) {
            self.images.set_limit_source(Arc::new(Limits {
                identity: neighbours.identity,
                session,
                region: neighbours.region,
            }));
        }
        JoinSet::new()
    }

    async fn audit(&self, _at_rest: bool) -> Result<Vec<String>> {
        let found = self.images.audit().await?;
        let clean = found.is_clean();
        Ok((!clean)
            .then(|| format!("images: {found:?}"))
            .into_iter()
            .collect())
    }
}

/// Quotas as the identity service keeps them.
struct Limits {
    identity: Client,
    session: Session,
    /// The region whose limits hold.
    region: String,
}

#[async_trait]
impl LimitSource for Limits {
    async fn limits(&self, project_id: &str) -> Result<BTreeMap<String, i64>, LimitsUnavailable> {
        let asked = self.session.with(|token| async move {
            let place = ("image", self.region.as_str());
            clients::identity::limits(&self.identity, &token, place, project_id).await
        });
        asked
            .await
            .map_err(|error| LimitsUnavailable(error.to_string()))
    }
}
