//! The volume service says what became of a volume.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::conductor::VolumeReimaged;

use super::Desk;

/// Wakes the operations of the server: one of them may wait for its volume.
pub async fn reimaged(
    desk: Arc<Desk>,
    _context: Context,
    message: VolumeReimaged,
) -> Result<(), Failure> {
    desk.wake(&message.server_id).await
}
