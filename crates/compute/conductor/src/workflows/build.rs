//! A new server: **place** (a host, with a durable claim), **ports** (made and bound to it), **volumes** (made,
//! and attached to it),
//! **plugged** (they carry traffic), **spawn** (the host's agent starts the guest), **settle**.
//!
//! When a host fails, everything is undone back to *place* and the next alternate is tried; when
//! none is left the server is in error with a fault that says why each host was turned away.

pub(super) mod disks;
pub(super) mod explain;
pub(super) mod neighbours;
mod outcome;
pub(super) mod place;

use std::time::Duration;

use bus::Options;
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::{PowerState, Server, TaskState, VmState};
use compute_rpc::agent;
use compute_rpc::workflows::{BUILD, BUILD_VERSION, Build as State, HostFailure};
use serde_json::{Value, json};
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::MINUTE;
use super::plugged::{self, Which};
use crate::disk_places;
use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::letting_go;
use crate::records::{self, Changed};
use crate::why::Why;
use crate::{ports, records::finish};

/// How long an undo waits for the agent: one that is down cleans up when it returns.
const DESTROY: Duration = Duration::from_secs(20);

/// How often hosts are chosen while others take them, and how often one that is busy is asked.
pub(super) const TRIES: u32 = 10;

/// See the module.
pub struct Build;

impl Workflow for Build {
    const KIND: &'static str = BUILD;
    const VERSION: u16 = BUILD_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("place", 2 * MINUTE, place::place)
                .attempts(TRIES)
                .undo(place::unplace),
            Step::new("ports", 5 * MINUTE, make_ports).undo(drop_ports),
            Step::new("volumes", MINUTE, disks::make)
                .within(|env| env.settings.build_timeout + MINUTE)
                .undo(disks::give_back),
            Step::new("plugged", MINUTE, carry_traffic).attempts(u32::MAX),
            Step::new("spawn", MINUTE, spawn)
                .within(|env| env.settings.build_timeout + MINUTE)
                .attempts(TRIES)
                .undo(destroy),
            Step::new("attached", MINUTE, disks::complete),
            Step::new("settle", MINUTE, settle),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        disks::let_go(env, state).await?;
        // The journal outlives the operation: what only the guest should know does not stay in it.
        forget_secrets(state);
        state.plan.token = None;
        failed(cx, state, why).await
    }
}

fn forget_secrets(state: &mut State) {
    state.plan.admin_password = None;
    state.plan.injected_files.clear();
}

async fn make_ports(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = records::load(env, &state.server_id).await? else {
        return Err(Why::plain(Kind::Deleted).into());
    };
    let vifs = ports::ensure(env, &server, &state.plan).await?;
    finish(cx, state, &state.server_id, None, |server| {
        server.vifs.clone_from(&vifs);
        if building(server) {
            server.task_state = Some(TaskState::Spawning);
        }
        true
    })
    .await?;
    Ok(Next::Go)
}

async fn drop_ports(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    state.plugging_since = None;
    ports::release_planned(env, &state.server_id, &state.plan).await?;
    finish(cx, state, &state.server_id, None, |server| {
        server.vifs.clear();
        true
    })
    .await?;
    Ok(())
}

pub(super) async fn carry_traffic(
    env: &Env,
    cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    let since = *state.plugging_since.get_or_insert_with(records::now);
    plugged::wait(env, cx, &state.server_id, Which::All, since).await
}

pub(super) async fn spawn(
    env: &Env,
    cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    let Some(mut server) = records::load(env, &state.server_id).await? else {
        return Err(Why::plain(Kind::Deleted).into());
    };
    if let Some(image) = &state.shelved_image {
        server.set_image(image.clone());
    }
    let on = server.host.clone().unwrap_or_default();
    let (node_id, epoch) = (server.node_id.clone(), server.epoch);
    let message = agent::Build {
        server: Box::new(server),
        admin_password: state.plan.admin_password.clone(),
        injected_files: state.plan.injected_files.clone(),
        sent_at: Some(records::now()),
    };
    let options = Options::from(state.asked.context()).deadline(env.settings.build_timeout);
    let called = tokio::select! {
        called = host::call(env, &on, message, options) => called,
        // A delete need not wait for the image.
        () = cx.cancelled() => return Err(StepError::fail("cancelled")),
    };
    let trouble = match called {
        Ok(done) => {
            disk_places::note(cx, (state.server_id.as_str(), epoch), &done).await?;
            state.power_state = Some(done.power_state.number());
            forget_secrets(state);
            outcome::went_well(env, cx, node_id.as_deref()).await;
            return Ok(Next::Go);
        }
        Err(trouble) => trouble,
    };
    match trouble {
        AgentTrouble::Busy(why) if cx.attempt() + 1 < TRIES => {
            Err(StepError::retry(Duration::from_secs(1), why.text))
        }
        AgentTrouble::Away(why) if cx.attempt() < 3 => {
            Err(StepError::retry(Duration::from_secs(1), why.text))
        }
        AgentTrouble::Request(why) => Err(why.into()),
        AgentTrouble::Stale if is_ours(env, &state.server_id, epoch).await? => {
            // The guest obeyed operations that the row does not know of: the database is an older copy, and the build
            // ended well long ago. What the guest is like now, its host reports.
            state.power_state = Some(PowerState::NoState.number());
            forget_secrets(state);
            Ok(Next::Go)
        }
        AgentTrouble::Stale => Err(Why::plain(Kind::Overtaken).into()),
        AgentTrouble::Host(why)
        | AgentTrouble::Away(why)
        | AgentTrouble::Dead(why)
        | AgentTrouble::Busy(why) => {
            tracing::warn!(
                server = state.server_id,
                host = on,
                why = why.text,
                "a host failed, trying another"
            );
            let why = HostFailure {
                host: on,
                kind: why.kind,
                text: why.text,
            };
            outcome::failed(cx, node_id.as_deref()).await;
            state.failures.push(why.clone());
            Ok(Next::Back {
                to: "place",
                why: json!(why),
            })
        }
    }
}

/// Whether nobody took the server over since it had this epoch.
async fn is_ours(env: &Env, server_id: &str, epoch: i64) -> Result<bool, StepError> {
    let row = records::load(env, server_id).await?;
    Ok(row.is_some_and(|server| building(&server) && server.epoch == epoch))
}

pub(super) async fn destroy(
    env: &Env,
    cx: &StepContext,
    state: &mut State,
) -> Result<(), StepError> {
    // A build command that is still on its way, or still fetching the image, must come too late.
    let Some(server) = letting_go::give_up(cx, &state.server_id).await? else {
        return Ok(());
    };
    let Some(on) = &server.host else {
        return Ok(());
    };
    let message = agent::Destroy {
        server_id: server.id.clone(),
        epoch: server.epoch,
    };
    let options = Options::from(state.asked.context()).deadline(DESTROY);
    let Err(trouble) = host::call(env, on, message.clone(), options).await else {
        return letting_go::fulfilled(cx, &server).await;
    };
    match trouble {
        AgentTrouble::Stale => Ok(()),
        AgentTrouble::Away(_) if cx.attempt() < 2 => {
            Err(StepError::retry(Duration::from_secs(1), trouble.why().text))
        }
        // What the guest may have open is nobody else's until its host is known to be dead.
        AgentTrouble::Away(why)
            if !server.volumes.is_empty() && !host::is_dead(env, on).await? =>
        {
            Err(StepError::retry(Duration::from_secs(1), why.text))
        }
        AgentTrouble::Away(_) | AgentTrouble::Dead(_) => {
            host::leave_word(env, on, &state.asked, message).await;
            Ok(())
        }
        other => Err(StepError::retry(Duration::from_secs(1), other.why().text)),
    }
}

async fn settle(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    // Until the end is saved, an undo may need the token.
    let mut ended = state.clone();
    ended.plan.token = None;
    let power = records::power(state.power_state);
    let host = state.tried.last().map(String::as_str);
    let event = records::event(&state.asked, &event_of("create"), host, None);
    let changed = finish(
        cx,
        &ended,
        &state.server_id,
        Some((&state.asked, event)),
        |server| {
            if settled(server) || !building(server) {
                // An earlier run got this far, or a delete claimed it meanwhile.
                return false;
            }
            server.vm_state = VmState::Active;
            server.task_state = None;
            server.power_state = power;
            server.launched_at = Some(records::now());
            true
        },
    )
    .await?;
    if let Changed::Yes = changed {
        return Ok(Next::Go);
    }
    match records::load(env, &state.server_id).await? {
        Some(server) if settled(&server) => Ok(Next::Go),
        _ => Err(Why::plain(Kind::Overtaken).into()),
    }
}

async fn failed(cx: &StepContext, state: &State, why: &Value) -> Result<(), StepError> {
    if why["cancelled"] == json!(true) {
        return Ok(());
    }
    let told = explain::explain(state, &Why::of(why));
    tracing::error!(
        server = state.server_id,
        why = told.message,
        "a server could not be built"
    );
    let event = records::event(
        &state.asked,
        "conductor_schedule_and_build_instances",
        None,
        Some(&told),
    );
    finish(
        cx,
        state,
        &state.server_id,
        Some((&state.asked, event)),
        |server| {
            // All that was built is gone by now, whatever the row says; only a delete goes on.
            if server.task_state == Some(TaskState::Deleting) {
                return false;
            }
            server.vm_state = VmState::Error;
            server.task_state = None;
            server.fault = Some(records::fault(&told));
            true
        },
    )
    .await?;
    Ok(())
}

/// Whether the build had its last word, and its save was lost. Users may have gone on since.
fn settled(server: &Server) -> bool {
    server.launched() && server.task_state != Some(TaskState::Deleting)
}

/// Whether the server is still this workflow's: being built, and not being deleted.
fn building(server: &Server) -> bool {
    let unshelving = server.task_state == Some(TaskState::Unshelving);
    let building = server.vm_state == VmState::Building || unshelving;
    building && server.task_state != Some(TaskState::Deleting)
}
