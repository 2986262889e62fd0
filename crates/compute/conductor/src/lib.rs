//! The conductor: carries operations out, from the journal, whatever dies on the way.
//!
//! It drives the workflows of [`workflows`] and takes what hosts report ([`messages`]). Any number
//! of conductors share the work through leases in the database; none of them is special.

mod after_a_while;
mod disk_places;
mod env;
mod events;
mod hearing;
mod host;
mod images;
mod letting_go;
mod messages;
mod ports;
mod purge;
mod records;
mod settings;
mod silence;
mod volumes;
mod why;
pub mod workflows;

use std::sync::Arc;
use std::time::Duration;

use bus::{Service, Serving, TransportError};
use compute_db::Database;
use tokio_util::sync::CancellationToken;
use workflow::{Runner, SoleProcess};

pub use env::Env;
pub use hearing::Hearing;
pub use settings::{Keep, Settings};

/// Messages handled at once: each is a short transaction.
const CONCURRENCY: usize = 64;

/// A running conductor.
pub struct Conductor {
    runner: Runner,
    serving: Serving,
    /// Ends what this conductor does by itself: listening to agents, numbering events, forgetting old rows.
    stop: CancellationToken,
}

impl Conductor {
    /// Begins to serve messages and to work on the journal, which lies in `db`. With `sole`, what an earlier life
    /// of this process left is continued at once, else when its leases ran out.
    ///
    /// # Errors
    /// The bus cannot be served.
    pub async fn start(
        env: Arc<Env>,
        db: Database,
        sole: Option<SoleProcess>,
    ) -> Result<Self, TransportError> {
        let runner = Runner::build(db.clone(), &env.settings.host, env.clone())
            .on::<workflows::hold::HoldVolumes>()
            .on::<workflows::build::Build>()
            .on::<workflows::delete::Delete>()
            .on::<workflows::soft_delete::SoftDelete>()
            .on::<workflows::act::Act>()
            .on::<workflows::interfaces::attach::AttachInterface>()
            .on::<workflows::interfaces::detach::DetachInterface>()
            .on::<workflows::volumes::attach::AttachVolume>()
            .on::<workflows::volumes::detach::DetachVolume>()
            .on::<workflows::volumes::extend::ExtendVolume>()
            .on::<workflows::volumes::swap::SwapVolume>()
            .on::<workflows::snapshot::Snapshot>()
            .on::<workflows::snapshot::volumes::SnapshotVolumes>()
            .on::<workflows::rebuild::RebuildVolume>()
            .on::<workflows::shelve::aside::Shelve>()
            .on::<workflows::shelve::here::UnshelveHere>()
            .on::<workflows::shelve::back::Unshelve>()
            .on::<workflows::resume_guest::ResumeGuest>()
            .on::<workflows::resize::begin::Resize>()
            .on::<workflows::resize::confirm::ConfirmResize>()
            .on::<workflows::resize::revert::RevertResize>()
            .options(workflow::Options {
                concurrency: env.settings.concurrency,
                // Nobody lives to see so long a time end.
                keep: env.settings.keep.workflows.unwrap_or(Duration::MAX),
                ..workflow::Options::default()
            })
            .sole(sole)
            .start();
        let desk = messages::Desk {
            db: db.clone(),
            cloud_id: env.settings.cloud_id.clone(),
            runner: runner.clone(),
        };
        let service = Service::new(desk)
            .on(messages::nudge)
            .on(messages::consoles::check)
            .on(messages::consoles::redeem)
            .on(messages::ports::changed)
            .on(messages::volumes::reimaged)
            .on(messages::hosts::report)
            .on(messages::hosts::service)
            .on(messages::guests::changed)
            .on(messages::guests::report)
            .on(messages::guests::gone)
            .on(messages::guests::still_wanted);
        let serving = env
            .bus
            .serve(&compute_rpc::conductor::address(), service, CONCURRENCY)
            .await?;
        if let Err(error) = messages::quarantine::measure(&db).await {
            tracing::warn!(%error, "the number of quarantined guests is not known");
        }
        let stop = CancellationToken::new();
        let (listens, ended) = (env.clone(), stop.clone());
        tokio::spawn(async move { silence::listen(&listens, ended).await });
        let ended = stop.clone();
        let limits = after_a_while::Limits {
            resized: env.settings.resize_confirm_window,
            shelved: env.settings.shelved_offload_time,
            deleted: env.settings.reclaim_instance_interval,
        };
        let (looks, until) = (db.clone(), stop.clone());
        tokio::spawn(async move { after_a_while::run(&looks, limits, until).await });
        let (outbox, until) = (db.clone(), stop.clone());
        tokio::spawn(async move { events::run(&outbox, until).await });
        tokio::spawn(async move { purge::run(&db, &env.settings.keep, ended).await });
        Ok(Conductor {
            runner,
            serving,
            stop,
        })
    }

    /// Ends after the steps in hand, at the latest after `grace`; what is unfinished goes on with
    /// the next start or another conductor.
    pub async fn stop(&self, grace: Duration) {
        self.stop.cancel();
        self.serving.stop().await;
        self.runner.stop(grace).await;
    }
}
