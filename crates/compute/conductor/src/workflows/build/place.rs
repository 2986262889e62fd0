//! A host for a server: chosen by the scheduler, claimed here, together with the server's row.

use std::time::Duration;

use bus::Options;
use compute_db::{DbError, actions, claims, servers};
use compute_model::action::event_of;
use compute_model::fault::Kind;
use compute_model::request::{self, Choice, PlacementRequest};
use compute_model::{Server, TaskState, VmState};
use compute_rpc::scheduler;
use compute_rpc::workflows::{Asked, Build as State};
use workflow::{Next, StepContext, StepError};

use super::{TRIES, building, neighbours};
use crate::env::Env;
use crate::records;
use crate::why::Why;

/// How long the scheduler has to answer.
const ANSWER: Duration = Duration::from_secs(60);

pub async fn place(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let Some(server) = records::load(env, &state.server_id).await? else {
        return Err(Why::plain(Kind::Deleted).into());
    };
    if server.host.is_some() && claimed(env, &server).await? {
        // An earlier run got this far and its save was lost.
        note(state, server.host.clone());
        return Ok(Next::Go);
    }
    if state.tried.len() >= env.settings.max_attempts {
        return Err(no_host(state));
    }
    let mut wanted = wanted(&server, state);
    let amounts = request::resources(&wanted);
    let mut choices = std::mem::take(&mut state.alternates);
    if choices.is_empty() {
        neighbours::note(env, &server, &mut wanted).await?;
        choices = select(env, state, wanted).await?;
    }
    let mut refused = String::new();
    while !choices.is_empty() {
        let choice = choices.remove(0);
        let mut placed = state.clone();
        placed.alternates.clone_from(&choices);
        note(&mut placed, Some(choice.host.clone()));
        match take(cx, &placed, &choice, &amounts).await? {
            Taken::Yes => {
                *state = placed;
                return Ok(Next::Go);
            }
            Taken::No(why) => refused = why,
        }
    }
    // The hosts filled up between the choice and the claim.
    let why = format!("every chosen host was taken by others: {refused}");
    if cx.attempt() + 1 >= TRIES {
        return Err(Why::new(Kind::NoHost, why).into());
    }
    Err(StepError::retry(Duration::from_millis(20), why))
}

fn note(state: &mut State, host: Option<String>) {
    if let Some(host) = host
        && state.tried.last() != Some(&host)
    {
        state.tried.push(host);
    }
}

async fn claimed(env: &Env, server: &Server) -> Result<bool, StepError> {
    let held = claims::of_consumer(env.db.read(), &server.id)
        .await
        .map_err(records::database)?;
    Ok(held
        .iter()
        .any(|(node, _)| Some(node) == server.node_id.as_ref()))
}

fn wanted(server: &Server, state: &State) -> PlacementRequest {
    PlacementRequest {
        host: state.plan.host.clone(),
        hypervisor_hostname: state.plan.hypervisor_hostname.clone(),
        forced_host: state.plan.forced_host.clone(),
        forced_node: state.plan.forced_node.clone(),
        ignore_hosts: state.tried.clone(),
        ..PlacementRequest::of(server)
    }
}

/// Asks the scheduler in the name of who asked for an operation.
pub(in crate::workflows) async fn ask(
    env: &Env,
    asked: &Asked,
    message: scheduler::SelectHost,
) -> Result<scheduler::Selection, StepError> {
    let options = Options::from(asked.context()).deadline(ANSWER);
    let answer = env.bus.call(&scheduler::address(), message, options).await;
    answer.map_err(|error| StepError::retry(Duration::from_secs(1), error))
}

async fn select(
    env: &Env,
    state: &mut State,
    request: PlacementRequest,
) -> Result<Vec<Choice>, StepError> {
    let message = scheduler::SelectHost {
        request,
        alternates: env.settings.max_attempts - 1,
    };
    let selection = ask(env, &state.asked, message).await?;
    if state.tried.is_empty() {
        state.explanation = selection.explanation.clone();
    }
    if selection.choices.is_empty() {
        return Err(no_host(state));
    }
    Ok(selection.choices)
}

fn no_host(state: &State) -> StepError {
    match state.tried.is_empty() {
        true => Why::new(Kind::NoHost, state.explanation.sentence()).into(),
        false => Why::plain(Kind::Exhausted).into(),
    }
}

/// What became of a claim.
enum Taken {
    Yes,
    /// The host filled up, or has a member of the server's group now: why.
    No(String),
}

/// Claims a host and writes it into the server's row and, as `state`, into the journal, together.
async fn take(
    cx: &StepContext,
    state: &State,
    choice: &Choice,
    amounts: &request::Resources,
) -> Result<Taken, StepError> {
    let taken = sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = servers::lock(&tx, &state.server_id).await?;
        if let Err(why) = neighbours::admits(&tx, &server, &choice.host).await? {
            return Ok(Taken::No(why));
        }
        claims::claim(&tx, &server.id, &choice.node_id, amounts).await?;
        if compute_db::letting_go::take_back(&tx, &server.id, &choice.node_id).await? {
            server.epoch += 1;
        }
        server.host = Some(choice.host.clone());
        server.node = Some(choice.node.clone());
        server.node_id = Some(choice.node_id.clone());
        server.availability_zone = Some(choice.availability_zone.clone());
        if server.task_state == Some(TaskState::Scheduling) {
            server.task_state = Some(TaskState::Networking);
        }
        servers::save(&tx, &mut server).await?;
        actions::begin_event(
            &*tx,
            &server.id,
            &state.asked.request_id,
            &event_of("create"),
            server.host.as_deref(),
            records::now(),
        )
        .await?;
        tx.finish(state).await?;
        Ok::<Taken, DbError>(Taken::Yes)
    })
    .await;
    match taken {
        Ok(taken) => Ok(taken),
        Err(DbError::NoRoom { class, .. }) => Ok(Taken::No(format!("no room for its {class}"))),
        Err(DbError::NotFound(_)) => Err(Why::plain(Kind::Deleted).into()),
        Err(error) => Err(records::database(error)),
    }
}

pub async fn unplace(_env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    sql::retry(|| async {
        let tx = cx.begin().await?;
        claims::release(&tx, &state.server_id).await?;
        match servers::lock(&tx, &state.server_id).await {
            Ok(mut server) => {
                server.host = None;
                server.node = None;
                server.node_id = None;
                server.availability_zone = None;
                if server.vm_state == VmState::Building && building(&server) {
                    server.task_state = Some(TaskState::Scheduling);
                }
                servers::save(&tx, &mut server).await?;
            }
            Err(DbError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        tx.finish(state).await?;
        Ok::<(), DbError>(())
    })
    .await
    .map_err(records::database)
}
