//! Locks against actions.

use compute_model::lifecycle;
use compute_model::server::{Lock, LockOwner};

use super::{edit, load};
use crate::{Context, Control, Result, policy};

/// Locks a server. An owner's lock on a locked server changes nothing, and is no action.
///
/// # Errors
/// 404, 403 by policy.
pub async fn lock(control: &Control, cx: &Context, id: &str, reason: Option<&str>) -> Result<()> {
    let server = load(control, cx, id).await?;
    if server.lock.is_some() && owns(cx, &server.project_id) {
        return Ok(());
    }
    edit(control, cx, id, Some("lock"), |server| {
        let owner = owns(cx, &server.project_id);
        if server.lock.is_none() || !owner {
            server.lock = Some(Lock {
                by: if owner {
                    LockOwner::Owner
                } else {
                    LockOwner::Admin
                },
                reason: reason.map(str::to_owned),
            });
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// Lifts a lock.
///
/// # Errors
/// 404, 403 by policy, also for an owner who would lift an operator's lock.
pub async fn unlock(control: &Control, cx: &Context, id: &str) -> Result<()> {
    edit(control, cx, id, Some("unlock"), |server| {
        let operator = !owns(cx, &server.project_id);
        if !lifecycle::may_unlock(server, operator, false) {
            let rule = "os_compute_api:os-lock-server:unlock:unlock_override";
            policy::allow_rule_on(control, cx, rule, Some(&server.project_id), &server.user_id)?;
        }
        server.lock = None;
        Ok(())
    })
    .await?;
    Ok(())
}

fn owns(cx: &Context, project_id: &str) -> bool {
    cx.caller.project_id.as_deref() == Some(project_id)
}
