//! A guest that ran until its host lost its power runs again: **act** (its host starts it when it is its turn), **settle**.
//!
//! Its host begins a few at a time and turns the others away meanwhile, so this waits in the journal, for as long as it
//! takes. A host that has just begun may not have the server's networks yet: it is asked again for a while.

use std::time::Duration;

use compute_db::{Database, DbError, servers};
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Action};
use compute_model::{PowerState, Server};
use compute_rpc::agent::Given;
use compute_rpc::workflows::{Act as State, RESUME_GUEST, RESUME_GUEST_VERSION};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow, WorkflowError};

use super::MINUTE;
use super::act::{AWAY, TRIES, command, current, failed, message, settle};
use crate::env::Env;
use crate::host::AgentTrouble;
use crate::records;
use crate::why::Why;

/// How often it asks for its turn: for five hours at least.
const ASKED: u32 = 9000;

/// How long a host that could not is left alone.
const AGAIN: Duration = Duration::from_secs(2);

/// See the module.
pub struct ResumeGuest;

impl Workflow for ResumeGuest {
    const KIND: &'static str = RESUME_GUEST;
    const VERSION: u16 = RESUME_GUEST_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("act", MINUTE, act)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(ASKED),
            Step::new("settle", MINUTE, settle),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        failed(env, cx, state, why).await
    }
}

async fn act(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = current(env, state).await? else {
        return Ok(Next::Go);
    };
    let message = message(state.action, server);
    match command(env, cx, &state.asked, message).await? {
        Ok(done) => {
            state.power_state = Some(done.power_state.number());
            Ok(Next::Go)
        }
        Err(AgentTrouble::Stale) => match current(env, state).await? {
            Some(_) => Err(Why::plain(Kind::Overtaken).into()),
            None => Ok(Next::Go),
        },
        Err(AgentTrouble::Busy(why)) => Err(StepError::retry(AWAY, why.text)),
        Err(AgentTrouble::Away(why) | AgentTrouble::Host(why)) if state.refused + 1 < TRIES => {
            state.refused += 1;
            Err(StepError::retry(AGAIN, why.text))
        }
        Err(trouble) => Err(trouble.why().into()),
    }
}

/// Whether a server ran, as its row has it, and is to run again when its host says that it does not.
pub fn ran(server: &Server, seen: PowerState) -> bool {
    let off = matches!(seen, PowerState::Shutdown | PowerState::Crashed);
    off && server.power_state == PowerState::Running
        && lifecycle::admit(Action::ResumeOnBoot, server, true).is_ok()
}

/// Begins it, if the server still is as it was seen. The journal's sweep, or a nudge, carries it out.
pub async fn begin(db: &Database, host: &str, id: &str, seen: PowerState) -> Result<(), DbError> {
    sql::retry(|| async {
        let tx = db.begin().await?;
        let mut server = match servers::lock(&tx, id).await {
            Err(DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        if server.host.as_deref() != Some(host) || !ran(&server, seen) {
            return Ok(());
        }
        let rule = lifecycle::rule(Action::ResumeOnBoot);
        server.task_state = rule.claims;
        server.power_state = seen;
        server.epoch += 1;
        servers::save(&tx, &mut server).await?;
        let asked = records::begin_unasked(&tx, &server, rule.record).await?;
        let state = State {
            server_id: server.id.clone(),
            asked,
            action: Action::ResumeOnBoot,
            epoch: server.epoch,
            given: Given::default(),
            server_password: None,
            power_state: None,
            refused: 0,
        };
        let kind = (RESUME_GUEST, RESUME_GUEST_VERSION);
        let inserted = workflow::insert(&tx, kind, &server.id, &state).await;
        inserted.map_err(|error| match error {
            WorkflowError::Sql(error) => DbError::Sql(error),
            WorkflowError::State(source) => DbError::Unreadable {
                id: server.id.clone(),
                source,
            },
        })?;
        tx.commit().await?;
        tracing::info!(
            server = id,
            host,
            "a guest ran until its host lost its power; it is started again"
        );
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use compute_model::{TaskState, VmState, testing};

    use super::*;

    #[test]
    fn what_ran_and_does_not_run_is_started_and_nothing_else() {
        let mut server = testing::server("s");
        assert!(ran(&server, PowerState::Shutdown));
        assert!(ran(&server, PowerState::Crashed));
        for not_off in [
            PowerState::Running,
            PowerState::NoState,
            PowerState::Suspended,
        ] {
            assert!(!ran(&server, not_off), "{not_off:?}");
        }
        server.vm_state = VmState::Resized;
        assert!(ran(&server, PowerState::Shutdown));
        server.task_state = Some(TaskState::Rebooting);
        assert!(!ran(&server, PowerState::Shutdown), "its reboot goes on");
        server.task_state = None;
        server.vm_state = VmState::Paused;
        assert!(!ran(&server, PowerState::Shutdown));
        server.vm_state = VmState::Active;
        server.power_state = PowerState::Shutdown;
        assert!(!ran(&server, PowerState::Shutdown), "it did not run");
    }
}
