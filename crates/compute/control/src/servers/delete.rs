//! A server goes.

use compute_db::servers;
use compute_model::TaskState;
use compute_model::lifecycle;
use compute_rpc::workflows::{DELETE, DELETE_VERSION, Delete};

use super::shelve::left_image;
use super::{asked, begin_action, lock, nudge};
use crate::{Context, Control, ControlError, Result, policy};

/// Deletes a server, whatever its state. Repeating it while the server is being deleted is fine.
///
/// # Errors
/// 404, 403 by policy, 409 for a locked server.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        lifecycle::unlocked(&server, policy::is_admin(control, cx))?;
        if server.task_state == Some(TaskState::Deleting) {
            return Ok(Vec::new());
        }
        server.task_state = Some(TaskState::Deleting);
        server.epoch += 1;
        server.progress = 0;
        servers::save(&tx, &mut server).await?;
        begin_action(&tx, cx, &server, "delete").await?;
        let mut begun = workflow::request_cancel(&tx, &server.id).await?;
        let state = Delete {
            server_id: server.id.clone(),
            asked: asked(cx),
            image: left_image(control, cx, &server),
        };
        begun.push(workflow::insert(&tx, (DELETE, DELETE_VERSION), &server.id, &state).await?);
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &begun);
    Ok(())
}
