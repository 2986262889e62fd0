//! What use cases and workflows share: database, back end, settings, rules, and the other services.

use std::sync::{Arc, OnceLock};

use sql::{Database, SqlError};
use tokio::sync::Notify;
use web::policy::Policy;

use crate::backends::{Backend, Backends};
use crate::db::{self, store};
use crate::fault::Fault;
use crate::images::{ImageError, Images};
use crate::settings::Settings;
use crate::sink::EventSink;
use crate::tables::{volume, volume_type};
use crate::turns::Turns;
use crate::vault::Vault;

/// What use cases and workflows share.
pub struct Core {
    pub(crate) db: Database,
    pub(crate) backends: Backends,
    pub(crate) settings: Settings,
    pub(crate) policy: Policy,
    /// The image service, once it was said.
    pub(crate) images: OnceLock<Images>,
    /// Who carries events to compute.
    pub(crate) sink: OnceLock<Arc<dyn EventSink>>,
    /// Rings when there may be events.
    pub(crate) told: Notify,
    /// Who works on exports.
    pub(crate) turns: Turns,
}

impl Core {
    /// One of a test, with the default rules and no other service.
    #[cfg(test)]
    pub(crate) fn sample(db: Database, settings: Settings, backends: Backends) -> Core {
        Core {
            db,
            backends,
            settings,
            policy: Policy::load(&crate::policy::TABLES, None).expect("rules"),
            images: OnceLock::new(),
            sink: OnceLock::new(),
            told: Notify::new(),
            turns: Turns::default(),
        }
    }

    /// The image service.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn images(&self) -> Result<&Images, ImageError> {
        self.images.get().ok_or(ImageError::None)
    }

    /// The back end of a volume, by its row; none: it has no row.
    ///
    /// # Errors
    /// The database does not answer, or the back end is none of this process.
    pub(crate) async fn home(&self, volume_id: &str) -> Result<Option<&Backend>, Fault> {
        let row = store::find::<volume::Entity>(self.db.read(), volume_id).await?;
        match row {
            Some(row) => Ok(Some(self.backends.of(row.host.as_deref())?)),
            None => Ok(None),
        }
    }

    /// Where backups are kept.
    pub(crate) fn vault(&self) -> Vault {
        Vault::new(&self.settings.backup_dir, self.settings.keep_free)
    }

    /// The type of volumes for which none is asked exists from the start.
    pub(crate) async fn make_default_type(&self) -> Result<(), SqlError> {
        let name = &self.settings.default_type;
        if db::types::named(self.db.read(), name).await?.is_some() {
            return Ok(());
        }
        let row = volume_type::Model {
            id: store::new_id(),
            name: name.clone(),
            description: Some("Default Volume Type".to_owned()),
            is_public: true,
            qos_id: None,
            created_at: store::now(),
            updated_at: None,
        };
        match store::insert(self.db.write(), row)
            .await
            .map_err(SqlError::from)
        {
            // Another process was quicker.
            Err(error) if error.is_duplicate() => Ok(()),
            other => other,
        }
    }
}
