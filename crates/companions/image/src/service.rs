//! The service: its database, files, settings and rules.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use sql::{Database, SqlError};
use web::policy::{Policy, PolicyError};

use crate::db;
use crate::limits::LimitSource;
use crate::model::has_data;
use crate::settings::Settings;
use crate::store::{Place, Store};
use crate::tables::image;
use crate::transfers::Transfers;

/// The image service. Cheap to clone.
#[derive(Clone)]
pub struct Images(Arc<Inner>);

struct Inner {
    db: Database,
    store: Store,
    settings: Settings,
    policy: Policy,
    /// Uploads and imports under way.
    transfers: Arc<Transfers>,
    downloads: Arc<Transfers>,
    limits: OnceLock<Arc<dyn LimitSource>>,
}

impl Images {
    /// The service over tables that are up to date; see [`Images::open`].
    pub(crate) fn new(db: Database, store: Store, settings: Settings, policy: Policy) -> Self {
        let (all, each) = (settings.transfers, settings.transfers_per_project);
        let downloads = settings.downloads_per_project;
        Images(Arc::new(Inner {
            transfers: Transfers::new("uploads and imports", all, each),
            downloads: Transfers::new("downloads", usize::MAX, downloads),
            limits: OnceLock::new(),
            db,
            store,
            settings,
            policy,
        }))
    }

    /// The service's database, for whoever keeps rows that speak of its own.
    pub fn database(&self) -> &Database {
        &self.0.db
    }

    pub(crate) fn db(&self) -> &Database {
        &self.0.db
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Lets the limits of projects come from the identity service; those that it does not name have
    /// the settings' defaults. Said once, before the first request.
    pub fn set_limit_source(&self, source: Arc<dyn LimitSource>) {
        if self.0.limits.set(source).is_err() {
            tracing::error!("the source of limits was said before; the first one stays");
        }
    }

    pub(crate) fn limit_source(&self) -> Option<&dyn LimitSource> {
        self.0.limits.get().map(AsRef::as_ref)
    }

    pub(crate) fn transfers(&self) -> &Arc<Transfers> {
        &self.0.transfers
    }

    pub(crate) fn downloads(&self) -> &Arc<Transfers> {
        &self.0.downloads
    }

    /// Reads the policy file again.
    ///
    /// # Errors
    /// What is wrong with it; the old rules stay.
    pub fn reload_policy(&self) -> Result<(), PolicyError> {
        self.0.policy.reload()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// Where the data of an image lies on this machine, when it is complete. For roles in the same
    /// process; others learn it from `direct_url` or `GET /v2/images/{id}/locations`. The file is
    /// read-only and never written again: link to it or copy it. Who may see the image is not
    /// asked here, and the checksum is the caller's to verify.
    pub async fn local_file(&self, image_id: &str) -> Result<Option<PathBuf>, SqlError> {
        let image = db::images::find(self.db().read(), image_id).await?;
        Ok(image.and_then(|image| self.published(&image.row)))
    }

    pub(crate) fn published(&self, row: &image::Model) -> Option<PathBuf> {
        let data = row.data.as_deref().filter(|_| has_data(row.status))?;
        Some(self.store().path(Place::Published, data))
    }
}
