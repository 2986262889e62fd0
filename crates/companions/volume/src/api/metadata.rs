//! Metadata of volumes.

use http::header;
use md5::{Digest, Md5};
use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::words::Metadata;
use super::{Call, find, has};
use crate::db::properties::{self, Properties};
use crate::db::store::Tx;
use crate::fault::Fault;
use crate::policy::version;
use crate::service::Volumes;
use crate::tables::{Owner, Status, Word};

/// From here on answers have an `Etag` by which clients change what they saw and nothing else.
const ETAGS: microversion::Version = version(15);

/// `{"metadata": …}`.
#[derive(Debug, Deserialize, Versioned)]
pub struct All {
    pub metadata: Metadata,
}

/// `{"meta": …}`.
#[derive(Debug, Deserialize, Versioned)]
pub struct One {
    pub meta: Metadata,
}

/// The one entry of a body that the path names.
///
/// # Errors
/// 400: there is another, or several.
pub fn only(meta: &Properties, name: &str) -> Result<(), Fault> {
    if !meta.contains_key(name) {
        return Err(Fault::BadRequest(
            "Request body and URI mismatch".to_owned(),
        ));
    }
    match meta.len() {
        1 => Ok(()),
        _ => Err(Fault::BadRequest(
            "Request body contains too many items".to_owned(),
        )),
    }
}

fn etag(all: &Properties) -> String {
    hex::encode(Md5::digest(json!({"metadata": all}).to_string()))
}

/// Refuses a change of what the client did not see.
fn matches(call: &Call, all: &Properties) -> Result<(), Fault> {
    let wanted = call.headers.get(header::IF_MATCH);
    let Some(wanted) = wanted
        .and_then(|value| value.to_str().ok())
        .filter(|_| has(call, ETAGS))
    else {
        return Ok(());
    };
    let mut tags = wanted.split(',').map(|tag| tag.trim().trim_matches('"'));
    let seen = etag(all);
    match tags.any(|tag| tag == "*" || tag == seen) {
        true => Ok(()),
        false => Err(Fault::PreconditionFailed),
    }
}

/// `GET /volumes/{volume_id}/metadata`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("volume_id")).await?;
    let all = properties::of(volumes.db().read(), Owner::Volume, &row.id).await?;
    let answer = Answer::of(&json!({"metadata": all}));
    Ok(match has(&call, ETAGS) {
        true => answer.with_header(header::ETAG, &etag(&all)),
        false => answer,
    })
}

/// `GET /volumes/{volume_id}/metadata/{key}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("volume_id")).await?;
    let key = call.path("key");
    let all = properties::of(volumes.db().read(), Owner::Volume, &row.id).await?;
    let value = all.get(key).ok_or_else(|| no_key(&row.id, key))?;
    Ok(Answer::of(&json!({"meta": {key: value}})))
}

fn no_key(id: &str, key: &str) -> Fault {
    Fault::NotFound(format!("Volume {id} has no metadata with key {key}."))
}

/// `POST /volumes/{volume_id}/metadata`: adds.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let All { metadata } = call.admit()?;
    let all = change(&volumes, &call, metadata.0, false).await?;
    Ok(Answer::of(&json!({"metadata": all})))
}

/// `PUT /volumes/{volume_id}/metadata`: replaces all.
pub async fn replace(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let All { metadata } = call.admit()?;
    let all = change(&volumes, &call, metadata.0, true).await?;
    Ok(Answer::of(&json!({"metadata": all})))
}

/// `PUT /volumes/{volume_id}/metadata/{key}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let One { meta } = call.admit()?;
    only(&meta.0, call.path("key"))?;
    change(&volumes, &call, meta.0.clone(), false).await?;
    Ok(Answer::of(&json!({"meta": Value::from_iter(meta.0)})))
}

async fn change(
    volumes: &Volumes,
    call: &Call,
    given: Properties,
    whole: bool,
) -> Result<Properties, Fault> {
    let row = find(volumes, &call.cx, call.path("volume_id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        changeable(&tx, &row.id, "Updating").await?;
        matches(call, &properties::of(&tx, Owner::Volume, &row.id).await?)?;
        match whole {
            true => properties::replace(&tx, Owner::Volume, &row.id, &given).await?,
            false => properties::merge(&tx, Owner::Volume, &row.id, &given).await?,
        }
        let all = properties::of(&tx, Owner::Volume, &row.id).await?;
        tx.commit().await?;
        Ok(all)
    })
    .await
}

async fn changeable(tx: &Tx, id: &str, what: &str) -> Result<(), Fault> {
    let row = super::volumes::locked(tx, id).await?;
    match row.status {
        Status::Maintenance | Status::Uploading => Err(Fault::InvalidVolume(format!(
            "{what} volume metadata is not allowed for volumes in {} status.",
            row.status.word()
        ))),
        _ => Ok(()),
    }
}

/// `DELETE /volumes/{volume_id}/metadata/{key}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call.cx, call.path("volume_id")).await?;
    let key = call.path("key");
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        changeable(&tx, &row.id, "Deleting").await?;
        if !properties::remove(&tx, Owner::Volume, &row.id, key).await? {
            return Err(no_key(&row.id, key));
        }
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}
