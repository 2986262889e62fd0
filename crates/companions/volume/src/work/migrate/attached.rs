//! A volume that a server has moves to another back end: **place** and **quiet** as of others, **room** (the other back
//! end has an empty volume of its id), **twin** (a row by which compute knows that one), **ask** (compute is to replace
//! the one by the other), **wait** (until it says how that ended), **clear** (the old copy goes), **settle**.
//!
//! Where a target serves the volumes of one of the back ends, or of both, the attachment of the twin has an export of its
//! own, under the twin's id, of the bytes that lie under the volume's.
//!
//! What compute says is one transaction ([`ended`]): the row names the other back end and has the attachments and exports
//! of its twin, which is gone. So the volume keeps its id, there and here, and compute alone decides: what it has not given
//! back is not taken away, whoever asks this work to turn round. An undo that finds the volume on the other back end
//! clears the old one.

use std::time::Duration;

use serde_json::Value;
use sql::sea_orm::DbErr;
use workflow::{Next, Step, StepContext, StepError, Workflow, WorkflowId};

use super::{LOST, State, Why, may_get, place, quiet, remove};
use crate::db::store::{self, Tx};
use crate::db::volumes as rows;
use crate::driver::Source;
use crate::exports;
use crate::fault::Fault;
use crate::shared::Core;
use crate::sink::NotReplaced;
use crate::tables::{AttachStatus, MigrationStatus, Status, attachment, export, volume};
use crate::work::{COPY, MINUTE, TRIES, backend, database, exported, id, row, size};

/// How often it is looked whether compute said something. Its word wakes the work before that.
const LOOK: Duration = Duration::from_secs(2);

/// How often compute is asked that does not answer: a restart takes seconds.
const ASKED: u32 = 30;

/// After how many looks compute is asked again: every few minutes.
const AGAIN: u32 = 100;

/// See the module.
pub struct MigrateAttached;

impl Workflow for MigrateAttached {
    const KIND: &'static str = "volume.migrate_attached";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("place", MINUTE, place),
            Step::new("quiet", MINUTE, quiet).attempts(u32::MAX),
            Step::new("room", COPY, room)
                .undo(clear_other)
                .attempts(TRIES),
            Step::new("twin", MINUTE, twin).undo(no_twin),
            Step::new("ask", MINUTE, ask).attempts(ASKED),
            Step::new("wait", MINUTE, wait).attempts(u32::MAX),
            Step::new("clear", COPY, clear).no_return(),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        _core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let (volume, to) = (&state.volume_id, &state.to);
        tracing::error!(volume, to, %why, "a volume of a server could not be moved, or this was asked to turn round");
        end(cx, state).await
    }
}

/// The server and the twin.
fn held(state: &State) -> Result<(&str, &str), StepError> {
    let held = state.held.as_ref();
    let held = held.map(|held| (held.server_id.as_str(), held.twin.as_str()));
    held.ok_or_else(|| StepError::Fatal("no server has the volume".to_owned()))
}

/// The volume rests, if it is still this workflow's: moved, or not.
async fn end(cx: &StepContext, state: &State) -> Result<(), StepError> {
    let tx = cx.begin().await?;
    let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
    if let Some(mut row) = row.map_err(database)?.filter(|row| state.claims(row)) {
        let how = match state.is_there(&row) {
            true => MigrationStatus::Success,
            false => MigrationStatus::Error,
        };
        rests(&tx, &mut row, how).await.map_err(database)?;
        store::save(&*tx, row).await.map_err(database)?;
    }
    Ok(tx.commit().await?)
}

/// What the volume is by its attachments: its server may be gone.
async fn rests(tx: &Tx, row: &mut volume::Model, how: MigrationStatus) -> Result<(), DbErr> {
    row.status = attachment::at_rest(&rows::attachments(tx, &row.id).await?);
    row.previous = None;
    row.migration_status = Some(how);
    row.updated_at = Some(store::now());
    Ok(())
}

async fn room(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let row = row(core, &state.volume_id)
        .await?
        .filter(|row| state.claims(row));
    let row = row.ok_or_else(|| StepError::fail(LOST))?;
    let to = state.at(core, &state.to)?;
    let made = to
        .driver
        .ensure_volume(id(&row.id)?, size(&row), Source::Blank);
    made.await.map_err(backend)?;
    Ok(Next::Go)
}

/// Removes what the row does not name: the other copy, or the old one where compute was quicker.
async fn clear_other(core: &Core, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let row = row(core, &state.volume_id).await?;
    let pool = match row.is_some_and(|row| state.is_there(&row)) {
        true => &state.from,
        false => &state.to,
    };
    clear_on(core, cx, state, pool).await
}

/// Removes the copy on a back end, unless the row names it. Nothing serves it any more: what is open is not removed. That
/// the twin is gone, or that the row names the other copy, is for good when this is asked for.
async fn clear_on(
    core: &Core,
    cx: &StepContext,
    state: &State,
    pool: &str,
) -> Result<(), StepError> {
    let (_, twin_id) = held(state)?;
    let row = row(core, &state.volume_id).await?;
    if row.is_none_or(|row| row.host.as_deref() != Some(pool)) {
        for volume_id in [state.volume_id.as_str(), twin_id] {
            let ended = exports::end_on(core, volume_id, pool).await;
            ended.map_err(exported)?;
        }
    }
    remove(core, cx, state, pool).await
}

async fn twin(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (_, twin_id) = held(state)?;
    let made = sql::retry(|| async {
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?;
        let Some(row) = row.filter(|row| state.claims(row)) else {
            return Ok(Err(LOST.to_owned()));
        };
        if store::find::<volume::Entity>(&*tx, twin_id)
            .await?
            .is_none()
        {
            let mut new = volume::Model {
                id: twin_id.to_owned(),
                // Its own until compute says how it ended.
                status: Status::Migrating,
                previous: None,
                host: Some(state.to.clone()),
                migration_status: None,
                target_of: Some(row.id.clone()),
                snapshot_id: None,
                source_volid: None,
                consumes_quota: false,
                created_at: store::now(),
                updated_at: None,
                ..row.clone()
            };
            if let Why::Retyped { after, .. } = &state.why {
                if let Err(why) = may_get(core, &tx, &row, after).await? {
                    return Ok(Err(why));
                }
                super::give(&mut new, after);
            }
            store::insert(&*tx, new).await?;
        }
        Ok::<_, Fault>(Ok(tx.finish(state).await?))
    });
    super::outcome(made.await)
}

/// The twin is gone. While a server has it, or compute works with it, compute has not said how it ended. That nobody
/// attached it is no proof: so the twin is in error first, with which compute begins nothing, and then compute is asked.
async fn no_twin(core: &Core, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let (server_id, twin_id) = held(state)?;
    if let Some(compute) = core.sink.get()
        && given_up(cx, state, false).await?
    {
        match compute.replace(server_id, &state.volume_id, twin_id).await {
            Err(NotReplaced::Refused(_)) => {}
            Ok(()) => return Err(StepError::retry(LOOK, HELD)),
            Err(away @ NotReplaced::Away(_)) => return Err(StepError::retry(LOOK, away)),
        }
    }
    given_up(cx, state, true).await.map(drop)
}

const HELD: &str = "compute works with the new volume";

/// Puts the twin into error, or removes it; whether compute might have it.
async fn given_up(cx: &StepContext, state: &State, remove: bool) -> Result<bool, StepError> {
    let (_, twin_id) = held(state)?;
    let tx = cx.begin().await?;
    // In this order, as in `ended`.
    let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
    let row = row.map_err(database)?;
    let twin = store::locked::<volume::Entity>(&*tx, twin_id).await;
    let Some(mut twin) = twin.map_err(database)? else {
        tx.commit().await?;
        return Ok(false);
    };
    let attached = rows::attachments(&*tx, twin_id).await.map_err(database)?;
    if !attached.is_empty() {
        return Err(StepError::retry(LOOK, HELD));
    }
    if remove {
        let removed = store::remove::<volume::Entity>(&*tx, twin_id).await;
        removed.map_err(database)?;
    } else {
        twin.status = Status::Error;
        store::save(&*tx, twin).await.map_err(database)?;
    }
    tx.commit().await?;
    Ok(row.is_some())
}

async fn ask(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (server_id, twin_id) = held(state)?;
    let row = row(core, &state.volume_id).await?;
    let row = row.ok_or_else(|| StepError::fail(LOST))?;
    let asked = rows::attachments(core.db.read(), twin_id).await;
    // A run before this one asked.
    if state.is_there(&row) || !asked.map_err(database)?.is_empty() {
        return Ok(Next::Go);
    }
    if !state.claims(&row) {
        return Err(StepError::fail(LOST));
    }
    let compute = core.sink.get();
    let compute = compute.ok_or_else(|| StepError::fail("no compute service is known"))?;
    match compute.replace(server_id, &row.id, twin_id).await {
        Ok(()) => Ok(Next::Go),
        Err(NotReplaced::Refused(why)) => Err(StepError::fail(why)),
        Err(away @ NotReplaced::Away(_)) => Err(StepError::retry(LOOK, away)),
    }
}

async fn wait(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match row(core, &state.volume_id).await? {
        Some(row) if state.is_there(&row) => Ok(Next::Go),
        Some(row) if state.claims(&row) => {
            if cx.attempt() % AGAIN == AGAIN - 1 {
                ask_again(core, state).await?;
            }
            Err(StepError::retry(LOOK, "compute is replacing the volume"))
        }
        Some(_) => Err(StepError::fail("compute did not replace the volume")),
        None => Err(StepError::fail(LOST)),
    }
}

/// Asks compute for what it was asked for already: it accepts that again while it is at work, and begins anew where it was
/// not heard that it failed.
///
/// # Errors
/// It knows nothing of it: the move is given up, unless it ended meanwhile.
async fn ask_again(core: &Core, state: &State) -> Result<(), StepError> {
    let (server_id, twin_id) = held(state)?;
    let Some(compute) = core.sink.get() else {
        return Ok(());
    };
    let (volume, twin) = (&state.volume_id, twin_id);
    match compute.replace(server_id, volume, twin_id).await {
        Ok(()) => Ok(()),
        Err(away @ NotReplaced::Away(_)) => {
            tracing::warn!(volume, twin, %away, "compute is to replace a volume, and is away");
            Ok(())
        }
        Err(NotReplaced::Refused(why)) => {
            let attached = rows::attachments(core.db.read(), twin_id).await;
            // What a server may have is not taken away: an operator decides.
            if !attached.map_err(database)?.is_empty() {
                tracing::error!(
                    server = server_id,
                    volume,
                    twin,
                    why,
                    "compute does not replace a volume any more, and its server holds the new one: see which one the \
                     server has, and end the migration as a service (os-migrate_volume_completion)"
                );
                return Ok(());
            }
            match row(core, &state.volume_id).await? {
                Some(row) if state.is_there(&row) => Ok(()),
                _ => Err(StepError::fail(format!(
                    "compute knows nothing of replacing the volume any more: {why}"
                ))),
            }
        }
    }
}

async fn clear(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    clear_on(core, cx, state, &state.from).await?;
    Ok(Next::Go)
}

async fn settle(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    end(cx, state).await?;
    Ok(Next::Go)
}

/// Compute says how the replacing of a volume by its twin ended; gives the work to nudge after the commit.
///
/// # Errors
/// 404; 400: it is no twin of this volume, or no server has it.
pub async fn ended(
    tx: &Tx,
    volume_id: &str,
    twin_id: &str,
    failed: bool,
) -> Result<Vec<WorkflowId>, Fault> {
    let refuse = |why: String| Err(Fault::InvalidVolume(why));
    let row = store::locked::<volume::Entity>(tx, volume_id).await?;
    let mut row = row.ok_or_else(|| Fault::no_volume(volume_id))?;
    let twin = store::locked::<volume::Entity>(tx, twin_id).await?;
    let twin = twin.ok_or_else(|| Fault::no_volume(twin_id))?;
    match &twin.target_of {
        Some(of) if *of == row.id => {}
        Some(of) => {
            return refuse(format!(
                "Destination has migration_status target:{of}, expected target:{}.",
                row.id
            ));
        }
        None if row.migration_status.is_none() => {
            return refuse("Source volume not mid-migration.".to_owned());
        }
        None => return refuse("Destination volume not mid-migration.".to_owned()),
    }
    if failed {
        // Its work removes the twin.
        if row.is_moving() {
            rests(tx, &mut row, MigrationStatus::Error).await?;
            store::save(tx, row).await?;
        }
    } else {
        let new = rows::attachments(tx, twin_id).await?;
        let unused = |one: &attachment::Model| one.status != AttachStatus::Attached;
        if new.is_empty() || new.iter().any(unused) {
            return refuse(format!("No server has the volume {twin_id} yet."));
        }
        for old in rows::attachments(tx, volume_id).await? {
            store::remove::<attachment::Entity>(tx, &old.id).await?;
        }
        for mut one in new {
            if let Some(mut served) = store::locked::<export::Entity>(tx, &one.id).await? {
                served.volume_id.clone_from(&row.id);
                store::save(tx, served).await?;
            }
            one.volume_id.clone_from(&row.id);
            store::save(tx, one).await?;
        }
        row.host.clone_from(&twin.host);
        row.type_id.clone_from(&twin.type_id);
        row.multiattach = twin.multiattach;
        match row.is_moving() {
            true => row.migration_status = Some(MigrationStatus::Completing),
            // An administrator gave it another status meanwhile.
            false => rests(tx, &mut row, MigrationStatus::Success).await?,
        }
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
        store::remove::<volume::Entity>(tx, twin_id).await?;
    }
    let mut running = workflow::find(tx, volume_id)
        .await
        .map_err(Fault::Journal)?;
    running.retain(|one| one.kind == MigrateAttached::KIND);
    Ok(running.iter().map(|one| one.id).collect())
}
