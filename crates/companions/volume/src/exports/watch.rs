//! That exactly what rows say is served, whatever died or was forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio_util::sync::CancellationToken;

use super::changed::strays;
use super::{ExportError, served, stop};
use crate::backends::Backend;
use crate::db::store;
use crate::driver::{Id, Part};
use crate::shared::Core;
use crate::tables::{attachment, export, volume};
use crate::target::{Target, TargetError};

/// How often it is looked whether exactly what rows say is served: guests wait for a volume that long, and longer.
const LOOK: Duration = Duration::from_secs(5);

/// What failed the last time, by export or back end: told once, not with every look.
type Told = BTreeMap<String, String>;

/// Looks until told to stop.
pub async fn keep_for_ever(core: &Core, stop: CancellationToken) {
    let mut told = Told::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        told = look(core, &told).await;
    }
}

/// Serves what has a row and ends what has none. Gives what failed; what failed before in the same way is not told again.
pub async fn look(core: &Core, before: &Told) -> Told {
    let mut now = Told::new();
    for at in core.backends.iter() {
        let Some(target) = at.reach.target() else {
            continue;
        };
        if let Err(error) = look_at(core, at, target, &mut now).await {
            now.insert(at.host.clone(), sentence(&error));
        }
    }
    for (what, why) in &now {
        if before.get(what) != Some(why) {
            tracing::error!(what, why, "a volume is not served as it should be");
        }
    }
    now
}

async fn look_at(
    core: &Core,
    at: &Backend,
    target: &dyn Target,
    failed: &mut Told,
) -> Result<(), ExportError> {
    // In this order: what is served had a row before, and what has none now had its end.
    let there = target.served().await?;
    let rows = rows(core, at).await?;
    for id in there {
        let id_text = id.to_string();
        if !rows.iter().any(|row| row.id == id_text)
            && let Err(error) = end_stray(core, target, id).await
        {
            failed.insert(id_text, sentence(&error));
        }
    }
    for row in rows {
        if let Err(error) = keep(core, &row.id).await {
            failed.insert(row.id, sentence(&error));
        }
    }
    Ok(())
}

/// An error with what caused it.
fn sentence(error: &ExportError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The exports of a back end.
async fn rows(core: &Core, at: &Backend) -> Result<Vec<export::Model>, ExportError> {
    let mut rows = export::Entity::find().all(core.db.read()).await?;
    rows.retain(|row| {
        let home = core.backends.of(Some(&row.backend));
        home.is_ok_and(|home| home.host == at.host)
    });
    Ok(rows)
}

async fn end_stray(core: &Core, target: &dyn Target, id: Id) -> Result<(), ExportError> {
    let id_text = id.to_string();
    let _turn = core.turns.of(&id_text).await;
    if store::find::<export::Entity>(core.db.read(), &id_text)
        .await?
        .is_some()
    {
        return Ok(());
    }
    tracing::warn!(export = id_text, "what serves a volume for nobody is ended");
    Ok(target.ensure_gone(id).await?)
}

/// What the row with this id says is served, if there is one; one that nobody needs any more ends.
///
/// # Errors
/// It cannot be served.
pub async fn keep(core: &Core, id: &str) -> Result<(), ExportError> {
    let _turn = core.turns.of(id).await;
    let Some(row) = store::find::<export::Entity>(core.db.read(), id).await? else {
        return Ok(());
    };
    if !is_needed(core, &row).await? {
        return stop(core, id).await;
    }
    let at = core.backends.of(Some(&row.backend))?;
    let volume = store::find::<volume::Entity>(core.db.read(), &row.volume_id).await?;
    // Without a volume, its attachment goes, or is just given to the volume whose place this one took.
    if let (Some(target), Some(volume)) = (at.reach.target(), volume) {
        let part = Part::Volume(volume.on_back_end().parse()?);
        let path = at.driver.readable(part).await?;
        served(core, target, &row, &path).await?;
    }
    Ok(())
}

/// Whether its attachment is there, or the volume, of one that has no attachment.
async fn is_needed(core: &Core, row: &export::Model) -> Result<bool, ExportError> {
    let db = core.db.read();
    Ok(match row.attached {
        true => store::find::<attachment::Entity>(db, &row.id)
            .await?
            .is_some(),
        false => store::find::<volume::Entity>(db, &row.volume_id)
            .await?
            .is_some(),
    })
}

/// A sentence for every export that is served for nobody, is not served, or has nothing to serve it, for attachments
/// without their export, and for folders of exports that no target has.
///
/// # Errors
/// The database or a target does not answer.
pub async fn audit(core: &Core) -> Result<Vec<String>, ExportError> {
    let strays = strays(&core.settings).map_err(|error| {
        let folder = core.settings.export_dir.display();
        TargetError::Failed(format!("{folder} cannot be read: {error}"))
    });
    let mut found = strays?;
    for at in core.backends.iter() {
        let rows = rows(core, at).await?;
        let target = at.reach.target();
        let there = match target {
            Some(target) => target.served().await?,
            None => Vec::new(),
        };
        for id in &there {
            if !rows.iter().any(|row| row.id == id.to_string()) {
                found.push(format!(
                    "the export {id} is served by {} and no attachment needs it",
                    at.host
                ));
            }
        }
        for row in &rows {
            let (id, volume) = (&row.id, &row.volume_id);
            let alive = match target {
                Some(target) => target.alive(id.parse()?).await?,
                None => false,
            };
            if !is_needed(core, row).await? {
                found.push(format!(
                    "the export {id} of volume {volume} belongs to no attachment"
                ));
            } else if !alive {
                found.push(format!(
                    "the export {id} of volume {volume} is not served by {}",
                    at.host
                ));
            }
        }
    }
    found.extend(without_export(core).await?);
    Ok(found)
}

/// A sentence for every attachment whose host was told of an export that has no row: nothing serves it again.
async fn without_export(core: &Core) -> Result<Vec<String>, ExportError> {
    let db = core.db.read();
    let told: Vec<(String, String)> = attachment::Entity::find()
        .select_only()
        .columns([attachment::Column::Id, attachment::Column::VolumeId])
        .filter(attachment::Column::Connection.is_not_null())
        .order_by_asc(attachment::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let mut found = Vec::new();
    for (id, volume_id) in told {
        let row = store::find::<volume::Entity>(db, &volume_id).await?;
        // What is on no back end of this process is told as such.
        let at = row.and_then(|row| core.backends.of(row.host.as_deref()).ok());
        let is_served = at.is_some_and(|at| at.reach.target().is_some());
        if is_served && store::find::<export::Entity>(db, &id).await?.is_none() {
            found.push(format!(
                "the attachment {id} of volume {volume_id} is connected and has no export"
            ));
        }
    }
    Ok(found)
}

/// Ends all that is served; rows stay, so that the next start serves it again.
///
/// # Errors
/// Something does not end.
pub async fn down(core: &Core) -> Result<(), ExportError> {
    for target in core.backends.iter().filter_map(|at| at.reach.target()) {
        target.down().await?;
    }
    Ok(())
}
