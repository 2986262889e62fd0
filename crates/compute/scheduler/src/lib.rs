//! The scheduler: chooses hosts for servers, and says why it turned the others away.
//!
//! All hosts are kept in memory ([`Hosts`]), refreshed by the change sequence of the database. A
//! decision ([`decide`]) is a pure function of them: filters, then weighers. Nothing is claimed
//! here; whoever asked claims in its own transaction, so any number of schedulers is safe.

pub mod decide;
mod filters;
mod hosts;
pub mod settings;
mod weighers;

use std::collections::HashMap;
use std::sync::Arc;

use bus::{Bus, Context, Failure, Service, Serving, TransportError};
use compute_db::{Database, DbError, servers};
use compute_rpc::scheduler::{SelectHost, Selection, address};

use decide::World;
pub use filters::names as filter_names;
pub use hosts::{Host, Hosts};
pub use settings::Settings;

/// Decisions made at once; each is processor work without waiting, apart from the refresh.
const CONCURRENCY: usize = 64;

struct Scheduler {
    hosts: Hosts,
    db: Database,
    settings: Settings,
}

/// Begins to answer placement questions.
///
/// # Errors
/// The bus cannot be served.
pub async fn serve(bus: &Bus, db: Database, settings: Settings) -> Result<Serving, TransportError> {
    let with_images = settings.image_props_weight_multiplier != 0.0;
    let scheduler = Scheduler {
        hosts: Hosts::new(db.clone(), settings.service_down_time, with_images),
        db,
        settings,
    };
    let service = Service::new(scheduler).on(select_host);
    bus.serve(&address(), service, CONCURRENCY).await
}

async fn select_host(
    scheduler: Arc<Scheduler>,
    _context: Context,
    message: SelectHost,
) -> Result<Selection, Failure> {
    let hosts = scheduler.hosts.current().await.map_err(unreadable)?;
    let selection = choose(&scheduler, &hosts, &message).await?;
    if !selection.choices.is_empty() {
        return Ok(selection);
    }
    // A host that came up, or into a zone, a moment ago is no reason to refuse.
    let hosts = scheduler.hosts.anew().await.map_err(unreadable)?;
    choose(&scheduler, &hosts, &message).await
}

async fn choose(
    scheduler: &Scheduler,
    hosts: &[Host],
    message: &SelectHost,
) -> Result<Selection, Failure> {
    let settings = &scheduler.settings;
    // A single host is chosen without weighing.
    let busy = match hosts.len() > 1 || filters::ask_for_load(settings, &message.request) {
        true => servers::io_operations(scheduler.db.read())
            .await
            .map_err(unreadable)?,
        false => HashMap::new(),
    };
    let world = World { hosts, busy: &busy };
    Ok(decide::decide(
        &world,
        &message.request,
        message.alternates,
        settings,
        &mut rand::rng(),
    ))
}

fn unreadable(error: DbError) -> Failure {
    tracing::error!(%error, "cannot read the hosts");
    Failure::new("database", error.to_string()).retryable()
}
