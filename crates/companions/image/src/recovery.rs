//! How the service starts and ends what a crash left, and how it is audited.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sql::{Database, SqlError};
use web::policy::{Policy, PolicyError};

use crate::db;
use crate::fault::Fault;
use crate::import;
use crate::migrations::HISTORY;
use crate::model::has_data;
use crate::policy;
use crate::service::Images;
use crate::settings::Settings;
use crate::store::{Place, Store};
use crate::tables::{Status, TaskStatus, task};
use crate::upload;

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the image database cannot be used")]
    Database(#[from] SqlError),
    #[error("the image folder {} cannot be used; check that this user may write it", folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the image policy cannot be used")]
    Policy(#[from] PolicyError),
    #[error("uploads that a crash left could not be cleaned up")]
    Cleanup(#[source] Fault),
}

/// Where database and files disagree. Empty means nothing is lost and nothing leaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Images that promise data which is not on disk.
    pub images_without_file: Vec<String>,
    /// Files that belong to no image, as paths.
    pub files_without_image: Vec<PathBuf>,
}

impl Audit {
    /// Whether everything agrees.
    pub fn is_clean(&self) -> bool {
        self.images_without_file.is_empty() && self.files_without_image.is_empty()
    }
}

impl Images {
    /// Opens the service: brings the tables up to date and ends what a crash left - uploads are
    /// given up, staged imports are taken up again, files without image are removed.
    ///
    /// One process at a time may use a database and its folder: a second one would take the
    /// uploads of the first for left ones.
    pub async fn open(db: Database, settings: Settings) -> Result<Self, OpenError> {
        db.apply(&HISTORY).await?;
        let store = Store::open(&settings.image_dir, settings.keep_free).map_err(|source| {
            OpenError::Folder {
                folder: settings.image_dir.clone(),
                source,
            }
        })?;
        let policy = Policy::load(&[policy::RULES], settings.policy_file.as_deref())?;
        let images = Images::new(db, store, settings, policy);
        images.recover().await.map_err(OpenError::Cleanup)?;
        Ok(images)
    }

    /// Compares database and files. Uploads under way look like leaks: ask a quiet service.
    pub async fn audit(&self) -> Result<Audit, Fault> {
        let rows = db::images::with_data(self.db().read()).await?;
        let mut wanted = BTreeSet::new();
        let mut audit = Audit::default();
        for row in rows {
            let Some(data) = row.data else { continue };
            let place = match row.status {
                Status::Active | Status::Deactivated => Place::Published,
                _ => Place::Staging,
            };
            let path = self.store().path(place, &data);
            if !path.is_file() {
                audit.images_without_file.push(row.id);
            }
            wanted.insert(path);
        }
        for place in [Place::Incoming, Place::Staging, Place::Published] {
            for name in self.store().names(place)? {
                let path = self.store().path(place, &name);
                if !wanted.contains(&path) {
                    audit.files_without_image.push(path);
                }
            }
        }
        Ok(audit)
    }

    /// Ends what a crash left. See [`Images::open`].
    async fn recover(&self) -> Result<(), Fault> {
        db::tasks::forget_expired(self.db().write()).await?;
        for name in self.store().names(Place::Incoming)? {
            self.store().remove_from(Place::Incoming, &name);
        }
        let tasks = db::tasks::unfinished(self.db().read()).await?;
        let mut resumed = Vec::new();
        for row in db::images::with_data(self.db().read()).await? {
            let Some(data) = row.data.clone().filter(|_| !has_data(row.status)) else {
                continue;
            };
            let staged = self.store().path(Place::Staging, &data).is_file();
            let task = tasks.iter().find(|task| task.image_id == row.id);
            match (row.status, task) {
                (Status::Uploading, _) if staged => self.note_staged(&row.id, &data).await?,
                (Status::Importing, Some(task)) if staged => {
                    resumed.push((row, task.id.clone()));
                }
                _ => {
                    tracing::warn!(
                        image = row.id,
                        "giving up an upload that a crash interrupted"
                    );
                    import::failed(
                        self,
                        &row.id,
                        &data,
                        task.map(|task| task.id.as_str()),
                        INTERRUPTED,
                    )
                    .await;
                }
            }
        }
        self.end_tasks(&tasks).await?;
        for path in self.audit().await?.files_without_image {
            tracing::warn!(path = %path.display(), "removing image data that belongs to no image");
            std::fs::remove_file(path)?;
        }
        // Only now: an import moves its file while the audit would look for it.
        import::resume(self, resumed);
        Ok(())
    }

    /// Settles what a crash left between the last byte of staged data and the record of its size: what
    /// was reserved is given back, what lies there is counted.
    async fn note_staged(&self, id: &str, data: &str) -> Result<(), Fault> {
        let length = std::fs::metadata(self.store().path(Place::Staging, data))?.len();
        let size = upload::whole(length)?;
        db::images::staged(self.db().write(), id, data, size).await?;
        Ok(())
    }

    /// Ends the tasks that nothing works on any more: those whose image got its data in the last
    /// moment before a crash succeeded, those whose image is gone failed.
    async fn end_tasks(&self, tasks: &[task::Model]) -> Result<(), Fault> {
        for task in tasks {
            let image = db::images::find(self.db().read(), &task.image_id).await?;
            match image.map(|image| image.row.status) {
                Some(status) if has_data(status) => {
                    import::succeeded(self, &task.image_id, &task.id).await?;
                }
                Some(_) => {}
                None => {
                    let (db, ttl) = (self.db().write(), self.settings().task_ttl);
                    db::tasks::end(db, &task.id, TaskStatus::Failure, INTERRUPTED, ttl).await?;
                }
            }
        }
        Ok(())
    }
}

/// What a task that a crash ended says.
const INTERRUPTED: &str = "The image service was restarted while the import ran.";
