//! A volume holds an image again, while no server runs from it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{
    Asked, COPY, MINUTE, TRIES, backend, claimed, copied, database, home_of, id, images, row, size,
};
use crate::db::properties::{self, Properties};
use crate::db::{store, volumes as rows};
use crate::driver::{Part, Snapshot, Source};
use crate::events;
use crate::messages::{self, About, Action, Detail};
use crate::shared::Core;
use crate::tables::event::EventKind;
use crate::tables::{Owner, Status, attachment, volume};

/// See the module.
pub struct Reimage;

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub volume_id: String,
    pub image_id: String,
    /// The snapshot that the image stands for, with its volume: an image of a server has no data of its own.
    pub snapshot: Option<(String, String)>,
    /// What the volume will know of the image.
    pub known: Properties,
}

impl Workflow for Reimage {
    const KIND: &'static str = "volume.reimage";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
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
        tracing::error!(volume = state.volume_id, %why, "a volume could not be given an image");
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
        let row = row.map_err(database)?;
        if let Some(mut row) = row.filter(is_reimaged) {
            let what = (Action::Reimage, Detail::Unknown);
            let about = About::Volume(&state.volume_id);
            let left = messages::leave(core, &tx, &state.asked, about, what).await;
            left.map_err(database)?;
            row.status = Status::Error;
            row.previous = None;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await.map_err(database)?;
        }
        Ok(tx.commit().await?)
    }
}

/// Whether the row is still this workflow's to change.
fn is_reimaged(row: &volume::Model) -> bool {
    row.status == Status::Downloading
}

async fn data(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let row = row(core, &state.volume_id).await?.filter(is_reimaged);
    let row = row.ok_or_else(|| StepError::fail("the volume is not given an image any more"))?;
    let (to, mut path) = (home_of(core, &row)?, PathBuf::new());
    let source = match &state.snapshot {
        Some((snapshot, volume)) => {
            let of = Part::Snapshot(Snapshot {
                volume: id(volume)?,
                id: id(snapshot)?,
            });
            copied(core, to, of, &mut path).await?
        }
        None => {
            path = images::fetch(core, to, &state.image_id, (&row.id, size(&row))).await?;
            Source::File(&path)
        }
    };
    claimed(core, cx, &row.id, is_reimaged).await?;
    let done = to.driver.ensure_content(id(&row.id)?, source).await;
    done.map_err(backend)?;
    images::forget(core, &row.id).await?;
    Ok(Next::Go)
}

async fn no_data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    images::forget(core, &state.volume_id).await
}

async fn settle(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?;
        if let Some(mut row) = row.filter(is_reimaged) {
            // Servers may have come and gone in the meantime.
            let used = rows::attachments(&*tx, &row.id).await?;
            for server in used.iter().filter_map(|one| one.instance_id.as_deref()) {
                events::tell(&tx, EventKind::Reimaged, server, &row.id).await?;
            }
            row.status = attachment::at_rest(&used);
            row.previous = None;
            properties::replace(&*tx, Owner::Image, &row.id, &state.known).await?;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await?;
        }
        tx.finish(state).await
    })
    .await?;
    core.told.notify_one();
    Ok(settled)
}
