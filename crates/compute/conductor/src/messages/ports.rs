//! The network service says that a port changed.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::conductor::PortChanged;

use super::{Desk, journal};

/// Wakes the operations of the server: one of them may wait for its ports.
pub async fn changed(
    desk: Arc<Desk>,
    _context: Context,
    message: PortChanged,
) -> Result<(), Failure> {
    let waiting = workflow::find(desk.db.read(), &message.server_id).await;
    for operation in waiting.map_err(journal)? {
        desk.runner.nudge(operation.id);
    }
    Ok(())
}
