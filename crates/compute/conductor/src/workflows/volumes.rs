//! Volumes of servers that exist: one more, or one less.

pub mod attach;
pub mod detach;

use compute_model::Server;
use compute_rpc::agent;
use compute_rpc::workflows::Asked;

use super::devices;
use crate::env::Env;
use crate::host::AgentTrouble;

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
