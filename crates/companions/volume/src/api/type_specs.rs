//! Extra specs of types.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::json;

use super::Call;
use super::metadata::only;
use super::types::{find_id, seen_specs};
use super::words::Specs;
use crate::db::properties::{self, Properties};
use crate::db::{store, types as rows};
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::{Owner, volume_type};

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateSpecs {
    pub extra_specs: Specs,
}

fn no_spec(id: &str, key: &str) -> Fault {
    Fault::NotFound(format!(
        "Volume Type {id} has no extra specs with key {key}."
    ))
}

/// `GET /types/{type_id}/extra_specs`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let kind = find_id(&volumes, cx, call.path("type_id")).await?;
    Ok(Answer::of(
        &json!({"extra_specs": seen_specs(&volumes, cx, &kind.specs)}),
    ))
}

/// `GET /types/{type_id}/extra_specs/{key}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let kind = find_id(&volumes, cx, call.path("type_id")).await?;
    let key = call.path("key");
    let seen = seen_specs(&volumes, cx, &kind.specs);
    let value = seen.get(key).ok_or_else(|| no_spec(&kind.row.id, key))?;
    Ok(Answer::of(&json!({key: value})))
}

/// `POST /types/{type_id}/extra_specs`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let CreateSpecs { extra_specs } = call.admit()?;
    let id = call.path("type_id");
    merge(&volumes, id, &extra_specs.0).await?;
    Ok(Answer::of(&json!({"extra_specs": extra_specs})))
}

/// `PUT /types/{type_id}/extra_specs/{key}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let spec: Specs = call.admit()?;
    only(&spec.0, call.path("key"))?;
    merge(&volumes, call.path("type_id"), &spec.0).await?;
    Ok(Answer::of(&spec))
}

/// Adds specs, unless the type is used: what its volumes were promised would change under them.
async fn merge(volumes: &Volumes, id: &str, specs: &Properties) -> Result<(), Fault> {
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        unused(&tx, id).await?;
        properties::merge(&tx, Owner::Type, id, specs).await?;
        tx.commit().await?;
        Ok(())
    })
    .await
}

async fn unused(tx: &store::Tx, id: &str) -> Result<(), Fault> {
    let row = store::locked::<volume_type::Entity>(tx, id).await?;
    let row = row.ok_or_else(|| Fault::no_type(id))?;
    match rows::volumes(tx, &row.id).await? {
        0 => Ok(()),
        _ => Err(Fault::BadRequest(
            "Volume Type is currently in use.".to_owned(),
        )),
    }
}

/// `DELETE /types/{type_id}/extra_specs/{key}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let (id, key) = (call.path("type_id"), call.path("key"));
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        unused(&tx, id).await?;
        if !properties::remove(&tx, Owner::Type, id, key).await? {
            return Err(no_spec(id, key));
        }
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}
