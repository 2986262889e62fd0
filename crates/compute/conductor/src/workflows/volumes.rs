//! Volumes of servers that exist: one more, one less, a larger one, or another in the place of one.

pub mod attach;
pub mod detach;
pub mod extend;
pub mod swap;

use compute_model::Server;
use compute_rpc::agent;
use compute_rpc::workflows::{Asked, STARTS};
use std::time::Duration;
use workflow::{Next, StepError};

use super::devices;
use crate::env::Env;
use crate::host::AgentTrouble;

/// How often an operation that is under way is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Waits for the operations that were accepted before: they may start the guest with the volumes that the record had then,
/// or hold the host for minutes. A step of its own, tried without end: this wait is no failure of the change.
async fn quiet(env: &Env, server_id: &str) -> Result<Next, StepError> {
    no_start_under_way(env, server_id, LOOK).await?;
    Ok(Next::Go)
}

/// The same once more in the step that changes the guest, for what was accepted since.
async fn no_start_under_way(env: &Env, server_id: &str, look: Duration) -> Result<(), StepError> {
    let running = workflow::find(env.db.read(), server_id).await;
    let running = running.map_err(|error| StepError::retry(look, error))?;
    let starts = |record: &workflow::Record| {
        record.status == workflow::Status::Running && STARTS.contains(&record.kind.as_str())
    };
    match running.iter().any(starts) {
        true => Err(StepError::retry(look, "a start is under way")),
        false => Ok(()),
    }
}

/// Has the server's host give its guest a volume, or take it.
async fn tell(
    env: &Env,
    asked: &Asked,
    server: Server,
    volume_id: &str,
    plugged: bool,
) -> Result<(), AgentTrouble> {
    let on = server.host.clone();
    let message = agent::PlugVolume {
        server: Box::new(server),
        volume_id: volume_id.to_owned(),
        plugged,
    };
    devices::tell(env, asked, on.as_deref(), message).await
}
