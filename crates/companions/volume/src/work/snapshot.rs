//! Snapshots come and go, and volumes go back to them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sql::sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{
    Asked, COPY, MINUTE, TRIES, backend, busy, claimed, database, delete, ensure_snapshot_gone,
    home, id,
};
use crate::db::store::{self, Tx};
use crate::driver::{Part, Snapshot, Source};
use crate::messages::{self, About, Action, Detail};
use crate::shared::Core;
use crate::tables::{SnapshotStatus, Status, snapshot, volume};

/// A snapshot is made.
pub struct Create;

/// A snapshot is deleted.
pub struct Delete;

/// A volume holds again what its last snapshot holds.
pub struct Revert;

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub snapshot_id: String,
    pub volume_id: String,
    /// Whether its bytes stay when it is deleted.
    #[serde(default)]
    pub release: bool,
}

impl State {
    fn snapshot(&self) -> Result<Snapshot, StepError> {
        Ok(Snapshot {
            volume: id(&self.volume_id)?,
            id: id(&self.snapshot_id)?,
        })
    }
}

/// Gives a snapshot a status, if it still has the one of passage.
async fn settle(
    cx: &StepContext,
    state: &State,
    from: SnapshotStatus,
    to: SnapshotStatus,
) -> Result<(), StepError> {
    change(cx, state, (from, to), None).await
}

/// The same, and says what failed.
async fn change(
    cx: &StepContext,
    state: &State,
    (from, to): (SnapshotStatus, SnapshotStatus),
    failed: Option<(&Core, (Action, Detail))>,
) -> Result<(), StepError> {
    let tx = cx.begin().await?;
    let row = store::locked::<snapshot::Entity>(&*tx, &state.snapshot_id).await;
    let row = row.map_err(database)?;
    if let Some(mut row) = row.filter(|row| row.status == from) {
        if let Some((core, what)) = failed {
            let about = About::Snapshot(&state.snapshot_id);
            let left = messages::leave(core, &tx, &state.asked, about, what).await;
            left.map_err(database)?;
        }
        row.status = to;
        row.updated_at = Some(store::now());
        store::save(&*tx, row).await.map_err(database)?;
    }
    Ok(tx.commit().await?)
}

impl Workflow for Create {
    const KIND: &'static str = "snapshot.create";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("data", COPY, made).undo(unmade).attempts(TRIES),
            Step::new("settle", MINUTE, made_known).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::warn!(snapshot = state.snapshot_id, %why, "a snapshot could not be made");
        let ends = (SnapshotStatus::Creating, SnapshotStatus::Error);
        let what = (Action::CreateSnapshot, Detail::SnapshotFailed);
        change(cx, state, ends, Some((core, what))).await
    }
}

async fn made(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let at = home(core, &state.volume_id).await?;
    let made = at.driver.ensure_snapshot(state.snapshot()?).await;
    made.map_err(backend)?;
    Ok(Next::Go)
}

async fn unmade(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    ensure_snapshot_gone(core, state.snapshot()?).await
}

async fn made_known(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let row = store::find::<snapshot::Entity>(core.db.read(), &state.snapshot_id).await;
    // One that lost its row while it was made leaves no bytes.
    if row.map_err(database)?.is_none() {
        ensure_snapshot_gone(core, state.snapshot()?).await?;
    }
    settle(
        cx,
        state,
        SnapshotStatus::Creating,
        SnapshotStatus::Available,
    )
    .await?;
    Ok(Next::Go)
}

/// How often it is looked whether a copy of the snapshot is done.
const LOOK: Duration = Duration::from_secs(1);

impl Workflow for Delete {
    const KIND: &'static str = "snapshot.delete";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("quiet", MINUTE, quiet).attempts(u32::MAX),
            Step::new("data", MINUTE, gone).attempts(TRIES),
            Step::new("record", MINUTE, forgotten).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::error!(snapshot = state.snapshot_id, %why, "a snapshot could not be deleted");
        let from = match state.release {
            true => SnapshotStatus::Unmanaging,
            false => SnapshotStatus::Deleting,
        };
        let what = (Action::DeleteSnapshot, Detail::SnapshotStays);
        let ends = (from, SnapshotStatus::ErrorDeleting);
        change(cx, state, ends, Some((core, what))).await
    }
}

/// Waits until the snapshot is not made, its volume does not go back to it, and nothing is made of it any more.
async fn quiet(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    busy::snapshot_rests(core, &state.volume_id, &state.snapshot_id).await?;
    let copies = volume::Entity::find()
        .filter(volume::Column::Status.eq(Status::Creating))
        .filter(volume::Column::SnapshotId.eq(&state.snapshot_id))
        .count(core.db.read())
        .await
        .map_err(database)?;
    match copies {
        0 => Ok(Next::Go),
        count => Err(StepError::retry(
            LOOK,
            format!("{count} volumes are being made of it"),
        )),
    }
}

async fn gone(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    if state.release {
        let at = home(core, &state.volume_id).await?;
        delete::release(at, Part::Snapshot(state.snapshot()?)).await?;
        return Ok(Next::Go);
    }
    ensure_snapshot_gone(core, state.snapshot()?).await?;
    Ok(Next::Go)
}

async fn forgotten(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        delete::forget_snapshot(&tx, &state.snapshot_id).await?;
        tx.finish(state).await
    });
    Ok(done.await?)
}

impl Workflow for Revert {
    const KIND: &'static str = "volume.revert";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("data", COPY, reverted).attempts(TRIES),
            Step::new("settle", MINUTE, reverted_known).no_return(),
        ]
    }

    async fn undone(
        _core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::error!(volume = state.volume_id, %why, "a volume could not be reverted");
        let tx = cx.begin().await?;
        let ended = end_revert(&tx, state, Status::Error).await;
        ended.map_err(database)?;
        Ok(tx.commit().await?)
    }
}

/// Whether the row is still this workflow's to change.
fn is_reverted(row: &volume::Model) -> bool {
    row.status == Status::Reverting
}

async fn reverted(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (snapshot, at) = (state.snapshot()?, home(core, &state.volume_id).await?);
    claimed(core, cx, &state.volume_id, is_reverted).await?;
    let done = at
        .driver
        .ensure_content(snapshot.volume, Source::Snapshot(snapshot))
        .await;
    done.map_err(backend)?;
    Ok(Next::Go)
}

async fn reverted_known(
    _core: &Core,
    cx: &StepContext,
    state: &mut State,
) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        end_revert(&tx, state, Status::Available).await?;
        tx.finish(state).await
    });
    Ok(settled.await?)
}

/// Volume and snapshot rest again, where they are still this workflow's.
async fn end_revert(tx: &Tx, state: &State, status: Status) -> Result<(), sql::sea_orm::DbErr> {
    let row = store::locked::<volume::Entity>(tx, &state.volume_id).await?;
    if let Some(mut row) = row.filter(is_reverted) {
        row.status = status;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    let row = store::locked::<snapshot::Entity>(tx, &state.snapshot_id).await?;
    if let Some(mut row) = row.filter(|row| row.status == SnapshotStatus::Restoring) {
        row.status = SnapshotStatus::Available;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    Ok(())
}
