//! One action on a server's host: start, stop, reboot, pause, unpause, suspend, resume, rescue, unrescue, rebuild, crash
//! dump.
//!
//! The use case claimed the server: its task state, and an epoch of its own. Whoever claims it
//! anew raises the epoch, and then this workflow ends without effect.

use std::time::Duration;

use bus::Options;
use compute_db::{DbError, passwords, servers};
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::lifecycle::{self, Action, OnFailure};
use compute_model::{PowerState, Server, TaskState, VmState};
use compute_rpc::agent::{self, Given};
use compute_rpc::workflows::{ACT, ACT_VERSION, Act as State, Asked};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::MINUTE;
use crate::disk_places;
use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::records::{self, Changed};
use crate::why::{FailureText, Why};

/// How long a host that does not answer is waited for: longer than an agent's restart.
pub const AWAY: Duration = Duration::from_secs(2);

/// How often a host that does not answer or is busy is asked.
pub const TRIES: u32 = 15;

/// See the module.
pub struct Act;

impl Workflow for Act {
    const KIND: &'static str = ACT;
    const VERSION: u16 = ACT_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("act", MINUTE, act)
                .within(|env| env.settings.action_timeout + MINUTE)
                .attempts(TRIES),
            Step::new("settle", MINUTE, settle),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        state.given = Given::default();
        failed(env, cx, state, why).await
    }
}

async fn act(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = current(env, state).await? else {
        return Ok(Next::Go);
    };
    let message = agent::Act {
        given: state.given.clone(),
        ..message(state.action, server)
    };
    let called = command(env, cx, &state.asked, message).await?;
    match called {
        Ok(done) => {
            state.power_state = Some(done.power_state.number());
            state.given = Given::default();
            Ok(Next::Go)
        }
        // The host obeyed a newer operation. If that is none of ours, nobody but us says how this one ended.
        Err(AgentTrouble::Stale) => match current(env, state).await? {
            Some(_) => Err(Why::plain(Kind::Overtaken).into()),
            None => Ok(Next::Go),
        },
        Err(AgentTrouble::Away(why) | AgentTrouble::Busy(why)) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(AWAY, why.text))
        }
        Err(trouble) => Err(trouble.why().into()),
    }
}

pub(super) async fn settle(
    env: &Env,
    cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    let rule = lifecycle::rule(state.action);
    let name = event_of(rule.record);
    let Some(number) = state.power_state else {
        // Another operation holds the server: how this one ended nobody knows.
        let event = records::event(&state.asked, &name, None, None);
        let event = Some((&state.asked, event));
        records::change(cx, &state.server_id, event, |_| false).await?;
        return Ok(Next::Go);
    };
    let power = PowerState::try_from(number).unwrap_or_default();
    if let Some(password) = &state.server_password {
        keep_password(cx, &state.server_id, password).await?;
    }
    let host = current(env, state).await?.and_then(|server| server.host);
    let event = records::event(&state.asked, &name, host.as_deref(), None);
    records::finish(
        cx,
        state,
        &state.server_id,
        Some((&state.asked, event)),
        |server| {
            if server.epoch != state.epoch {
                return false;
            }
            server.vm_state = rule.settled(server.vm_state);
            server.task_state = None;
            server.power_state = power;
            if state.action == Action::Unrescue {
                server.rescue = None;
            }
            if server.vm_state == VmState::Active {
                server.launched_at = server.launched_at.or(Some(records::now()));
                server.fault = None;
            }
            true
        },
    )
    .await?;
    Ok(Next::Go)
}

/// Keeps the password that a guest has by now, encrypted for its owner, in the place of an earlier one; an empty one
/// only removes that. The server is locked, so that nothing is kept for one that is deleted meanwhile.
async fn keep_password(cx: &StepContext, server_id: &str, password: &str) -> Result<(), StepError> {
    sql::retry(|| async {
        let tx = cx.begin().await?;
        match servers::lock(&tx, server_id).await {
            Err(DbError::NotFound(_)) => return Ok(()),
            other => drop(other?),
        }
        passwords::forget(&*tx, server_id).await?;
        if !password.is_empty() {
            passwords::insert(&*tx, server_id, password, records::now()).await?;
        }
        tx.commit().await?;
        Ok::<(), DbError>(())
    })
    .await
    .map_err(records::database)
}

/// Ends the action without effect. Nobody knows whether its host may still carry it out: the server gets a new
/// epoch, and the host hears of that, so that what comes late is refused.
pub(super) async fn failed(
    env: &Env,
    cx: &StepContext,
    state: &State,
    why: &Value,
) -> Result<(), StepError> {
    let rule = lifecycle::rule(state.action);
    let why = Why::of(why);
    let told = FailureText {
        message: format!("Failed to {} instance: {}", rule.verb, why.kind.sentence()),
        details: why.text,
    };
    let name = event_of(rule.record);
    let event = records::event(&state.asked, &name, None, Some(&told));
    let changed = records::change(
        cx,
        &state.server_id,
        Some((&state.asked, event)),
        |server| {
            if server.epoch != state.epoch {
                return false;
            }
            server.epoch += 1;
            server.task_state = None;
            server.fault = Some(records::fault(&told));
            if rule.on_failure == OnFailure::Error {
                server.vm_state = VmState::Error;
            }
            true
        },
    )
    .await?;
    match changed {
        Changed::Yes => host::say_given_up(env, &state.asked, &state.server_id, state.epoch).await,
        Changed::Overtaken => Ok(()),
    }
}

/// The server while this operation still holds it.
pub(super) async fn current(env: &Env, state: &State) -> Result<Option<Server>, StepError> {
    let server = records::load(env, &state.server_id).await?;
    Ok(server.filter(|server| server.epoch == state.epoch))
}

/// Has a server's host carry out a part of another operation.
pub async fn tell(
    env: &Env,
    cx: &StepContext,
    asked: &Asked,
    action: Action,
    server: Server,
) -> Result<PowerState, StepError> {
    tell_with(env, cx, asked, (action, Given::default()), server).await
}

/// The same, with what its guest is given.
pub async fn tell_with(
    env: &Env,
    cx: &StepContext,
    asked: &Asked,
    (action, given): (Action, Given),
    server: Server,
) -> Result<PowerState, StepError> {
    let message = agent::Act {
        given,
        ..message(action, server)
    };
    let called = command(env, cx, asked, message).await?;
    match called {
        Ok(done) => Ok(done.power_state),
        Err(AgentTrouble::Away(why) | AgentTrouble::Busy(why)) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(AWAY, why.text))
        }
        Err(trouble) => Err(trouble.why().into()),
    }
}

/// Ends a server's guest, as a part of another operation. One that its host does not have is ended.
pub async fn stop(
    env: &Env,
    cx: &StepContext,
    asked: &Asked,
    server: Server,
) -> Result<(), StepError> {
    match command(env, cx, asked, message(Action::Stop, server)).await? {
        Ok(_) => Ok(()),
        Err(AgentTrouble::Host(why) | AgentTrouble::Request(why)) if why.kind == Kind::Lost => {
            Ok(())
        }
        Err(AgentTrouble::Away(why) | AgentTrouble::Busy(why)) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(AWAY, why.text))
        }
        Err(trouble) => Err(trouble.why().into()),
    }
}

/// Sends a command to the server's host and waits for what becomes of it. A delete need not wait until a guest shut down in
/// order.
///
/// # Errors
/// The server is on no host, or somebody asked to turn round.
pub async fn command(
    env: &Env,
    cx: &StepContext,
    asked: &Asked,
    message: agent::Act,
) -> Result<Result<agent::Done, AgentTrouble>, StepError> {
    let Some(on) = message.server.host.clone() else {
        return Err(Why::new(Kind::Lost, "the server is on no host").into());
    };
    let (server_id, epoch) = (message.server.id.clone(), message.server.epoch);
    let options = Options::from(asked.context()).deadline(env.settings.action_timeout);
    let called = tokio::select! {
        called = host::call(env, &on, message, options) => called,
        () = cx.cancelled() => return Err(StepError::fail("cancelled")),
    };
    if let Ok(done) = &called {
        disk_places::note(cx, (server_id.as_str(), epoch), done).await?;
    }
    Ok(called)
}

/// Has a server's host take back what another operation of `epoch` told it, or never begin it: the server gets the next
/// epoch, and its host this action. Success where the operation does not hold the server any more.
pub async fn take_back(
    env: &Env,
    cx: &StepContext,
    (server_id, asked, epoch): (&str, &Asked, i64),
    tasks: &[TaskState],
    action: Action,
) -> Result<Result<(), AgentTrouble>, StepError> {
    let raised = records::change(cx, server_id, None, |server| {
        let ours = records::holds(server, epoch, tasks);
        if ours {
            server.epoch = epoch + 1;
        }
        ours
    })
    .await?;
    let (Changed::Yes, Some(server)) = (raised, records::load(env, server_id).await?) else {
        return Ok(Ok(()));
    };
    let Some(on) = server.host.clone() else {
        return Ok(Ok(()));
    };
    let options = Options::from(asked.context()).deadline(env.settings.action_timeout);
    let called = host::call(env, &on, message(action, server), options).await;
    Ok(called.map(|_| ()))
}

/// The command that carries it out.
pub fn message(action: Action, server: Server) -> agent::Act {
    agent::Act {
        action,
        server: Box::new(server),
        given: Given::default(),
        sent_at: Some(records::now()),
    }
}
