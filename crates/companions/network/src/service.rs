//! The service as the binary holds it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use sql::{Database, SqlError};
use tokio::sync::{Notify, RwLock};
use web::Authenticator;
use web::policy::PolicyError;

use crate::access::Access;
use crate::core::Core;
use crate::events::EventSink;
use crate::migrations::Migrator;
use crate::settings::Settings;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the network service's database")]
    Database(#[from] SqlError),
    #[error("the network service's policy")]
    Policy(#[from] PolicyError),
}

/// The network service. Cheap to clone.
#[derive(Clone)]
pub struct Networks {
    pub(crate) core: Arc<Core>,
}

impl Networks {
    /// Opens the service on its database, whose tables it brings up to date.
    pub async fn open(db: Database, settings: Settings) -> Result<Self, OpenError> {
        Self::open_with_policy(db, settings, None).await
    }

    /// The same with an operator's policy file.
    pub async fn open_with_policy(
        db: Database,
        settings: Settings,
        policy: Option<&Path>,
    ) -> Result<Self, OpenError> {
        db.migrate::<Migrator>().await?;
        let core = Core {
            db,
            settings,
            access: Access::load(policy)?,
            changed: Notify::new(),
            told: Notify::new(),
            sink: RwLock::new(None),
            cursors: Mutex::new(HashMap::new()),
        };
        Ok(Networks {
            core: Arc::new(core),
        })
    }

    /// The API: `/` and `/v2.0/…`.
    pub fn router(&self, authenticator: Arc<dyn Authenticator>) -> Router {
        crate::http::router(self.core.clone(), authenticator)
    }

    /// Who tells compute. Events that waited are sent.
    pub async fn set_event_sink(&self, sink: Arc<dyn EventSink>) {
        *self.core.sink.write().await = Some(sink);
        self.core.told.notify_one();
    }
}
