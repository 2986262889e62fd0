//! The service as the binary holds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use network_plane::{Plane, PlaneError, PlaneSettings};
use sql::{Database, SqlError};
use tokio::sync::{Notify, RwLock};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::Authenticator;
use web::policy::PolicyError;

use crate::core::Core;
use crate::fault::Fault;
use crate::host_ranges::HostRanges;
use crate::metadata::MetadataUpstream;
use crate::migrations::HISTORY;
use crate::policy::Access;
use crate::settings::{PlaneKind, Settings};
use crate::sink::EventSink;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the network service's database")]
    Database(#[from] SqlError),
    #[error("the network service's policy")]
    Policy(#[from] PolicyError),
    #[error("the host's networks")]
    Plane(#[from] PlaneError),
}

/// The network service. Cheap to clone.
#[derive(Clone)]
pub struct Networks {
    pub(crate) core: Arc<Core>,
    plane: Option<Plane>,
}

impl Networks {
    /// Opens the service on its database, whose tables it brings up to date.
    pub async fn open(db: Database, mut settings: Settings) -> Result<Self, OpenError> {
        db.apply(&HISTORY).await?;
        let plane = open_plane(&settings).await?;
        if let Some(plane) = &plane {
            // Another cloud of this machine may have the usual id.
            settings.cloud_id = plane.cloud_id().to_owned();
        }
        let core = Core {
            host: HostRanges::of(plane.clone()),
            db,
            access: Access::load(settings.policy_file.as_deref())?,
            settings,
            changed: Notify::new(),
            told: Notify::new(),
            sink: RwLock::new(None),
            cursors: Mutex::new(HashMap::new()),
        };
        Ok(Networks {
            core: Arc::new(core),
            plane,
        })
    }

    /// The database that it works on.
    pub fn database(&self) -> &Database {
        &self.core.db
    }

    /// Reads the policy file again.
    ///
    /// # Errors
    /// What is wrong with it; the old rules stay.
    pub fn reload_policy(&self) -> Result<(), PolicyError> {
        self.core.access.reload()
    }

    /// The API: `/` and `/v2.0/…`.
    pub fn router(&self, authenticator: Arc<dyn Authenticator>) -> Router {
        crate::face::router(self.core.clone(), authenticator)
    }

    /// Who tells compute. Events that waited are sent.
    pub async fn set_event_sink(&self, sink: Arc<dyn EventSink>) {
        *self.core.sink.write().await = Some(sink);
        self.core.told.notify_one();
    }

    /// Starts the background tasks: the reconciler, the sender of events, and, with an upstream and the Linux
    /// plane, the metadata proxy. They end when `stop` is cancelled; the set is there to wait for that.
    pub fn start(
        &self,
        metadata: Option<Arc<dyn MetadataUpstream>>,
        stop: CancellationToken,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(crate::events::deliver(self.core.clone(), stop.clone()));
        tasks.spawn(crate::reconcile::run(
            self.core.clone(),
            self.plane.clone(),
            stop.clone(),
        ));
        if let (Some(plane), Some(upstream)) = (&self.plane, metadata) {
            tasks.spawn(crate::metadata::run(
                self.core.clone(),
                plane.clone(),
                upstream,
                stop,
            ));
        }
        tasks
    }

    /// Ports that were bound on a host are bound on it under its new name.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn rename_host(&self, before: &str, after: &str) -> Result<(), SqlError> {
        crate::rename::rename(&self.core, before, after).await
    }

    /// Removes everything of this cloud's networks from the host. The tables stay: a new start brings all back.
    /// Stop the background tasks first.
    pub async fn down(&self) -> Result<(), PlaneError> {
        match &self.plane {
            Some(plane) => plane.remove_all().await,
            None => Ok(()),
        }
    }

    /// Describes what is on the host and should not be. Empty is good.
    pub async fn audit(&self) -> Result<Vec<String>, PlaneError> {
        match &self.plane {
            Some(plane) => plane.audit().await,
            None => Ok(Vec::new()),
        }
    }

    /// The same for a cloud that does not run, whose networks are still there for its guests: what the tables do not
    /// want. Nothing is changed.
    pub async fn audit_at_rest(&self) -> Result<Vec<String>, AuditError> {
        match &self.plane {
            Some(plane) => {
                let wanted = crate::wanted::read(&self.core).await?;
                Ok(plane.audit_at_rest(wanted).await?)
            }
            None => Ok(Vec::new()),
        }
    }
}

/// Why the networks of a cloud that does not run cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the tables of networks")]
    Tables(#[from] Fault),
    #[error("the host's networks")]
    Plane(#[from] PlaneError),
}

async fn open_plane(settings: &Settings) -> Result<Option<Plane>, PlaneError> {
    match settings.plane {
        PlaneKind::None => Ok(None),
        PlaneKind::Linux => {
            let plane = PlaneSettings {
                state_dir: settings.state_dir.clone(),
                cloud_id: settings.cloud_id.clone(),
                places: settings.places.clone(),
                owner: settings.owner.clone(),
                gateway_services: settings.gateway_services.clone(),
                connections_per_port: settings.connections_per_port,
                dhcp_uid: settings.dhcp_uid,
            };
            Ok(Some(Plane::open(plane).await?))
        }
    }
}
