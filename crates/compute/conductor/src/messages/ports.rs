//! The network service says that a port changed.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::conductor::PortChanged;

use super::Desk;

/// Wakes a build that waits for its ports.
pub async fn changed(
    desk: Arc<Desk>,
    _context: Context,
    message: PortChanged,
) -> Result<(), Failure> {
    desk.env.waiting.ring(&message.server_id);
    Ok(())
}
