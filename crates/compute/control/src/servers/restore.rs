//! A server that is kept as deleted comes back.

use compute_db::{quotas, servers};
use compute_model::lifecycle::{self, Action};
use compute_rpc::agent::Given;
use compute_rpc::workflows::{ACT, ACT_VERSION, Act};

use super::act::not_ready;
use super::{asked, begin_action, load, lock, nudge, room};
use crate::{Context, Control, ControlError, Result, policy};

/// Begins to start a server again that was deleted and is kept. It took none of its project's quota, and takes it again.
///
/// # Errors
/// 404; 403 by policy and quota; 409 when its state or lock forbids it.
pub async fn restore(control: &Control, cx: &Context, id: &str) -> Result<()> {
    const ACTION: Action = Action::Restore;
    let project = load(control, cx, id).await?.project_id;
    let admin = policy::is_admin(control, cx);
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        // Waits for others, so it comes before anything is read.
        quotas::hold(&tx, &project).await?;
        let mut server = lock(&tx, control, cx, id).await?;
        let rule = lifecycle::admit(ACTION, &server, admin)?;
        if server.host.is_none() {
            return Err(not_ready(&server.id));
        }
        room::for_servers(control, &tx, &server, (1, 1)).await?;
        server.task_state = rule.claims;
        server.epoch += 1;
        servers::save(&tx, &mut server).await?;
        begin_action(&tx, cx, &server, rule.record).await?;
        let state = Act {
            server_id: server.id.clone(),
            asked: asked(cx),
            action: ACTION,
            epoch: server.epoch,
            given: Given::default(),
            server_password: None,
            power_state: None,
            refused: 0,
        };
        let begun = workflow::insert(&tx, (ACT, ACT_VERSION), &server.id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    Ok(())
}
