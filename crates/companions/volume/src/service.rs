//! The service: its database, back end, settings and rules; how it starts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sql::{Database, SqlError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::policy::{Policy, PolicyError};
use workflow::{Runner, SoleProcess, WorkflowId};

use crate::backends::{Backends, Folders, NoBackend};
use crate::driver::DriverError;
use crate::events;
use crate::exports;
use crate::fault::Fault;
use crate::hosts;
use crate::images::Images;
use crate::messages;
use crate::migrations::HISTORY;
use crate::policy;
use crate::settings::Settings;
use crate::shared::Core;
use crate::sink::EventSink;
use crate::turns::Turns;
use crate::work;

/// How long steps in hand have to end when the service stops.
const GRACE: Duration = Duration::from_secs(5);

/// The volume service. Cheap to clone.
#[derive(Clone)]
pub struct Volumes(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    /// Works on the journal once the service was started.
    runner: OnceLock<Runner>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the volume database cannot be used")]
    Database(#[from] SqlError),
    #[error(transparent)]
    Folders(#[from] Folders),
    #[error("the volume policy cannot be used")]
    Policy(#[from] PolicyError),
    #[error(
        "volumes are served by a target_helper or a back end that is set otherwise now: {0}; set it as before, detach these, then change it"
    )]
    Unserved(String),
}

impl Volumes {
    /// Opens the service on its database and folders: brings the tables up to date and makes the default type. Works on
    /// nothing before [`Volumes::start`].
    ///
    /// # Errors
    /// Database, folders or policy cannot be used, or nothing serves any more what attachments were told of.
    pub async fn open(db: Database, settings: Settings) -> Result<Self, OpenError> {
        let backends = Backends::open(&settings)?;
        backends.check().await?;
        db.apply(&HISTORY).await?;
        if let Some(lost) = exports::unserved(&db, &backends, &settings.host).await? {
            return Err(OpenError::Unserved(lost));
        }
        let policy = Policy::load(&policy::TABLES, settings.policy_file.as_deref())?;
        let core = Core {
            db,
            backends,
            settings,
            policy,
            images: OnceLock::new(),
            sink: OnceLock::new(),
            told: Notify::new(),
            turns: Turns::default(),
        };
        core.make_default_type().await?;
        Ok(Volumes(Arc::new(Inner {
            core: Arc::new(core),
            runner: OnceLock::new(),
        })))
    }

    /// Begins to report itself and to work on the journal. With `sole`, what an earlier life of this process left is
    /// continued at once, else when its leases ran out. Ends when `stop` is cancelled.
    pub async fn start(&self, sole: Option<SoleProcess>, stop: CancellationToken) -> JoinSet<()> {
        let core = self.core();
        if let Err(error) = core.report().await {
            // It is tried again soon; without a report no pool is known, and new volumes fail.
            tracing::error!(%error, "the volume service cannot report itself");
        }
        let runner = work::runner(core.clone(), sole);
        if self.0.runner.set(runner.clone()).is_err() {
            tracing::error!("the volume service was started twice; the first start counts");
        }
        // Guests that start after this find their volumes served.
        let mut watch = exports::Watch::default();
        watch.look(core).await;
        let mut tasks = JoinSet::new();
        let (serving, ends) = (core.clone(), stop.clone());
        tasks.spawn(async move { watch.keep_for_ever(&serving, ends).await });
        let (reporting, ends) = (core.clone(), stop.clone());
        tasks.spawn(async move { hosts::report_for_ever(&reporting, ends).await });
        let (telling, ends) = (core.clone(), stop.clone());
        tasks.spawn(async move { events::deliver(&telling, ends).await });
        let (forgetting, ends) = (core.clone(), stop.clone());
        tasks.spawn(async move { messages::forget_for_ever(&forgetting, ends).await });
        tasks.spawn(async move {
            stop.cancelled().await;
            runner.stop(GRACE).await;
        });
        tasks
    }

    /// The image service. Said once, before the first request.
    pub fn set_images(&self, images: Images) {
        if self.core().images.set(images).is_err() {
            tracing::error!("the image service was said before; the first one stays");
        }
    }

    /// Who carries events to compute. Said once, before the first request.
    pub fn set_event_sink(&self, sink: Arc<dyn EventSink>) {
        if self.core().sink.set(sink).is_err() {
            tracing::error!("the sink of events was said before; the first one stays");
        }
    }

    /// The service's database, for whoever keeps rows that speak of its own.
    pub fn database(&self) -> &Database {
        &self.core().db
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn db(&self) -> &Database {
        &self.core().db
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.core().settings
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.core().policy
    }

    pub(crate) fn backends(&self) -> &Backends {
        &self.core().backends
    }

    /// A workflow was committed: begins with it now.
    pub(crate) fn nudge(&self, id: WorkflowId) {
        if let Some(runner) = self.0.runner.get() {
            runner.nudge(id);
        }
    }

    /// Ends all that serves volumes. The next start serves again what attachments need.
    ///
    /// # Errors
    /// Something does not end.
    pub async fn stop_serving(&self) -> Result<(), Fault> {
        Ok(exports::down(self.core()).await?)
    }

    /// Reads the policy file again.
    ///
    /// # Errors
    /// What is wrong with it; the old rules stay.
    pub fn reload_policy(&self) -> Result<(), PolicyError> {
        self.policy().reload()
    }
}

/// What is on a back end that nobody serves waits for its service, as with Cinder.
impl From<NoBackend> for Fault {
    fn from(error: NoBackend) -> Self {
        tracing::error!(%error, "a volume cannot be reached");
        Fault::Unavailable("Service is unavailable at this time.".to_owned())
    }
}

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        match &error {
            DriverError::Full(_) => {
                tracing::error!(%error, "the back end is full");
                Fault::Unavailable("The back end has no room left.".to_owned())
            }
            DriverError::NotFound(_) | DriverError::InUse(_) | DriverError::Io { .. } => {
                let mut why = error.to_string();
                if let Some(source) = std::error::Error::source(&error) {
                    why = format!("{why}: {source}");
                }
                tracing::error!(why, "a back end failed");
                Fault::Backend("see the log of the service".to_owned())
            }
        }
    }
}
