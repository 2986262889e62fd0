//! A volume moves to another back end of this host, or gets a type that only another one fits: **place** (the other back
//! end fits and has nothing of this volume), **quiet** (nothing is made of it any more), **copy** (the other back end has
//! it, whole), **switch** (one transaction: the row names the other back end), **clear** (the old copy goes; from here on
//! there is no way back), **settle**.
//!
//! Both copies are the same until **clear**: while it lasts the volume has a status that no other operation takes, so
//! nobody writes to it. Undone, the row names the old back end and the new copy is gone. No copy is removed that the row
//! names, whatever was done to the row meanwhile.
//!
//! A volume that a server has moves by [`attached`].

pub mod attached;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Asked, COPY, MINUTE, TRIES, backend, database, delete, exported, id, row, size};
use crate::backends::Backend;
use crate::db::{store, types};
use crate::driver::{DriverError, Part, Source};
use crate::exports;
use crate::fault::Fault;
use crate::hosts;
use crate::quota::{self, More};
use crate::schedule::{self, Wanted};
use crate::shared::Core;
use crate::tables::{MigrationStatus, Status, volume};

/// See the module.
pub struct Migrate;

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub volume_id: String,
    /// `HOST@BACKEND#POOL` before.
    pub from: String,
    /// `HOST@BACKEND#POOL` afterwards.
    pub to: String,
    pub why: Why,
    /// None of a volume that no server has.
    #[serde(default)]
    pub held: Option<Held>,
}

/// A server has the volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub server_id: String,
    /// The id of the volume by which compute is told of the other back end.
    pub twin: String,
}

/// Why a volume moves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// An administrator said so.
    Moved {
        /// Whether users see that.
        locked: bool,
    },
    /// Its new type asks for it.
    Retyped { before: Kind, after: Kind },
}

/// What a volume has of its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    pub type_id: String,
    pub multiattach: bool,
}

impl State {
    /// The status of the volume while it lasts. One that a server has is never locked, as with Cinder.
    pub fn status(&self) -> Status {
        match self.why {
            Why::Moved { locked: true } if self.held.is_none() => Status::Maintenance,
            Why::Moved { .. } => Status::Migrating,
            Why::Retyped { .. } => Status::Retyping,
        }
    }

    /// Whether the row is still this workflow's to change.
    fn claims(&self, row: &volume::Model) -> bool {
        row.is_moving() && row.status == self.status()
    }

    fn at<'c>(&self, core: &'c Core, pool: &str) -> Result<&'c Backend, StepError> {
        let found = core.backends.named(pool);
        found.ok_or_else(|| StepError::fail(format!("{pool} is no back end of this host")))
    }

    /// Whether the row names the other back end.
    fn is_there(&self, row: &volume::Model) -> bool {
        row.host.as_deref() == Some(self.to.as_str())
    }
}

/// What came of a step's transaction: a text is why it cannot be.
fn outcome(done: Result<Result<Next, String>, Fault>) -> Result<Next, StepError> {
    match done {
        Ok(done) => done.map_err(StepError::fail),
        Err(Fault::Database(error)) => Err(error.into()),
        Err(other) => Err(StepError::fail(other.to_string())),
    }
}

/// The volume is deleted, or an administrator gave it another status.
const LOST: &str = "the volume is not to be moved any more";

impl Workflow for Migrate {
    const KIND: &'static str = "volume.migrate";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("place", MINUTE, place),
            Step::new("quiet", MINUTE, quiet).attempts(u32::MAX),
            Step::new("copy", COPY, copy).undo(no_copy).attempts(TRIES),
            Step::new("switch", MINUTE, switch).undo(switch_back),
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
        tracing::error!(volume, to, %why, "a volume could not be moved");
        end(cx, state, MigrationStatus::Error).await
    }
}

/// The volume rests again, if it is still this workflow's.
async fn end(cx: &StepContext, state: &State, how: MigrationStatus) -> Result<(), StepError> {
    let tx = cx.begin().await?;
    let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
    if let Some(mut row) = row.map_err(database)?.filter(|row| state.claims(row)) {
        row.status = row.previous.take().unwrap_or(Status::Available);
        row.migration_status = Some(how);
        row.updated_at = Some(store::now());
        store::save(&*tx, row).await.map_err(database)?;
    }
    Ok(tx.commit().await?)
}

async fn place(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let to = state.at(core, &state.to)?;
    let part = Part::Volume(id(&state.volume_id)?);
    match to.driver.readable(part).await {
        Err(DriverError::NotFound(_)) => {}
        Err(error) => return Err(backend(error)),
        // Whose it is nobody knows: it is not written over, and not taken for a copy.
        Ok(path) => {
            return Err(StepError::fail(format!(
                "{} is in the way: it is no copy of this migration",
                path.display()
            )));
        }
    }
    let placed = sql::retry(|| async {
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?;
        let Some(mut row) = row.filter(|row| state.claims(row)) else {
            return Ok(Err(LOST.to_owned()));
        };
        let type_id = match &state.why {
            Why::Moved { .. } => &row.type_id,
            Why::Retyped { after, .. } => &after.type_id,
        };
        let kind = types::find(&*tx, type_id).await?;
        let specs = kind.map(|kind| kind.specs).unwrap_or_default();
        let zones: Vec<String> = row.availability_zone.iter().cloned().collect();
        let wanted = Wanted {
            size: row.size,
            zones: &zones,
            specs: &specs,
        };
        let mut pools = hosts::pools(&*tx).await?;
        pools.retain(|pool| pool.name == state.to);
        if let Err(why) = schedule::choose(&pools, &wanted) {
            return Ok(Err(format!("{} does not fit: {why}", state.to)));
        }
        row.migration_status = Some(MigrationStatus::Migrating);
        row.updated_at = Some(store::now());
        store::save(&*tx, row).await?;
        tx.commit().await?;
        Ok::<_, sql::SqlError>(Ok(()))
    })
    .await?;
    placed.map(|()| Next::Go).map_err(StepError::fail)
}

async fn quiet(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    delete::unread(core, &state.volume_id).await
}

async fn copy(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let row = row(core, &state.volume_id)
        .await?
        .filter(|row| state.claims(row));
    let row = row.ok_or_else(|| StepError::fail(LOST))?;
    // A run before this one went as far as the switch.
    if state.is_there(&row) {
        return Ok(Next::Go);
    }
    let (from, to) = (state.at(core, &state.from)?, state.at(core, &state.to)?);
    // Nobody writes to the volume while it is copied, and what served the old copy does not serve the new one.
    let ended = exports::end_all(core, &row.id).await;
    ended.map_err(exported)?;
    let volume = id(&row.id)?;
    let path = from.driver.readable(Part::Volume(volume)).await;
    let path = path.map_err(backend)?;
    let made = to
        .driver
        .ensure_volume(volume, size(&row), Source::Copy(&path));
    made.await.map_err(backend)?;
    Ok(Next::Go)
}

async fn no_copy(core: &Core, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    remove(core, cx, state, &state.to).await
}

/// Removes the copy on a back end, unless the row names it.
async fn remove(core: &Core, cx: &StepContext, state: &State, pool: &str) -> Result<(), StepError> {
    // The lease is asked for before anything goes: who was given up in the meantime removes nothing.
    cx.save(state).await?;
    let row = row(core, &state.volume_id).await?;
    if row.is_some_and(|row| row.host.as_deref() == Some(pool)) {
        tracing::warn!(
            volume = state.volume_id,
            pool,
            "the copy that the row names stays"
        );
        return Ok(());
    }
    let (driver, volume) = (&state.at(core, pool)?.driver, id(&state.volume_id)?);
    match driver.ensure_gone(volume).await {
        // The folder itself is away. Should it come back with the copy, the audit tells.
        Err(DriverError::NotFound(what)) => {
            tracing::warn!(
                volume = state.volume_id,
                what,
                "a copy cannot be looked for"
            );
            Ok(())
        }
        other => other.map_err(backend),
    }
}

async fn switch(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let switched = sql::retry(|| async {
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?;
        let Some(mut row) = row.filter(|row| state.claims(row)) else {
            return Ok(Err(LOST.to_owned()));
        };
        if !state.is_there(&row) {
            if let Why::Retyped { after, .. } = &state.why {
                if let Err(why) = may_get(core, &tx, &row, after).await? {
                    return Ok(Err(why));
                }
                give(&mut row, after);
            }
            row.host = Some(state.to.clone());
        }
        row.migration_status = Some(MigrationStatus::Completing);
        row.updated_at = Some(store::now());
        store::save(&*tx, row).await?;
        Ok::<_, Fault>(Ok(tx.finish(state).await?))
    });
    outcome(switched.await)
}

/// Whether a volume may get its new type now: nothing held the room that there was when it was accepted. Who deletes the type
/// from here on waits for the transaction, and sees that it is used.
async fn may_get(
    core: &Core,
    tx: &store::Tx,
    row: &volume::Model,
    after: &Kind,
) -> Result<Result<(), String>, Fault> {
    const GONE: &str = "the type is gone";
    let Some(kind) = types::find(tx, &after.type_id).await? else {
        return Ok(Err(GONE.to_owned()));
    };
    match admit(core, tx, row, (&kind.row.id, &kind.row.name)).await {
        Err(Fault::Over(over)) => return Ok(Err(over.to_string())),
        other => other?,
    }
    match types::locked(tx, &after.type_id).await? {
        Some(_) => Ok(Ok(())),
        None => Ok(Err(GONE.to_owned())),
    }
}

/// Whether the quota of a volume's new type has room for it: that of all types has it already.
///
/// # Errors
/// It has none.
pub async fn admit(
    core: &Core,
    tx: &store::Tx,
    row: &volume::Model,
    kind: (&str, &str),
) -> Result<(), Fault> {
    let more = More {
        volumes: 1,
        gigabytes: row.size,
        ..More::default()
    };
    match row.consumes_quota {
        true => quota::admit_type(&core.settings, tx, &row.project_id, kind, more).await,
        false => Ok(()),
    }
}

fn give(row: &mut volume::Model, kind: &Kind) {
    row.type_id.clone_from(&kind.type_id);
    row.multiattach = kind.multiattach;
}

/// The old copy is there still: the row names it again.
async fn switch_back(_core: &Core, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let tx = cx.begin().await?;
    let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
    if let Some(mut row) = row.map_err(database)?.filter(|row| state.claims(row)) {
        row.host = Some(state.from.clone());
        if let Why::Retyped { before, .. } = &state.why {
            give(&mut row, before);
        }
        row.updated_at = Some(store::now());
        store::save(&*tx, row).await.map_err(database)?;
    }
    Ok(tx.commit().await?)
}

async fn clear(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    remove(core, cx, state, &state.from).await?;
    Ok(Next::Go)
}

async fn settle(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    end(cx, state, MigrationStatus::Success).await?;
    Ok(Next::Go)
}
