//! A volume is to hold what a backup holds.

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use workflow::{Kind, WorkflowId};

use super::{find, locked, served};
use crate::api::words::trimmed;
use crate::api::{Call, Cx, find_by, types, volumes as api};
use crate::db::store::{self, Tx};
use crate::db::types::VolumeType;
use crate::db::volumes as rows;
use crate::fault::Fault;
use crate::policy;
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::{BackupStatus, Status, backup, volume};
use crate::work::restore::{MADE_FOR, Restore, State};

#[derive(Debug, Deserialize, Versioned)]
pub struct RestoreBody {
    #[mv(nullable)]
    pub restore: Option<Wish>,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct Wish {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, format = "uuid")]
    pub volume_id: Option<String>,
}

/// Which volume will hold what a backup holds.
#[derive(Debug, Serialize, Versioned)]
pub struct Restored<'v> {
    pub backup_id: &'v str,
    pub volume_id: &'v str,
    pub volume_name: Option<&'v str>,
}

/// `POST /backups/{id}/restore`.
pub async fn restore(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let RestoreBody { restore: wish } = call.admit()?;
    let wish = wish.unwrap_or_default();
    let cx = call.cx.clone();
    let seen = find(&volumes, &cx, call.path("id")).await?;
    available(&seen)?;
    served(&volumes, seen.availability_zone.as_deref()).await?;
    let kind = match &wish.volume_id {
        Some(id) => {
            find_by(&volumes, &cx, id).await?;
            None
        }
        None => {
            volumes.allow_rule("volume:create", &cx.caller, &policy::own(&cx.caller))?;
            Some(types::default_of(&volumes, cx.project()?).await?)
        }
    };
    let (row, nudge) = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = match (&wish.volume_id, &kind) {
            (Some(id), _) => existing(&tx, id, &seen).await?,
            (None, Some(kind)) => fresh(&volumes, &cx, &tx, (&seen, kind, &wish)).await?,
            (None, None) => return Err(Fault::Internal("a new volume has no type")),
        };
        let state = State {
            asked: cx.asked(),
            backup_id: seen.id.clone(),
            volume_id: row.id.clone(),
            fresh: wish.volume_id.is_none(),
            zones: row.availability_zone.iter().cloned().collect(),
        };
        let nudge = begin(&tx, &state).await?;
        tx.commit().await?;
        Ok((row, nudge))
    })
    .await?;
    volumes.nudge(nudge);
    call.render_under(
        "restore",
        &Restored {
            backup_id: &seen.id,
            volume_id: &row.id,
            volume_name: row.name.as_deref(),
        },
    )
}

fn available(row: &backup::Model) -> Result<(), Fault> {
    match row.status {
        BackupStatus::Available => Ok(()),
        _ => Err(Fault::InvalidBackup(
            "Backup status must be available".to_owned(),
        )),
    }
}

/// Begins to restore a backup, which nobody else does at the same time.
///
/// # Errors
/// It is not available.
pub async fn begin(tx: &Tx, state: &State) -> Result<WorkflowId, Fault> {
    let mut row = locked(tx, &state.backup_id).await?;
    available(&row)?;
    row.status = BackupStatus::Restoring;
    row.restore_volume_id = Some(state.volume_id.clone());
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    Ok(workflow::insert(tx, Kind::of::<Restore>(), &state.backup_id, state).await?)
}

/// A volume that is there, which nobody uses.
async fn existing(tx: &Tx, id: &str, of: &backup::Model) -> Result<volume::Model, Fault> {
    let mut row = api::locked(tx, id).await?;
    // Whatever an administrator made of its status: a server that has it open would keep the bytes of before.
    let used = !rows::attachments(tx, id).await?.is_empty();
    if row.status != Status::Available || used {
        return Err(Fault::InvalidVolume(
            "Volume to be restored to must be available".to_owned(),
        ));
    }
    if of.size > row.size {
        return Err(Fault::InvalidVolume(format!(
            "volume size {} is too small to restore backup of size {}.",
            row.size, of.size
        )));
    }
    row.status = Status::RestoringBackup;
    row.updated_at = Some(store::now());
    store::save(tx, row.clone()).await?;
    Ok(row)
}

/// A new volume, as large as the backup.
async fn fresh(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    (of, kind, wish): (&backup::Model, &VolumeType, &Wish),
) -> Result<volume::Model, Fault> {
    let project = cx.project()?.to_owned();
    quota::size(volumes.settings(), tx, &project, of.size).await?;
    let more = More {
        volumes: 1,
        gigabytes: of.size,
        ..More::default()
    };
    let names = (kind.row.id.as_str(), kind.row.name.as_str());
    quota::admit(volumes.settings(), tx, &project, Some(names), more).await?;
    let kind = types::hold(tx, &kind.row.id).await?;
    api::provisioning(&kind.specs, of.size)?;
    let settings = volumes.settings();
    let zone = settings.default_zone.as_ref().unwrap_or(&settings.zone);
    let name = trimmed(wish.name.clone());
    let row = volume::Model {
        id: store::new_id(),
        project_id: project,
        user_id: cx.caller.user_id.clone(),
        name: name.or_else(|| Some(format!("{MADE_FOR}{}", of.id))),
        description: Some("auto-created_from_restore_from_backup".to_owned()),
        status: Status::RestoringBackup,
        previous: None,
        size: of.size,
        multiattach: types::is_multiattach(&kind.specs),
        type_id: kind.row.id,
        availability_zone: Some(zone.clone()),
        host: None,
        migration_status: None,
        target_of: None,
        bootable: false,
        readonly: None,
        snapshot_id: None,
        source_volid: None,
        group_id: None,
        consumes_quota: true,
        created_at: store::now(),
        updated_at: None,
    };
    store::insert(tx, row.clone()).await?;
    Ok(row)
}
