//! What lies on a back end becomes a volume or a snapshot.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Asked, COPY, MINUTE, TRIES, backend, database, home, home_of, id, row};
use crate::backends::Backend;
use crate::db::store::{self, Tx};
use crate::db::types;
use crate::driver::{Adoption, GIB, Part, Snapshot};
use crate::fault::Fault;
use crate::quota::{self, More};
use crate::shared::Core;
use crate::tables::{SnapshotStatus, Status, snapshot, volume};

/// A volume is taken over.
pub struct Manage;

/// A snapshot is taken over.
pub struct ManageSnapshot;

/// What steps know of a volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub volume_id: String,
    /// What it is called on the back end.
    pub name: String,
}

/// What steps know of a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SnapshotState {
    pub asked: Asked,
    pub snapshot_id: String,
    pub volume_id: String,
    /// What it is called on the back end.
    pub name: String,
}

impl Workflow for Manage {
    const KIND: &'static str = "volume.manage";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("size", MINUTE, size).attempts(TRIES),
            // To whole GiB it grows, and a thick logical volume is overwritten with zeros there.
            Step::new("adopt", COPY, adopt)
                .undo(release)
                .attempts(TRIES),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        _core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::warn!(volume = state.volume_id, %why, "a volume could not be taken over");
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
        let row = row.map_err(database)?;
        if let Some(mut row) = row.filter(|row| row.status == Status::Managing) {
            row.status = Status::ErrorManaging;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await.map_err(database)?;
        }
        Ok(tx.commit().await?)
    }
}

/// A back end's ability.
fn adoption(at: &Backend) -> Result<&dyn Adoption, StepError> {
    let able = at.driver.adoption();
    able.ok_or_else(|| StepError::fail("the back end takes nothing over"))
}

/// Whole GiB that hold so many bytes.
pub fn gib(bytes: u64) -> i64 {
    i64::try_from(bytes.div_ceil(GIB))
        .unwrap_or(i64::MAX)
        .max(1)
}

/// The volume has the size of what it is to be, and counts.
async fn size(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (at, part) = (
        home(core, &state.volume_id).await?,
        Part::Volume(id(&state.volume_id)?),
    );
    if at.driver.readable(part).await.is_ok() {
        // A run before this one counted it and went on.
        return Ok(Next::Go);
    }
    let stray = adoption(at)?.stray(&state.name).await.map_err(backend)?;
    let size = gib(stray.bytes);
    let counted = sql::retry(|| async {
        let tx = cx.begin().await?;
        let Some(mut row) = store::locked::<volume::Entity>(&*tx, &state.volume_id).await? else {
            return Ok(Some("the volume is gone".to_owned()));
        };
        if row.consumes_quota {
            return Ok(None);
        }
        let kind = types::find(&*tx, &row.type_id).await?;
        let Some(kind) = kind else {
            return Ok(Some("the type is gone".to_owned()));
        };
        let more = More {
            volumes: 1,
            gigabytes: size,
            ..More::default()
        };
        let names = (kind.row.id.as_str(), kind.row.name.as_str());
        let admitted = quota::admit(&core.settings, &tx, &row.project_id, Some(names), more).await;
        match admitted {
            Err(Fault::Over(over)) => return Ok(Some(over.to_string())),
            other => other?,
        }
        row.size = size;
        row.consumes_quota = true;
        row.updated_at = Some(store::now());
        store::save(&*tx, row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(None)
    })
    .await;
    match counted {
        Ok(None) => Ok(Next::Go),
        Ok(Some(why)) => Err(StepError::fail(why)),
        Err(Fault::Database(error)) => Err(error.into()),
        Err(other) => Err(StepError::fail(other.to_string())),
    }
}

async fn adopt(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let (volume, at) = (id(&state.volume_id)?, home(core, &state.volume_id).await?);
    let adopted = adoption(at)?.ensure_adopted(&state.name, Part::Volume(volume));
    adopted.await.map_err(backend)?;
    let row = row(core, &state.volume_id).await?;
    let row = row.ok_or_else(|| StepError::fail("the volume is gone"))?;
    let whole = at.driver.ensure_size(volume, super::size(&row)).await;
    whole.map_err(backend)?;
    Ok(Next::Go)
}

async fn release(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let part = Part::Volume(id(&state.volume_id)?);
    give_back(core, &state.volume_id, part, &state.name).await
}

/// What was taken over lies again where it lay: on the back end of its volume, or, where that has no row any more, on
/// whichever has it.
///
/// # Errors
/// The back end does not answer, or something else has that name.
pub async fn give_back(
    core: &Core,
    volume_id: &str,
    part: Part,
    name: &str,
) -> Result<(), StepError> {
    let all = match row(core, volume_id).await? {
        Some(row) => vec![home_of(core, &row)?],
        None => core.backends.iter().collect(),
    };
    for at in all {
        if let Some(able) = at.driver.adoption() {
            able.ensure_released(part, name).await.map_err(backend)?;
        }
    }
    Ok(())
}

async fn settle(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?;
        if let Some(mut row) = row.filter(|row| row.status == Status::Managing) {
            row.status = Status::Available;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await?;
        }
        tx.finish(state).await
    });
    Ok(settled.await?)
}

impl Workflow for ManageSnapshot {
    const KIND: &'static str = "snapshot.manage";
    type State = SnapshotState;
    type Env = Core;

    fn request(state: &SnapshotState) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, SnapshotState>> {
        vec![
            Step::new("size", MINUTE, fits).attempts(TRIES),
            Step::new("adopt", MINUTE, adopt_snapshot)
                .undo(release_snapshot)
                .attempts(TRIES),
            Step::new("settle", MINUTE, settle_snapshot).no_return(),
        ]
    }

    async fn undone(
        _core: &Core,
        cx: &StepContext,
        state: &mut SnapshotState,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::warn!(snapshot = state.snapshot_id, %why, "a snapshot could not be taken over");
        let tx = cx.begin().await?;
        let ended = end_snapshot(&tx, state, SnapshotStatus::Error).await;
        ended.map_err(database)?;
        Ok(tx.commit().await?)
    }
}

impl SnapshotState {
    fn part(&self) -> Result<Part, StepError> {
        Ok(Part::Snapshot(Snapshot {
            volume: id(&self.volume_id)?,
            id: id(&self.snapshot_id)?,
        }))
    }
}

/// It is no larger than its volume.
async fn fits(
    core: &Core,
    _cx: &StepContext,
    state: &mut SnapshotState,
) -> Result<Next, StepError> {
    let row = store::find::<snapshot::Entity>(core.db.read(), &state.snapshot_id).await;
    let row = row.map_err(database)?;
    let row = row.ok_or_else(|| StepError::fail("the snapshot is gone"))?;
    let at = home(core, &state.volume_id).await?;
    let stray = adoption(at)?.stray(&state.name).await.map_err(backend)?;
    match gib(stray.bytes) > row.size {
        true => Err(StepError::fail("it is larger than the volume")),
        false => Ok(Next::Go),
    }
}

async fn adopt_snapshot(
    core: &Core,
    _cx: &StepContext,
    state: &mut SnapshotState,
) -> Result<Next, StepError> {
    let at = home(core, &state.volume_id).await?;
    let adopted = adoption(at)?.ensure_adopted(&state.name, state.part()?);
    adopted.await.map_err(backend)?;
    Ok(Next::Go)
}

async fn release_snapshot(
    core: &Core,
    _cx: &StepContext,
    state: &mut SnapshotState,
) -> Result<(), StepError> {
    give_back(core, &state.volume_id, state.part()?, &state.name).await
}

async fn settle_snapshot(
    _core: &Core,
    cx: &StepContext,
    state: &mut SnapshotState,
) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        end_snapshot(&tx, state, SnapshotStatus::Available).await?;
        tx.finish(state).await
    });
    Ok(settled.await?)
}

async fn end_snapshot(
    tx: &Tx,
    state: &SnapshotState,
    to: SnapshotStatus,
) -> Result<(), sql::sea_orm::DbErr> {
    let row = store::locked::<snapshot::Entity>(tx, &state.snapshot_id).await?;
    if let Some(mut row) = row.filter(|row| row.status == SnapshotStatus::Creating) {
        row.status = to;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    Ok(())
}
