//! The conductor: carries operations out, from the journal, whatever dies on the way.
//!
//! It drives the workflows of [`workflows`] and takes what hosts report ([`messages`]). Any number
//! of conductors share the work through leases in the database; none of them is special.

mod env;
mod host;
mod messages;
mod ports;
mod records;
mod settings;
mod why;
pub mod workflows;

use std::sync::Arc;
use std::time::Duration;

use bus::{Service, Serving, TransportError};
use workflow::Runner;

pub use env::Env;
pub use settings::Settings;

/// Messages handled at once: each is a short transaction.
const CONCURRENCY: usize = 64;

/// A running conductor.
pub struct Conductor {
    runner: Runner<Env>,
    serving: Serving,
}

impl Conductor {
    /// Begins to serve messages and to work on the journal.
    ///
    /// # Errors
    /// The bus cannot be served.
    pub async fn start(env: Arc<Env>) -> Result<Self, TransportError> {
        let runner = Runner::build(env.db.clone(), &env.settings.host, env.clone())
            .on::<workflows::build::Build>()
            .on::<workflows::delete::Delete>()
            .on::<workflows::act::Act>()
            .options(workflow::Options {
                concurrency: env.settings.concurrency,
                ..workflow::Options::default()
            })
            .start();
        let desk = messages::Desk {
            env: env.clone(),
            runner: runner.clone(),
        };
        let service = Service::new(desk)
            .on(messages::nudge)
            .on(messages::consoles::redeem)
            .on(messages::ports::changed)
            .on(messages::hosts::report)
            .on(messages::hosts::service)
            .on(messages::guests::changed)
            .on(messages::guests::report)
            .on(messages::guests::still_wanted);
        let serving = env
            .bus
            .serve(&compute_rpc::conductor::address(), service, CONCURRENCY)
            .await?;
        Ok(Conductor { runner, serving })
    }

    /// Ends after the steps in hand, at the latest after `grace`; what is unfinished goes on with
    /// the next start or another conductor.
    pub async fn stop(&self, grace: Duration) {
        self.serving.stop().await;
        self.runner.stop(grace).await;
    }
}
