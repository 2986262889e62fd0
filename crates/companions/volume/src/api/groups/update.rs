//! A group gets other words, and volumes come and go.

use std::collections::{BTreeSet, HashMap};

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use uuid::Uuid;

use super::{find, locked};
use crate::api::Call;
use crate::api::words::trimmed;
use crate::db::store::{self, Tx};
use crate::db::{groups as rows, volumes as volume_rows};
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::group::{GroupStatus, Model};
use crate::tables::{Status, Word, volume};

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateGroup {
    pub group: Changes,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct Changes {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    /// Ids with commas between them.
    #[mv(nullable)]
    pub add_volumes: Option<String>,
    /// Ids with commas between them.
    #[mv(nullable)]
    pub remove_volumes: Option<String>,
}

/// Statuses of volumes that may come.
const COMING: [Status; 2] = [Status::Available, Status::InUse];
/// Statuses of volumes that may go.
const GOING: [Status; 4] = [
    Status::Available,
    Status::InUse,
    Status::Error,
    Status::ErrorDeleting,
];

/// `PUT /groups/{id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let UpdateGroup { group: changes } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let (add, remove) = (ids(changes.add_volumes), ids(changes.remove_volumes));
    if let Some(both) = add.iter().find(|id| remove.contains(id)) {
        return Err(Fault::InvalidVolume(format!(
            "UUIDs ['{both}'] are in both add and remove volume list."
        )));
    }
    let (name, description) = (trimmed(changes.name), trimmed(changes.description));
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        // Volumes of others do not exist for the caller, but for those that were left in the group.
        let exists = |row: &volume::Model| {
            let member = row.group_id.as_deref() == Some(seen.id.as_str());
            member || volumes.sees(&call.cx.caller, &row.project_id)
        };
        // Others are no ids, and cannot be found. Each once: a statement holds so many values only.
        let named: BTreeSet<&str> = add.iter().chain(&remove).map(String::as_str).collect();
        let named = named.into_iter();
        let named: Vec<&str> = named.filter(|id| Uuid::try_parse(id).is_ok()).collect();
        // Volumes first, as everybody locks them.
        let there = locked_all(&tx, &named, exists).await?;
        let mut row = locked(&tx, &seen.id).await?;
        let name = name.clone().filter(|_| name != row.name);
        let text = description.clone().filter(|_| description != row.description);
        let mut moved = Vec::new();
        for id in &add {
            moved.extend(coming(&tx, &row, id, there.get(id)).await?);
        }
        for id in &remove {
            moved.push(going(&row, id, there.get(id))?);
        }
        if name.is_none() && text.is_none() && moved.is_empty() {
            return Err(Fault::InvalidGroup(format!(
                "Cannot update group {} because no valid name, description, add_volumes, or remove_volumes were \
                 provided.",
                row.id
            )));
        }
        if !moved.is_empty() && row.status != GroupStatus::Available {
            let why = "Group status must be available.";
            return Err(Fault::InvalidGroup(why.to_owned()));
        }
        for volume in moved {
            store::save(&tx, volume).await?;
        }
        row.name = name.or(row.name);
        row.description = text.or(row.description);
        row.status = GroupStatus::Available;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}

fn ids(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    let ids = text.split(',').filter(|id| !id.is_empty());
    ids.map(str::to_owned).collect()
}

/// The volumes with these ids that exist for the caller, locked in the order in which those of groups are.
async fn locked_all(
    tx: &Tx,
    ids: &[&str],
    exists: impl Fn(&volume::Model) -> bool,
) -> Result<HashMap<String, volume::Model>, Fault> {
    let mut all = HashMap::new();
    if ids.is_empty() {
        return Ok(all);
    }
    let seen = volume_rows::with_ids(tx, ids).await?;
    for one in &seen {
        if !exists(one) {
            continue;
        }
        let found = store::locked::<volume::Entity>(tx, &one.id).await?;
        let found = found.filter(|row| exists(row));
        all.extend(found.map(|row| (row.id.clone(), row)));
    }
    Ok(all)
}

/// Statuses as Cinder lists them.
fn words(all: &[Status]) -> String {
    let all: Vec<String> = all.iter().map(|one| format!("'{}'", one.word())).collect();
    format!("({})", all.join(", "))
}

/// The volume as it is in the group; none when it is there already.
async fn coming(
    tx: &Tx,
    group: &Model,
    id: &str,
    found: Option<&volume::Model>,
) -> Result<Option<volume::Model>, Fault> {
    let cannot = |why: String| {
        Fault::InvalidVolume(format!(
            "Cannot add volume {id} to group {} {why}",
            group.id
        ))
    };
    let found = found.cloned();
    let mut row = found.ok_or_else(|| cannot("because volume cannot be found.".to_owned()))?;
    match row.group_id.as_deref() {
        Some(there) if there == group.id => return Ok(None),
        Some(other) => {
            return Err(cannot(format!("because it is already in group {other}.")));
        }
        None => {}
    }
    if row.project_id != group.project_id {
        return Err(cannot("as they belong to different projects.".to_owned()));
    }
    if !rows::types(tx, &group.id).await?.contains(&row.type_id) {
        return Err(cannot(format!(
            "because volume type {} is not supported by the group.",
            row.type_id
        )));
    }
    if !COMING.contains(&row.status) {
        return Err(cannot(format!(
            "because volume is in an invalid state: {}. Valid states are: {}.",
            row.status.word(),
            words(&COMING)
        )));
    }
    let back_end = |host: &Option<String>| {
        let host = host.as_deref().unwrap_or_default();
        host.split('#').next().unwrap_or_default().to_owned()
    };
    if back_end(&row.host) != back_end(&group.host) {
        let why = "Volume is not local to this node.";
        return Err(Fault::InvalidVolume(why.to_owned()));
    }
    row.group_id = Some(group.id.clone());
    row.updated_at = Some(store::now());
    Ok(Some(row))
}

/// The volume as it is outside the group.
fn going(group: &Model, id: &str, found: Option<&volume::Model>) -> Result<volume::Model, Fault> {
    let cannot = |why: String| {
        Fault::InvalidVolume(format!(
            "Cannot remove volume {id} from group {} because {why}",
            group.id
        ))
    };
    let found = found.filter(|row| row.group_id.as_deref() == Some(group.id.as_str()));
    let found = found.ok_or_else(|| cannot("it is not in the group.".to_owned()));
    let mut row = found?.clone();
    if !GOING.contains(&row.status) {
        return Err(cannot(format!(
            "volume is in an invalid state: {}. Valid states are: {}.",
            row.status.word(),
            words(&GOING)
        )));
    }
    row.group_id = None;
    row.updated_at = Some(store::now());
    Ok(row)
}
