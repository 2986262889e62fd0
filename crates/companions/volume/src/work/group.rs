//! Groups are placed, and follow their volumes: a group that is made of another, or goes with its volumes, and a snapshot
//! of a group end when what they are made of has come to rest. Each volume and snapshot has its own work.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Asked, MINUTE, database};
use crate::db::store::{self, Tx};
use crate::db::{groups, types};
use crate::hosts;
use crate::schedule::{self, Wanted};
use crate::shared::Core;
use crate::tables::group::GroupStatus;
use crate::tables::{SnapshotStatus, Status, group, group_snapshot};

/// A group without volumes is placed.
pub struct Create;

/// A group or a snapshot of one ends as what it is made of did.
pub struct Follow;

/// What steps know of a new group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub group_id: String,
}

/// What steps know of a group or snapshot that follows others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Following {
    pub asked: Asked,
    pub what: What,
    pub id: String,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The volumes of a new group are there.
    Made,
    /// The volumes of a group are gone.
    Gone,
    /// The snapshots of a snapshot of a group are there.
    SnapshotMade,
    /// The snapshots of a snapshot of a group are gone.
    SnapshotGone,
}

/// How often it is looked at what is followed.
const LOOK: Duration = Duration::from_millis(500);

impl Workflow for Create {
    const KIND: &'static str = "group.create";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("place", MINUTE, place),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        _core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::warn!(group = state.group_id, %why, "a group could not be placed");
        let tx = cx.begin().await?;
        let done = end(
            &tx,
            &state.group_id,
            GroupStatus::Creating,
            GroupStatus::Error,
        )
        .await;
        done.map_err(database)?;
        Ok(tx.commit().await?)
    }
}

/// Gives a group a status, if it still has the one of passage.
async fn end(
    tx: &Tx,
    id: &str,
    from: GroupStatus,
    to: GroupStatus,
) -> Result<(), sql::sea_orm::DbErr> {
    let row = store::locked::<group::Entity>(tx, id).await?;
    if let Some(mut row) = row.filter(|row| row.status == from) {
        row.status = to;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    Ok(())
}

/// The same of a snapshot of a group.
async fn end_snapshot(
    tx: &Tx,
    id: &str,
    from: GroupStatus,
    to: GroupStatus,
) -> Result<(), sql::sea_orm::DbErr> {
    let row = store::locked::<group_snapshot::Entity>(tx, id).await?;
    if let Some(mut row) = row.filter(|row| row.status == from) {
        row.status = to;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    Ok(())
}

/// A pool that fits volumes of all types of the group.
async fn place(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let placed = sql::retry(|| async {
        let tx = cx.begin().await?;
        let Some(mut row) = store::locked::<group::Entity>(&*tx, &state.group_id).await? else {
            return Ok(Err("the group is gone".to_owned()));
        };
        let zones: Vec<String> = row.availability_zone.iter().cloned().collect();
        let mut pools = hosts::pools(&*tx).await?;
        let mut none = "there is no pool".to_owned();
        for id in groups::types(&*tx, &row.id).await? {
            let kind = types::find(&*tx, &id).await?;
            let specs = kind.map(|kind| kind.specs).unwrap_or_default();
            let wanted = Wanted {
                size: 0,
                zones: &zones,
                specs: &specs,
            };
            if let Err(why) = schedule::choose(&pools, &wanted) {
                none = why;
            }
            pools.retain(|pool| schedule::fits(pool, &wanted));
        }
        let best = pools.iter().max_by(|a, b| a.free_gb.total_cmp(&b.free_gb));
        let Some(pool) = best else {
            return Ok(Err(none));
        };
        row.host = Some(pool.name.clone());
        store::save(&*tx, row).await?;
        tx.commit().await?;
        Ok::<_, sql::SqlError>(Ok(()))
    })
    .await?;
    let no_pool = |why| StepError::fail(format!("No valid backend was found. {why}"));
    placed.map(|()| Next::Go).map_err(no_pool)
}

async fn settle(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        end(
            &tx,
            &state.group_id,
            GroupStatus::Creating,
            GroupStatus::Available,
        )
        .await?;
        tx.finish(state).await
    });
    Ok(settled.await?)
}

impl Workflow for Follow {
    const KIND: &'static str = "group.follow";
    const CANCELLABLE: bool = false;
    type State = Following;
    type Env = Core;

    fn request(state: &Following) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, Following>> {
        vec![
            Step::new("wait", MINUTE, wait).attempts(u32::MAX),
            Step::new("end", MINUTE, follow).no_return(),
        ]
    }
}

/// Waits until nothing of it is under way.
async fn wait(core: &Core, _cx: &StepContext, state: &mut Following) -> Result<Next, StepError> {
    let db = core.db.read();
    let busy = match state.what {
        What::Made | What::Gone => {
            let all = groups::volumes(db, &state.id).await.map_err(database)?;
            let passing = |status| match state.what {
                What::Made => matches!(status, Status::Creating | Status::Downloading),
                _ => status == Status::Deleting,
            };
            all.iter().filter(|row| passing(row.status)).count()
        }
        What::SnapshotMade | What::SnapshotGone => {
            let all = groups::snapshots(db, &state.id).await.map_err(database)?;
            let passing = match state.what {
                What::SnapshotMade => SnapshotStatus::Creating,
                _ => SnapshotStatus::Deleting,
            };
            all.iter().filter(|row| row.status == passing).count()
        }
    };
    match busy {
        0 => Ok(Next::Go),
        count => Err(StepError::retry(LOOK, format!("{count} are under way"))),
    }
}

async fn follow(_core: &Core, cx: &StepContext, state: &mut Following) -> Result<Next, StepError> {
    let ended = sql::retry(|| async {
        let tx = cx.begin().await?;
        let id = state.id.as_str();
        match state.what {
            What::Made => {
                let all = groups::volumes(&*tx, id).await?;
                let to = match all.iter().all(|row| !row.status.is_error()) {
                    true => GroupStatus::Available,
                    false => GroupStatus::Error,
                };
                end(&tx, id, GroupStatus::Creating, to).await?;
            }
            What::Gone => match groups::volumes(&*tx, id).await?.is_empty() {
                true => groups::forget(&tx, id).await?,
                false => end(&tx, id, GroupStatus::Deleting, GroupStatus::Error).await?,
            },
            What::SnapshotMade => {
                let all = groups::snapshots(&*tx, id).await?;
                let to = match all.iter().all(|row| row.status != SnapshotStatus::Error) {
                    true => GroupStatus::Available,
                    false => GroupStatus::Error,
                };
                end_snapshot(&tx, id, GroupStatus::Creating, to).await?;
            }
            What::SnapshotGone => match groups::snapshots(&*tx, id).await?.is_empty() {
                true => {
                    store::remove::<group_snapshot::Entity>(&*tx, id).await?;
                }
                false => end_snapshot(&tx, id, GroupStatus::Deleting, GroupStatus::Error).await?,
            },
        }
        tx.finish(state).await
    });
    Ok(ended.await?)
}
