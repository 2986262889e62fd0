//! A volume comes to be: a pool is found for it, its bytes are made, it is there for use.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{
    Asked, COPY, MINUTE, TRIES, backend, copied, database, ensure_gone, ensure_no_orphan, home_of,
    id, images, row, size,
};
use crate::db::{store, types};
use crate::driver::{Part, Snapshot, Source};
use crate::hosts;
use crate::messages::{self, About, Action, Detail};
use crate::schedule::{self, Wanted};
use crate::shared::Core;
use crate::tables::{Status, volume};

/// See the module.
pub struct Create;

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub volume_id: String,
    /// Zones that it may be in; any when empty.
    pub zones: Vec<String>,
    pub origin: Origin,
}

/// What the volume is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Blank,
    Snapshot {
        volume_id: String,
        snapshot_id: String,
    },
    Volume {
        volume_id: String,
    },
    Image {
        image_id: String,
    },
}

impl Workflow for Create {
    const KIND: &'static str = "volume.create";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("place", MINUTE, place),
            Step::new("data", COPY, data).undo(no_data).attempts(TRIES),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::warn!(volume = state.volume_id, %why, "a volume could not be made");
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
        if let Some(mut row) = row.map_err(database)?.filter(is_made) {
            let what = match (&row.host, &state.origin) {
                (None, _) => (Action::Schedule, Detail::NoBackEnd),
                (_, Origin::Image { .. }) => (Action::DownloadImage, Detail::Unknown),
                _ => (Action::CreateVolume, Detail::CreateFailed),
            };
            let about = About::Volume(&state.volume_id);
            let left = messages::leave(core, &tx, &state.asked, about, what).await;
            left.map_err(database)?;
            row.status = Status::Error;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await.map_err(database)?;
        }
        Ok(tx.commit().await?)
    }
}

/// Whether the row is still this workflow's to change.
fn is_made(row: &volume::Model) -> bool {
    matches!(row.status, Status::Creating | Status::Downloading)
}

async fn find(core: &Core, id: &str) -> Result<volume::Model, StepError> {
    let row = row(core, id).await?;
    row.ok_or_else(|| StepError::fail("the volume is gone"))
}

async fn place(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let near = match &state.origin {
        Origin::Volume { volume_id } | Origin::Snapshot { volume_id, .. } => Some(volume_id),
        Origin::Blank | Origin::Image { .. } => None,
    };
    let near = near.map(String::as_str);
    placed(core, cx, &state.volume_id, &state.zones, near).await?;
    Ok(Next::Go)
}

/// The volume has a pool: the one it has, that of the volume of which it is made where it fits, or the best in these
/// zones.
pub async fn placed(
    core: &Core,
    cx: &StepContext,
    volume_id: &str,
    zones: &[String],
    near: Option<&str>,
) -> Result<(), StepError> {
    let row = find(core, volume_id).await?;
    let kind = types::find(core.db.read(), &row.type_id)
        .await
        .map_err(database)?;
    let specs = kind.map(|kind| kind.specs).unwrap_or_default();
    let placed = sql::retry(|| async {
        let tx = cx.begin().await?;
        let Some(mut row) = store::locked::<volume::Entity>(&*tx, volume_id).await? else {
            return Ok(Err("the volume is gone".to_owned()));
        };
        if row.host.is_none() {
            let pools = hosts::pools(&*tx).await?;
            let wanted = Wanted {
                size: row.size,
                zones,
                specs: &specs,
            };
            let near = match near {
                Some(id) => store::find::<volume::Entity>(&*tx, id).await?,
                None => None,
            };
            let near = near.and_then(|near| near.host);
            match schedule::choose_near(&pools, &wanted, near.as_deref()) {
                Ok(pool) => {
                    row.host = Some(pool.name.clone());
                    row.availability_zone = Some(pool.zone.clone());
                }
                Err(why) => return Ok(Err(why)),
            }
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await?;
        }
        tx.commit().await?;
        Ok::<_, sql::SqlError>(Ok(()))
    })
    .await?;
    placed.map_err(|why| StepError::fail(format!("No valid backend was found. {why}")))
}

async fn data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let row = find(core, &state.volume_id).await?;
    let (volume, to) = (id(&row.id)?, home_of(core, &row)?);
    let mut path = PathBuf::new();
    let source = match &state.origin {
        Origin::Blank => Source::Blank,
        // A run before this one may have come to its end.
        _ if to.driver.readable(Part::Volume(volume)).await.is_ok() => {
            images::forget(core, &row.id).await?;
            return Ok(Next::Go);
        }
        Origin::Image { image_id } => {
            path = images::fetch(core, to, image_id, (&row.id, size(&row))).await?;
            Source::File(&path)
        }
        Origin::Volume { volume_id } => {
            let of = Part::Volume(id(volume_id)?);
            copied(core, to, of, &mut path).await?
        }
        Origin::Snapshot {
            volume_id,
            snapshot_id,
        } => {
            let of = Part::Snapshot(Snapshot {
                volume: id(volume_id)?,
                id: id(snapshot_id)?,
            });
            copied(core, to, of, &mut path).await?
        }
    };
    let made = to.driver.ensure_volume(volume, size(&row), source).await;
    made.map_err(backend)?;
    images::forget(core, &row.id).await?;
    Ok(Next::Go)
}

async fn no_data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    images::forget(core, &state.volume_id).await?;
    ensure_gone(core, &state.volume_id).await
}

async fn settle(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    ensure_no_orphan(core, &state.volume_id).await?;
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        if let Some(mut row) = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?
            && is_made(&row)
        {
            row.status = Status::Available;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await?;
        }
        tx.finish(state).await
    });
    Ok(settled.await?)
}
