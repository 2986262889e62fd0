//! A volume goes, with the snapshots that were to go with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter};
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Asked, COPY, MINUTE, TRIES, backend, busy, database, exported, home_of, id, row};
use crate::backends::Backend;
use crate::db::store::{self, Tx};
use crate::db::{properties, transfers};
use crate::driver::Part;
use crate::driver::file::adopt::name_of;
use crate::exports;
use crate::shared::Core;
use crate::tables::{Owner, SnapshotStatus, Status, attachment, snapshot, volume};

/// See the module.
pub struct Delete;

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub volume_id: String,
    /// Whether its bytes stay.
    #[serde(default)]
    pub release: bool,
}

/// How often it is looked whether a copy of the volume is done.
const LOOK: Duration = Duration::from_secs(1);

impl Workflow for Delete {
    const KIND: &'static str = "volume.delete";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("quiet", MINUTE, quiet).attempts(u32::MAX),
            Step::new("data", COPY, data).attempts(TRIES),
            Step::new("record", MINUTE, record).no_return(),
        ]
    }

    async fn undone(
        _core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::error!(volume = state.volume_id, %why, "a volume could not be deleted");
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
        let row = row.map_err(database)?;
        if let Some(mut row) = row.filter(|row| row.status == Status::Deleting) {
            row.status = Status::ErrorDeleting;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await.map_err(database)?;
        }
        let all = locked_snapshots(&tx, &state.volume_id).await;
        for mut row in all.map_err(database)? {
            if row.status == SnapshotStatus::Deleting {
                row.status = SnapshotStatus::ErrorDeleting;
                store::save(&*tx, row).await.map_err(database)?;
            }
        }
        Ok(tx.commit().await?)
    }
}

/// The snapshots of a volume.
pub async fn snapshots(tx: &Tx, id: &str) -> Result<Vec<snapshot::Model>, sql::sea_orm::DbErr> {
    snapshot::Entity::find()
        .filter(snapshot::Column::VolumeId.eq(id))
        .all(tx)
        .await
}

/// The same, locked behind their volume, which the caller locked.
pub async fn locked_snapshots(
    tx: &Tx,
    id: &str,
) -> Result<Vec<snapshot::Model>, sql::sea_orm::DbErr> {
    let mut all = Vec::new();
    for seen in snapshots(tx, id).await? {
        all.extend(store::locked::<snapshot::Entity>(tx, &seen.id).await?);
    }
    Ok(all)
}

/// Waits until the volume and its snapshots are neither made nor written, and nothing is made of them any more.
async fn quiet(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    busy::volume_rests(core, &state.volume_id).await?;
    unread(core, &state.volume_id).await
}

/// Goes on when no volume is being made of this one or of its snapshots.
pub async fn unread(core: &Core, volume_id: &str) -> Result<Next, StepError> {
    let db = core.db.read();
    let rows = snapshot::Entity::find()
        .filter(snapshot::Column::VolumeId.eq(volume_id))
        .all(db)
        .await
        .map_err(database)?;
    let of_it = Condition::any()
        .add(volume::Column::SourceVolid.eq(volume_id))
        .add(volume::Column::SnapshotId.is_in(rows.into_iter().map(|row| row.id)));
    let copies = volume::Entity::find()
        .filter(volume::Column::Status.eq(Status::Creating))
        .filter(of_it)
        .count(db)
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

async fn data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let volume = id(&state.volume_id)?;
    // A run before this one may have come to its end, and removed the row. One that was never placed has no bytes.
    let row = row(core, &state.volume_id).await?;
    let Some(row) = row.filter(|row| row.host.is_some()) else {
        return Ok(Next::Go);
    };
    let at = home_of(core, &row)?;
    let ended = exports::end_all(core, &state.volume_id).await;
    ended.map_err(exported)?;
    match state.release {
        true => release(at, Part::Volume(volume)).await?,
        false => at.driver.ensure_gone(volume).await.map_err(backend)?,
    }
    Ok(Next::Go)
}

/// Bytes stay on the back end, beside the volumes.
pub async fn release(at: &Backend, part: Part) -> Result<(), StepError> {
    let able = at.driver.adoption();
    let able = able.ok_or_else(|| StepError::fail("the back end lets nothing go"))?;
    let name = name_of(part);
    able.ensure_released(part, &name).await.map_err(backend)
}

async fn record(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        forget(&tx, &state.volume_id).await?;
        tx.finish(state).await
    });
    Ok(done.await?)
}

/// Removes the rows of a volume and of all that belongs to it.
pub async fn forget(tx: &Tx, volume_id: &str) -> Result<(), sql::sea_orm::DbErr> {
    store::locked::<volume::Entity>(tx, volume_id).await?;
    for snapshot in snapshots(tx, volume_id).await? {
        forget_snapshot(tx, &snapshot.id).await?;
    }
    attachment::Entity::delete_many()
        .filter(attachment::Column::VolumeId.eq(volume_id))
        .exec(tx)
        .await?;
    transfers::forget(tx, volume_id).await?;
    properties::forget(tx, Owner::Volume, volume_id).await?;
    properties::forget(tx, Owner::Image, volume_id).await?;
    store::remove::<volume::Entity>(tx, volume_id).await?;
    Ok(())
}

/// Removes the row of a snapshot and of all that belongs to it.
pub async fn forget_snapshot(tx: &Tx, id: &str) -> Result<(), sql::sea_orm::DbErr> {
    properties::forget(tx, Owner::Snapshot, id).await?;
    properties::forget(tx, Owner::SnapshotImage, id).await?;
    store::remove::<snapshot::Entity>(tx, id).await?;
    Ok(())
}
