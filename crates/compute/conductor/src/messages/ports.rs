//! The network service says that a port changed.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::conductor::PortChanged;

use super::Desk;

/// Wakes the operations of the server: one of them may wait for its ports.
pub async fn changed(
    desk: Arc<Desk>,
    _context: Context,
    message: PortChanged,
) -> Result<(), Failure> {
    desk.wake(&message.server_id).await
}
