//! An operator says what a server is.

use compute_model::state::VmState;

use super::edit;
use crate::{Context, Control, Result};

/// Declares a server active or in error, with nothing under way. What is under way loses it: its
/// epoch is passed over.
///
/// # Errors
/// 404, 403 by policy.
pub async fn reset(control: &Control, cx: &Context, id: &str, to: VmState) -> Result<()> {
    edit(control, cx, id, Some("resetState"), |server| {
        server.vm_state = to;
        server.task_state = None;
        server.epoch += 1;
        server.soft_deleted_at = None;
        Ok(())
    })
    .await?;
    Ok(())
}
