//! Metadata of snapshots.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Call;
use super::metadata::only;
use super::snapshots::find;
use super::words::Notes;
use crate::db::properties::{self, Properties};
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::Owner;

const KIND: Owner = Owner::Snapshot;

/// `{"metadata": …}`, beside which Cinder looks at nothing.
#[derive(Debug, Deserialize, Versioned)]
#[mv(open)]
pub struct All {
    pub metadata: Notes,
}

/// `{"meta": …}`, beside which Cinder looks at nothing.
#[derive(Debug, Deserialize, Versioned)]
#[mv(open)]
pub struct One {
    pub meta: Notes,
}

fn no_key(id: &str, key: &str) -> Fault {
    Fault::NotFound(format!("Snapshot {id} has no metadata with key {key}."))
}

/// `GET /snapshots/{snapshot_id}/metadata`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("snapshot_id")).await?;
    let all = properties::of(volumes.db().read(), KIND, &row.id).await?;
    Ok(Answer::of(&json!({"metadata": all})))
}

/// `GET /snapshots/{snapshot_id}/metadata/{key}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("snapshot_id")).await?;
    let key = call.path("key");
    let all = properties::of(volumes.db().read(), KIND, &row.id).await?;
    let value = all.get(key).ok_or_else(|| no_key(&row.id, key))?;
    Ok(Answer::of(&json!({"meta": {key: value}})))
}

/// `POST /snapshots/{snapshot_id}/metadata`: adds.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let All { metadata } = call.admit()?;
    let all = change(&volumes, &call, &metadata.0, false).await?;
    Ok(Answer::of(&json!({"metadata": all})))
}

/// `PUT /snapshots/{snapshot_id}/metadata`: replaces all.
pub async fn replace(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let All { metadata } = call.admit()?;
    let all = change(&volumes, &call, &metadata.0, true).await?;
    Ok(Answer::of(&json!({"metadata": all})))
}

/// `PUT /snapshots/{snapshot_id}/metadata/{key}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let One { meta } = call.admit()?;
    only(&meta.0, call.path("key"))?;
    change(&volumes, &call, &meta.0, false).await?;
    Ok(Answer::of(&json!({"meta": Value::from_iter(meta.0)})))
}

async fn change(
    volumes: &Volumes,
    call: &Call,
    given: &Properties,
    whole: bool,
) -> Result<Properties, Fault> {
    let row = find(volumes, &call.cx, call.path("snapshot_id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        super::snapshots::locked(&tx, &row.id).await?;
        match whole {
            true => properties::replace(&tx, KIND, &row.id, given).await?,
            false => properties::merge(&tx, KIND, &row.id, given).await?,
        }
        let all = properties::of(&tx, KIND, &row.id).await?;
        tx.commit().await?;
        Ok(all)
    })
    .await
}

/// `DELETE /snapshots/{snapshot_id}/metadata/{key}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("snapshot_id")).await?;
    let key = call.path("key");
    match properties::remove(volumes.db().write(), KIND, &row.id, key).await? {
        true => Ok(Answer::empty()),
        false => Err(no_key(&row.id, key)),
    }
}
