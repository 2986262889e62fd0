//! A volume becomes larger, also while servers use it: they are told by compute.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Asked, COPY, MINUTE, TRIES, backend, database, exported, home, id};
use crate::db::{store, volumes as rows};
use crate::events;
use crate::exports;
use crate::messages::{self, About, Action, Detail};
use crate::shared::Core;
use crate::tables::event::EventKind;
use crate::tables::{Status, attachment, volume};

/// See the module.
pub struct Extend;

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub volume_id: String,
    /// GiB before: what the quota gets back if it fails.
    pub before: i64,
    /// GiB afterwards, which the row has already, so that the quota holds it.
    pub after: i64,
}

impl Workflow for Extend {
    const KIND: &'static str = "volume.extend";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            // A thick logical volume is overwritten with zeros where it grew.
            Step::new("data", COPY, data).attempts(TRIES),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::error!(volume = state.volume_id, %why, "a volume could not be extended");
        let tx = cx.begin().await?;
        let row = store::locked::<volume::Entity>(&*tx, &state.volume_id).await;
        let row = row.map_err(database)?;
        if let Some(mut row) = row.filter(|row| row.status == Status::Extending) {
            let what = (Action::Extend, Detail::ExtendFailed);
            let about = About::Volume(&state.volume_id);
            let left = messages::leave(core, &tx, &state.asked, about, what).await;
            left.map_err(database)?;
            row.status = Status::ErrorExtending;
            row.previous = None;
            row.size = state.before;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await.map_err(database)?;
        }
        Ok(tx.commit().await?)
    }
}

async fn data(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let size = state.after.unsigned_abs();
    let at = home(core, &state.volume_id).await?;
    let done = at.driver.ensure_size(id(&state.volume_id)?, size).await;
    done.map_err(backend)?;
    // Hosts hear of it when it is served with its new size.
    let told = exports::refresh(core, &state.volume_id).await;
    told.map_err(exported)?;
    Ok(Next::Go)
}

async fn settle(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        if let Some(mut row) = store::locked::<volume::Entity>(&*tx, &state.volume_id).await?
            && row.status == Status::Extending
        {
            // Servers may have come and gone in the meantime.
            let used = rows::attachments(&*tx, &row.id).await?;
            for server in used.iter().filter_map(|one| one.instance_id.as_deref()) {
                events::tell(&tx, EventKind::Extended, server, &row.id).await?;
            }
            row.status = attachment::at_rest(&used);
            row.previous = None;
            row.updated_at = Some(store::now());
            store::save(&*tx, row).await?;
        }
        tx.finish(state).await
    })
    .await?;
    core.told.notify_one();
    Ok(settled)
}
