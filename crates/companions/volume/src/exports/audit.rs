//! Whether exactly what rows say is served.

use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::ExportError;
use super::changed::strays;
use super::watch::{is_needed, rows};
use crate::db::store;
use crate::shared::Core;
use crate::tables::{attachment, export, volume};
use crate::target::TargetError;

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
        let (there, alive) = match target {
            Some(target) => (target.served().await?, target.alive().await?),
            None => Default::default(),
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
            if !is_needed(core, row).await? {
                found.push(format!(
                    "the export {id} of volume {volume} belongs to no attachment"
                ));
            } else if !alive.contains(&id.parse()?) {
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
