//! A server and all that belongs to it goes: build under way, guest, ports, volumes, tokens, claims, record.
//!
//! It cannot be cancelled and only goes forward: each step removes something, is tried until it succeeds, and
//! removing what is gone is success. A host that is down keeps its guest's files until its agent returns; the agent then
//! finds word that they are to go, in its queue and, lasting, in the database: it hears that when it
//! reports its guests.

use std::time::Duration;

use bus::Options;
use compute_db::{
    DbError, actions, claims, consoles, passwords, server_groups, server_migrations, servers,
};
use compute_model::action::event_of;
use compute_model::state::MigrationStatus;
use compute_model::{PowerState, VmState};
use compute_rpc::agent;
use compute_rpc::workflows::{DELETE, DELETE_VERSION, Delete as State};
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::MINUTE;
use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::{images, letting_go, ports, records, volumes};

/// How often an operation that was asked to turn round is looked at. Its end wakes us before that.
const LOOK: Duration = Duration::from_secs(1);

/// How long an agent that does not answer is waited for before its host counts as down.
const AGENT_TRIES: u32 = 5;

/// See the module.
pub struct Delete;

impl Workflow for Delete {
    const KIND: &'static str = DELETE;
    const VERSION: u16 = DELETE_VERSION;
    const CANCELLABLE: bool = false;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("quiet", MINUTE, quiet),
            Step::new("guest", MINUTE, guest).within(|env| env.settings.action_timeout + MINUTE),
            Step::new("ports", 5 * MINUTE, release_ports),
            Step::new("volumes", 5 * MINUTE, release_volumes),
            Step::new("image", 5 * MINUTE, remove_image),
            Step::new("record", MINUTE, record),
        ]
    }
}

async fn quiet(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    others_ended(env, cx, &state.server_id, DELETE).await
}

/// Waits until no other operation works on the server. The use case asked them to turn round. Of two operations of this kind,
/// the older goes on.
pub async fn others_ended(
    env: &Env,
    cx: &StepContext,
    server_id: &str,
    kind: &str,
) -> Result<Next, StepError> {
    let running = workflow::find(env.db.read(), server_id)
        .await
        .map_err(|error| StepError::retry(Duration::from_secs(1), error))?;
    let others = running
        .iter()
        .filter(|other| other.id != cx.id() && other.status == workflow::Status::Running)
        .filter(|other| other.kind != kind || other.id.to_string() < cx.id().to_string());
    match others.count() {
        0 => Ok(Next::Go),
        count => Err(StepError::retry(LOOK, format!("{count} other operations"))),
    }
}

async fn guest(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = records::load(env, &state.server_id).await? else {
        return Ok(Next::Go);
    };
    let Some(on) = server.host.clone() else {
        return Ok(Next::Go);
    };
    let message = agent::Destroy {
        server_id: server.id.clone(),
        epoch: server.epoch,
    };
    let options = Options::from(state.asked.context()).deadline(env.settings.action_timeout);
    let Err(trouble) = host::call(env, &on, message.clone(), options).await else {
        return Ok(Next::Go);
    };
    let gone = match &trouble {
        AgentTrouble::Stale => return Ok(Next::Go),
        AgentTrouble::Dead(_) => true,
        AgentTrouble::Away(_) if cx.attempt() >= AGENT_TRIES => host::is_dead(env, &on).await?,
        _ => false,
    };
    if !gone {
        let why = trouble.why().text;
        return Err(StepError::retry(Duration::from_secs(1), why));
    }
    letting_go::leave(cx, &server.id).await?;
    host::leave_word(env, &on, &state.asked, message).await;
    Ok(Next::Go)
}

async fn release_ports(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if let Some(server) = records::load(env, &state.server_id).await? {
        ports::release(env, &server).await?;
    }
    Ok(Next::Go)
}

async fn release_volumes(
    env: &Env,
    _cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    if let Some(server) = records::load(env, &state.server_id).await? {
        // What was reserved for the server beside its own is void by now.
        volumes::release_all_of(env, &server.id).await?;
        volumes::delete_those_that_go(env, &server).await?;
    }
    Ok(Next::Go)
}

/// The image of a shelved server is of no use without it.
async fn remove_image(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if let Some(image) = &state.image {
        images::remove(env, &image.token, &image.id).await?;
    }
    Ok(Next::Go)
}

async fn record(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = match servers::lock(&tx, &state.server_id).await {
            Err(DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        claims::release(&tx, &server.id).await?;
        if let Some(resize) = server.resize.take() {
            claims::release(&tx, &resize.migration_id).await?;
            let (id, status) = (&resize.migration_id, MigrationStatus::Confirmed);
            server_migrations::note(&tx, id, status, records::now()).await?;
        }
        consoles::forget(&*tx, &server.id).await?;
        server_groups::leave(&tx, &server.id).await?;
        passwords::forget(&*tx, &server.id).await?;
        let now = records::now();
        let event = records::event(
            &state.asked,
            &event_of("delete"),
            server.host.as_deref(),
            None,
        );
        server.vm_state = VmState::Deleted;
        server.task_state = None;
        server.power_state = PowerState::NoState;
        server.vifs.clear();
        server.volumes.clear();
        server.terminated_at = Some(now);
        server.deleted_at = Some(now);
        servers::save(&tx, &mut server).await?;
        actions::end_event(&*tx, &server.id, &state.asked.request_id, &event).await?;
        actions::abandon_events(&*tx, &server.id, None, now).await?;
        tx.finish(state).await?;
        Ok::<(), DbError>(())
    })
    .await
    .map_err(records::database)?;
    Ok(Next::Go)
}
