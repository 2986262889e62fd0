//! The agent of a host (nova-compute): makes true what it is told about servers, and reports.
//!
//! It holds no database credentials: it hears commands with whole descriptions and tells conductors
//! what it sees. Guests outlive it; after a restart it finds them again through the driver and
//! reports them before it takes commands.

mod act;
mod build;
mod consoles;
mod description;
mod diagnostics;
mod failure;
mod given_up;
mod guest_agent;
mod images;
mod late;
mod numbers;
mod plug;
mod report;
mod rescue;
mod resume;
pub mod settings;
mod snapshot;
mod spec;
mod volumes;

use std::sync::Arc;

use bus::{Bus, Service, Serving, TransportError};
use clients::Session;
use compute_rpc::agent;
use hypervisor::Driver;
use secrecy::ExposeSecret;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use images::ImageCache;
pub use settings::{Budget, CacheSettings, Settings};

/// Commands worked on at once; builds are bounded by a setting of their own.
const CONCURRENCY: usize = 256;

/// What handlers work with.
pub(crate) struct Host {
    pub driver: Arc<dyn Driver>,
    pub bus: Bus,
    pub images: ImageCache,
    pub settings: Settings,
    pub builds: Semaphore,
    /// Guests that are started again after their host was away.
    pub resumed: Arc<Semaphore>,
    /// Rung when a conductor wants a report of all guests now.
    pub report_guests: Notify,
    pub given_up: given_up::GivenUp,
    pub making: snapshot::Making,
}

impl Host {
    /// What secrets of compute are sealed with on their way here: the password of its own user.
    pub fn seal(&self) -> &str {
        self.images.session().secret().expose_secret()
    }
}

/// A running agent.
pub struct Agent {
    serving: Serving,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Looks through the image cache at once and then at every interval.
async fn tidy_images(host: Arc<Host>, stop: CancellationToken) {
    loop {
        host.images.tidy().await;
        tokio::select! {
            () = tokio::time::sleep(host.settings.cache.interval) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Agent {
    /// Begins to report and to take commands.
    ///
    /// # Errors
    /// The bus cannot be served.
    pub async fn start(
        driver: Arc<dyn Driver>,
        bus: Bus,
        image: clients::Service,
        session: Session,
        settings: Settings,
    ) -> Result<Self, TransportError> {
        let images = ImageCache::new(image, session, &driver, &settings);
        let host = Arc::new(Host {
            builds: Semaphore::new(settings.max_concurrent_builds.max(1)),
            resumed: Arc::new(Semaphore::new(resume::AT_ONCE)),
            driver,
            bus: bus.clone(),
            images,
            settings,
            report_guests: Notify::new(),
            given_up: given_up::GivenUp::default(),
            making: snapshot::Making::default(),
        });
        snapshot::tidy(&host);
        let service = Service::new(host.clone())
            .on(build::build)
            .on(build::destroy)
            .on(act::act)
            .on(plug::plug)
            .on(plug::plug_volume)
            .on(plug::replace_volume)
            .on(plug::resize_volume)
            .on(images::keep_ready)
            .on(given_up::give_up)
            .on(snapshot::export)
            .on(snapshot::upload)
            .on(snapshot::discard)
            .on(diagnostics::diagnose)
            .on(consoles::output)
            .on(consoles::endpoint);
        let address = agent::address(&host.settings.host);
        let serving = bus.serve(&address, service, CONCURRENCY).await?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(report::guests(host.clone(), stop.clone()));
        tasks.spawn(tidy_images(host.clone(), stop.clone()));
        tasks.spawn(report::host(host, stop.clone()));
        tasks.close();
        Ok(Agent {
            serving,
            stop,
            tasks,
        })
    }

    /// Ends after the commands in hand. Guests go on.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.serving.stop().await;
        self.tasks.wait().await;
    }
}
