//! What conductors are told, a file per sender's noun.

pub mod consoles;
pub mod guests;
pub mod hosts;
pub mod ports;
pub mod quarantine;
pub mod volumes;

use std::sync::Arc;

use bus::{Context, Failure};
use compute_db::{Database, DbError};
use compute_rpc::conductor::Nudge;
use workflow::{Runner, WorkflowError};

/// What handlers work with.
pub struct Desk {
    pub db: Database,
    /// The cloud's id: reports of others are refused.
    pub cloud_id: String,
    pub runner: Runner,
}

impl Desk {
    /// Wakes the operations of a server.
    async fn wake(&self, server_id: &str) -> Result<(), Failure> {
        let waiting = workflow::find(self.db.read(), server_id).await;
        for operation in waiting.map_err(journal)? {
            self.runner.nudge(operation.id);
        }
        Ok(())
    }
}

/// A workflow waits in the journal.
pub async fn nudge(desk: Arc<Desk>, _context: Context, message: Nudge) -> Result<(), Failure> {
    match message.workflow_id.parse() {
        Ok(id) => {
            desk.runner.nudge(id);
            Ok(())
        }
        Err(_) => Err(Failure::new("bad_request", "that is no workflow id")),
    }
}

/// Refuses what comes from a host or service of another cloud: two clouds on one broker, or a folder
/// that belongs elsewhere.
fn own_cloud(desk: &Desk, cloud_id: &str, host: &str) -> Result<(), Failure> {
    let own = &desk.cloud_id;
    if cloud_id == own {
        return Ok(());
    }
    tracing::error!(host, cloud_id, own, "a report of another cloud is refused");
    Err(Failure::new(
        "foreign_cloud",
        format!("{host} belongs to cloud {cloud_id:?}, this conductor to {own}"),
    ))
}

/// A failed query as an answer: the sender may try again.
fn database(error: DbError) -> Failure {
    tracing::error!(%error, "the database failed under a message");
    Failure::new("database", error.to_string()).retryable()
}

/// The same for a journal that cannot be read.
fn journal(error: WorkflowError) -> Failure {
    tracing::error!(%error, "the journal failed under a message");
    Failure::new("database", error.to_string()).retryable()
}
