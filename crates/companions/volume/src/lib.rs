//! An embedded Cinder: the Block Storage API v3 with its tables in a database and volumes behind one driver contract.
//!
//! Promises:
//! - what is answered 202 is done or undone, whatever dies: every operation that takes time is a workflow of the journal,
//!   written in the transaction that changed the volume;
//! - no volume stays in a status of passage (`creating`, `deleting`, `extending`, …): each ends in one of rest, or in one
//!   that says what failed;
//! - quotas are exact: what a project has is counted while others of the project wait, in the transaction that adds to it;
//! - two processes may serve the same volumes: both work from the journal;
//! - how a volume is reached is told to services and to whom an attachment belongs, and stands in no list.

mod api;
mod asked;
mod attach;
mod audit;
mod backends;
mod bodies;
mod db;
pub mod driver;
mod events;
mod exports;
mod fault;
mod fields;
mod front;
mod guard;
mod hosts;
mod images;
mod listing;
mod messages;
mod migrations;
mod options;
mod parameters;
mod policy;
mod quota;
mod resource;
mod room;
mod routes;
mod schedule;
mod sealed;
mod service;
mod settings;
mod shared;
mod sink;
mod tables;
mod target;
mod turns;
mod vault;
mod work;

use std::sync::Arc;

pub use self::settings::{BackEnd, Helper, Limits, LvmType, Nbd, Program, Settings, Storage, Tgt};
pub use backends::Folders;
pub use bodies::bodies;
pub use fault::Fault;
pub use images::Images;
pub use parameters::parameters;
pub use policy::TABLES as POLICY_TABLES;
pub use service::{OpenError, Volumes};
pub use sink::{EventSink, NotReplaced, SinkError};

/// Every call of the API, for documents and for tests that walk them.
pub fn calls() -> Vec<rest::Line> {
    routes::table().lines()
}

impl Volumes {
    /// The REST face: version documents at `/`, and all calls below `/v3`.
    pub fn router(&self, authenticator: Arc<dyn web::Authenticator>) -> axum::Router {
        front::router(self.clone(), authenticator)
    }
}
