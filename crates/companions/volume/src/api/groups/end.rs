//! A group goes, with its volumes where that is asked for.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use workflow::{Kind, WorkflowId};

use super::{find, locked, locked_volumes};
use crate::api::words::Flag;
use crate::api::{Call, Cx};
use crate::db::store::{self, Tx};
use crate::db::{groups as rows, volumes as volume_rows};
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::group::{GroupStatus, Model};
use crate::tables::{AttachStatus, Status, Word};
use crate::work::delete;
use crate::work::group::{Follow, Following, What};

#[derive(Debug, Deserialize, Versioned)]
pub struct DeleteBody {
    pub delete: Wish,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Wish {
    #[mv(wire = "delete-volumes")]
    pub delete_volumes: Option<Flag>,
}

/// `delete`.
pub async fn delete(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let DeleteBody { delete: wish } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let with = wish.delete_volumes.is_some_and(|flag| flag.0);
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let nudges = accept(&call.cx, &tx, &seen, with).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudges)
    })
    .await?;
    nudges.into_iter().for_each(|id| volumes.nudge(id));
    Ok(Answer::empty())
}

/// Statuses of volumes that go with their group: no work of theirs is under way.
const AT_REST: [Status; 8] = [
    Status::Available,
    Status::InUse,
    Status::Error,
    Status::ErrorDeleting,
    Status::ErrorExtending,
    Status::ErrorRestoring,
    Status::ErrorBackingUp,
    Status::ErrorManaging,
];

async fn accept(cx: &Cx, tx: &Tx, seen: &Model, with: bool) -> Result<Vec<WorkflowId>, Fault> {
    let id = seen.id.as_str();
    // Volumes first, as everybody locks them.
    locked_volumes(tx, seen).await?;
    let mut group = locked(tx, id).await?;
    // One may have come until the group was locked; none comes from here on.
    let all = locked_volumes(tx, &group).await?;
    let invalid = |why: &str| Fault::InvalidGroup(why.to_owned());
    if group.host.is_none() && all.is_empty() {
        rows::forget(tx, id).await?;
        return Ok(Vec::new());
    }
    if !with && !matches!(group.status, GroupStatus::Available | GroupStatus::Error) {
        return Err(Fault::InvalidGroup(format!(
            "Group status must be available or error, but current status is: {}",
            group.status.word()
        )));
    }
    if rows::has_snapshots(tx, id).await? {
        return Err(invalid("Group has existing snapshots."));
    }
    if !all.is_empty() && !with {
        return Err(Fault::InvalidGroup(format!(
            "Group {id} still contains volumes. The delete-volumes flag is required to delete it."
        )));
    }
    if rows::is_source(tx, id).await? {
        return Err(Fault::InvalidGroup(format!(
            "Cannot delete group {id}. It cannot be the source for an ongoing group or group snapshot creation."
        )));
    }
    let mut nudges = Vec::new();
    for mut row in all {
        let attached = volume_rows::attachments(tx, &row.id).await?;
        if attached
            .iter()
            .any(|one| one.status == AttachStatus::Attached)
        {
            return Err(Fault::InvalidGroup(format!(
                "Volume in group {id} is attached. Need to detach first."
            )));
        }
        if !delete::snapshots(tx, &row.id).await?.is_empty() {
            return Err(invalid("Volume in group still has dependent snapshots."));
        }
        if !AT_REST.contains(&row.status) {
            return Err(Fault::InvalidGroup(format!(
                "Volume {} in group is {}.",
                row.id,
                row.status.word()
            )));
        }
        // It was never placed: there are no bytes.
        if row.host.is_none() {
            delete::forget(tx, &row.id).await?;
            continue;
        }
        row.status = Status::Deleting;
        row.updated_at = Some(store::now());
        let state = delete::State {
            asked: cx.asked(),
            volume_id: row.id.clone(),
            release: false,
        };
        let kind = Kind::of::<delete::Delete>();
        nudges.push(workflow::insert(tx, kind, &row.id, &state).await?);
        store::save(tx, row).await?;
    }
    group.status = GroupStatus::Deleting;
    group.updated_at = Some(store::now());
    store::save(tx, group).await?;
    let state = Following {
        asked: cx.asked(),
        what: What::Gone,
        id: id.to_owned(),
    };
    nudges.push(workflow::insert(tx, Kind::of::<Follow>(), id, &state).await?);
    Ok(nudges)
}
