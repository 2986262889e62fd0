//! One action on a server's guest: start, stop, reboot, pause, unpause, suspend, resume, unrescue, crash dump.

use compute_db::servers;
use compute_model::Server;
use compute_model::lifecycle::{self, Action};
use compute_rpc::agent::Given;
use compute_rpc::workflows::{ACT, ACT_VERSION, Act};
use serde::Serialize;

use super::{asked, begin_action, lock, nudge};
use crate::{Context, Control, ControlError, Result, keypairs, policy};

/// Accepts an action: claims the server for it and writes it into the journal.
///
/// # Errors
/// 404, 403 by policy, 409 when the server's state or lock forbids it.
pub async fn act(control: &Control, cx: &Context, id: &str, action: Action) -> Result<()> {
    begin(control, cx, id, (action, Given::default()), |_| Ok(())).await
}

/// The same, with what its guest is given, and what becomes of the server at once; it has the epoch of the action then.
pub(super) async fn begin(
    control: &Control,
    cx: &Context,
    id: &str,
    (action, given): (Action, Given),
    change: impl Fn(&mut Server) -> Result<()> + Send + Sync,
) -> Result<()> {
    let state = |server: &Server| Act {
        server_id: server.id.clone(),
        asked: asked(cx),
        action,
        epoch: server.epoch,
        given: given.clone(),
        server_password: given
            .admin_password
            .as_deref()
            .filter(|_| action == Action::ChangePassword)
            .and_then(|password| keypairs::for_owner(server, password)),
        power_state: None,
        refused: 0,
    };
    let workflow = ((ACT, ACT_VERSION), state);
    begin_as(control, cx, id, (action, change), workflow).await
}

/// The same by a workflow of this kind and version, whose state is made of the claimed server.
pub(super) async fn begin_as<S: Serialize + Send + Sync>(
    control: &Control,
    cx: &Context,
    id: &str,
    (action, change): (Action, impl Fn(&mut Server) -> Result<()> + Send + Sync),
    (kind, state): ((&'static str, u16), impl Fn(&Server) -> S + Send + Sync),
) -> Result<()> {
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        let rule = lifecycle::admit(action, &server, policy::is_admin(control, cx))?;
        if server.host.is_none() {
            return Err(not_ready(&server.id));
        }
        server.task_state = rule.claims;
        server.epoch += 1;
        change(&mut server)?;
        servers::save(&tx, &mut server).await?;
        begin_action(&tx, cx, &server, rule.record).await?;
        let begun = workflow::insert(&tx, kind, &server.id, &state(&server)).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    Ok(())
}

/// The answer to what needs a host, for a server that has none yet.
pub(crate) fn not_ready(id: &str) -> ControlError {
    ControlError::Conflict {
        why: format!("Instance {id} is not ready"),
    }
}
