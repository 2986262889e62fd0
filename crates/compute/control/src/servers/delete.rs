//! A server goes: for good, or it is kept for a while as deleted.

use compute_db::servers;
use compute_model::lifecycle::{self, Action};
use compute_model::{Server, TaskState};
use compute_rpc::workflows::{
    DELETE, DELETE_VERSION, Delete, SOFT_DELETE, SOFT_DELETE_VERSION, SoftDelete,
};
use sql::sea_orm::DatabaseTransaction;
use workflow::WorkflowId;

use super::shelve::left_image;
use super::{asked, begin_action, begin_action_as, lock, nudge};
use crate::{Context, Control, ControlError, Result, policy};

/// Deletes a server, whatever its state. Where deleted servers are kept for a while (`reclaim_instance_interval`), one that
/// ran, has a host and is not leaving it is; others go at once, as with Nova. Repeating it while the server is being
/// deleted is fine.
///
/// # Errors
/// 404, 403 by policy, 409 for a locked server.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    go(control, cx, id, control.settings.keeps_deleted).await
}

/// Deletes a server for good, whatever its state, also one that is kept as deleted.
///
/// # Errors
/// As of [`delete`].
pub async fn force_delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    go(control, cx, id, false).await
}

async fn go(control: &Control, cx: &Context, id: &str, keep: bool) -> Result<()> {
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        lifecycle::unlocked(&server, policy::is_admin(control, cx))?;
        let keep = keep && server.host.is_some() && may_be_kept(control, cx, &server);
        let task = match keep {
            true => TaskState::SoftDeleting,
            false => TaskState::Deleting,
        };
        if [Some(TaskState::Deleting), Some(task)].contains(&server.task_state) {
            return Ok(Vec::new());
        }
        server.task_state = Some(task);
        server.epoch += 1;
        server.progress = 0;
        servers::save(&tx, &mut server).await?;
        let mut begun = workflow::request_cancel(&tx, &server.id).await?;
        begun.push(match keep {
            true => keep_a_while(&tx, control, cx, &server).await?,
            false => end(&tx, control, cx, &server).await?,
        });
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &begun);
    Ok(())
}

/// A server that is leaving its host counts as on none: nobody knows whether its disk is there still.
fn may_be_kept(control: &Control, cx: &Context, server: &Server) -> bool {
    let leaves = server.task_state == Some(TaskState::ShelvingOffloading);
    !leaves && lifecycle::admit(Action::SoftDelete, server, policy::is_admin(control, cx)).is_ok()
}

async fn keep_a_while(
    tx: &DatabaseTransaction,
    control: &Control,
    cx: &Context,
    server: &Server,
) -> Result<WorkflowId> {
    let action = lifecycle::rule(Action::SoftDelete).record;
    begin_action_as(tx, cx, server, (action, "soft_delete")).await?;
    let state = SoftDelete {
        server_id: server.id.clone(),
        asked: asked(cx),
        epoch: server.epoch,
        image: left_image(control, cx, server),
        lost: false,
        power_state: None,
    };
    let kind = (SOFT_DELETE, SOFT_DELETE_VERSION);
    Ok(workflow::insert(tx, kind, &server.id, &state).await?)
}

async fn end(
    tx: &DatabaseTransaction,
    control: &Control,
    cx: &Context,
    server: &Server,
) -> Result<WorkflowId> {
    begin_action(tx, cx, server, "delete").await?;
    let state = Delete {
        server_id: server.id.clone(),
        asked: asked(cx),
        image: left_image(control, cx, server),
    };
    Ok(workflow::insert(tx, (DELETE, DELETE_VERSION), &server.id, &state).await?)
}
