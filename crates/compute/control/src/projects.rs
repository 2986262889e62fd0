//! Projects, as far as compute must know of them.

use clients::identity;

use crate::{Context, Control, ControlError, Result};

/// Refuses projects that the identity service says do not exist. Where it says nothing, or the
/// caller may not ask, the project passes, as in Nova.
///
/// # Errors
/// 400 for an unknown project.
pub async fn must_exist(control: &Control, cx: &Context, id: &str) -> Result<()> {
    if cx.caller.project_id.as_deref() == Some(id) {
        return Ok(());
    }
    match identity::project_exists(&control.identity, cx.token(), id).await {
        Ok(Some(false)) => Err(ControlError::Invalid {
            why: format!("Project ID {id} is not a valid project."),
        }),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, project = id, "cannot ask whether a project exists");
            Ok(())
        }
    }
}
