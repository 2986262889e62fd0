//! `POST /volumes/{id}/action`: what is done with a volume.

pub mod admin;
pub mod attach;
pub mod image_metadata;
pub mod migrate;
pub mod reimage;
pub mod retype;
pub mod upload;

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use workflow::Kind;

use super::volumes::locked;
use super::words::Flag;
use super::{Call, find, find_by, has};
use crate::db::store;
use crate::db::volumes as rows;
use crate::fault::Fault;
use crate::listing::MOST;
use crate::policy::{self, version};
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::{SnapshotStatus, Status, Word, snapshot, volume};
use crate::work::{extend, snapshot as snapshots};

#[derive(Debug, Deserialize, Versioned)]
pub struct ExtendBody {
    #[mv(wire = "os-extend")]
    pub extend: NewSize,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewSize {
    #[mv(lenient, minimum = 1, maximum = MOST)]
    pub new_size: i64,
}

/// From here on volumes in use may be extended.
const IN_USE: microversion::Version = version(42);

/// `os-extend`.
pub async fn extend(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ExtendBody {
        extend: NewSize { new_size },
    } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find_by(&volumes, &cx, call.path("id")).await?;
    let target = policy::target(&seen.project_id, &seen.user_id);
    let online = has(&call, IN_USE) && seen.status == Status::InUse;
    match online {
        true => volumes.allow_rule("volume:extend_attached_volume", &cx.caller, &target)?,
        false => volumes.allow(&cx, &target)?,
    }
    let nudge = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        let more = new_size - row.size;
        if more <= 0 {
            return Err(Fault::InvalidInput(format!(
                "New size for extend must be greater than current size. (current: {}, extended: {new_size}).",
                row.size
            )));
        }
        let kind = crate::db::types::find(&tx, &row.type_id).await?;
        let kind = kind.ok_or_else(|| Fault::no_type(&row.type_id))?;
        super::volumes::provisioning(&kind.specs, new_size)?;
        let expected = if online { Status::InUse } else { Status::Available };
        if row.status != expected {
            return Err(Fault::InvalidVolume(format!(
                "Volume {} status must be '{{'status': '{}'}}' to extend, currently {}.",
                row.id,
                expected.word(),
                row.status.word()
            )));
        }
        quota::size(volumes.settings(), &tx, &row.project_id, new_size).await?;
        if row.consumes_quota {
            let more = More { gigabytes: more, ..More::default() };
            let kind = Some((kind.row.id.as_str(), kind.row.name.as_str()));
            quota::admit(volumes.settings(), &tx, &row.project_id, kind, more).await?;
        }
        let state = extend::State {
            asked: cx.asked(),
            volume_id: row.id.clone(),
            before: row.size,
            after: new_size,
        };
        row.previous = Some(row.status);
        row.status = Status::Extending;
        row.size = new_size;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        let kind = Kind::of::<extend::Extend>();
        let nudge = workflow::insert(&tx, kind, &seen.id, &state).await?;
        tx.commit().await?;
        Ok(nudge)
    })
    .await?;
    volumes.nudge(nudge);
    Ok(Answer::empty())
}

#[derive(Debug, Deserialize, Versioned)]
pub struct BootableBody {
    #[mv(wire = "os-set_bootable")]
    pub set: Bootable,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Bootable {
    pub bootable: Flag,
}

/// `os-set_bootable`.
pub async fn set_bootable(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let BootableBody {
        set: Bootable {
            bootable: Flag(bootable),
        },
    } = call.admit()?;
    change(&volumes, &call, |row| {
        if row.status == Status::Maintenance {
            let why = "The volume cannot be updated during maintenance.";
            return Err(Fault::InvalidVolume(why.to_owned()));
        }
        row.bootable = bootable;
        Ok(())
    })
    .await
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ReadonlyBody {
    #[mv(wire = "os-update_readonly_flag")]
    pub update: Readonly,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Readonly {
    pub readonly: Flag,
}

/// `os-update_readonly_flag`.
pub async fn set_readonly(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ReadonlyBody {
        update: Readonly {
            readonly: Flag(readonly),
        },
    } = call.admit()?;
    change(&volumes, &call, |row| {
        if row.status != Status::Available {
            return Err(Fault::InvalidVolume(format!(
                "Volume {} status must be available to update readonly flag, but current status is: {}.",
                row.id,
                row.status.word()
            )));
        }
        row.readonly = Some(readonly);
        Ok(())
    })
    .await
}

/// Changes a row at once.
async fn change(
    volumes: &Volumes,
    call: &Call,
    make: impl Fn(&mut volume::Model) -> Result<(), Fault> + Sync,
) -> Result<Answer, Fault> {
    let seen = find(volumes, &call.cx, call.path("id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        make(&mut row)?;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RevertBody {
    pub revert: ToSnapshot,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(open)]
pub struct ToSnapshot {
    #[mv(nullable)]
    pub snapshot_id: Option<String>,
}

/// `revert`: to the last snapshot.
pub async fn revert(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let RevertBody {
        revert: ToSnapshot { snapshot_id },
    } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find(&volumes, &cx, call.path("id")).await?;
    let nudge = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        let all = crate::work::delete::snapshots(&tx, &row.id).await?;
        let last = all.into_iter().max_by_key(|one| one.created_at);
        let last = last.ok_or_else(|| {
            Fault::BadRequest(format!("Volume {} doesn't have any snapshots.", row.id))
        })?;
        let given = snapshot_id.as_deref().unwrap_or("None");
        if given != last.id {
            return Err(Fault::BadRequest(format!(
                "Specified snapshot {given} is None or not the latest one of volume {}.",
                row.id
            )));
        }
        let last = super::snapshots::locked(&tx, &last.id).await?;
        if row.size != last.size {
            return Err(Fault::BadRequest(format!(
                "Can't revert volume {} to its latest snapshot {given}. The volume size must be equal to the snapshot \
                 size.",
                row.id
            )));
        }
        let unfit = |what: &str| {
            format!(
                "Can't revert volume {} to its latest snapshot {given}. {what}'s status must be 'available'.",
                row.id
            )
        };
        // Whatever an administrator made of its status: a server that has it open would keep the bytes of before.
        let used = !rows::attachments(&tx, &row.id).await?.is_empty();
        if row.status != Status::Available || used {
            return Err(Fault::Conflict(format!("Invalid volume: {}", unfit("Volume"))));
        }
        if last.status != SnapshotStatus::Available {
            return Err(Fault::Conflict(format!("Invalid snapshot: {}", unfit("Snapshot"))));
        }
        let state = snapshots::State {
            asked: cx.asked(),
            snapshot_id: last.id.clone(),
            volume_id: row.id.clone(),
            release: false,
        };
        row.status = Status::Reverting;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        let last = snapshot::Model { status: SnapshotStatus::Restoring, ..last };
        store::save(&tx, last).await?;
        let kind = Kind::of::<snapshots::Revert>();
        let nudge = workflow::insert(&tx, kind, &seen.id, &state).await?;
        tx.commit().await?;
        Ok(nudge)
    })
    .await?;
    volumes.nudge(nudge);
    Ok(Answer::empty())
}

/// The attachments of a volume that the caller found.
async fn attachments(
    volumes: &Volumes,
    row: &volume::Model,
) -> Result<Vec<crate::tables::attachment::Model>, Fault> {
    Ok(rows::attachments(volumes.db().read(), &row.id).await?)
}
