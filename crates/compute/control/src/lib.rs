//! The use cases of compute: one file for each thing that a user can ask for.
//!
//! A use case checks policy, asks `compute-model` for the decision, and changes the database in one
//! transaction in which the journal entry of a longer operation is written too; then it nudges
//! whoever carries the operation out. It neither parses requests nor renders answers.

pub mod aggregates;
pub mod availability_zones;
mod context;
mod error;
pub mod events;
pub mod flavors;
pub mod guests;
pub mod hosts;
pub mod hypervisors;
pub mod image_cache;
pub mod keypairs;
pub mod limits;
pub mod migrations;
pub mod operations;
pub mod policy;
mod projects;
pub mod proxies;
pub mod quota_sets;
pub mod server_groups;
pub mod servers;
pub mod services;
pub mod settings;
pub mod tenant_usages;
#[cfg(feature = "testing")]
pub mod testing;
pub mod usage_audit_log;
mod zones;

use std::sync::Arc;

use bus::Bus;
use clients::{Service, Session};
use compute_db::Database;

pub use context::Context;
pub use error::ControlError;
pub use settings::Settings;

/// The result of every use case.
pub type Result<T> = std::result::Result<T, ControlError>;

/// What use cases work with. One per process.
pub struct Control {
    pub db: Database,
    pub bus: Bus,
    pub identity: Service,
    pub image: Service,
    pub network: Service,
    pub volume: Service,
    /// Compute's own user, for what callers' tokens may not do.
    pub session: Session,
    /// Who may do what ([`policy`]).
    pub policy: Arc<web::policy::Policy>,
    /// Where key pairs are generated.
    pub generators: keypairs::Generators,
    /// Those who watch the sequence of events.
    pub events: events::Hub,
    pub settings: Settings,
}

impl Control {
    /// Returns when what was done so far outlives a power cut; see [`sql::Database::durable`].
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn durable(&self) -> Result<()> {
        Ok(self.db.durable().await?)
    }
}
