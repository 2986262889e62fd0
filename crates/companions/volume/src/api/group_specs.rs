//! Specs of types of groups.

use std::collections::BTreeMap;

use microversion::{Rules, Shape, Version, Versioned};
use rest::Answer;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Call;
use super::group_types::{find, missing};
use super::words::keys;
use crate::db::properties::{self, Properties};
use crate::db::store;
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::{Owner, group_type};

/// Names with values, which may be nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpecs(pub BTreeMap<String, Option<String>>);

impl Versioned for GroupSpecs {
    const SHAPE: &'static Shape = &Shape::Ruled(
        &Shape::Map(&Shape::Ruled(
            &Shape::Text,
            &[(
                Version::MIN,
                Rules {
                    max_length: Some(255),
                    nullable: true,
                    ..Rules::NONE
                },
            )],
        )),
        &[(Version::MIN, keys(r"^[a-zA-Z0-9\-_:.]{1,255}$"))],
    );
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateSpecs {
    pub group_specs: GroupSpecs,
}

fn no_spec(id: &str, key: &str) -> Fault {
    Fault::NotFound(format!("Group Type {id} has no extra spec with key {key}."))
}

async fn specs(volumes: &Volumes, call: &Call) -> Result<Properties, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let kind = find(volumes, &call.cx, call.path("group_type_id")).await?;
    Ok(properties::of(volumes.db().read(), Owner::GroupType, &kind.id).await?)
}

/// `GET /group_types/{group_type_id}/group_specs`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let specs = specs(&volumes, &call).await?;
    Ok(Answer::of(&json!({"group_specs": specs})))
}

/// `GET /group_types/{group_type_id}/group_specs/{key}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let specs = specs(&volumes, &call).await?;
    let key = call.path("key");
    let value = specs.get(key);
    let value = value.ok_or_else(|| no_spec(call.path("group_type_id"), key))?;
    Ok(Answer::of(&json!({key: value})))
}

/// `POST /group_types/{group_type_id}/group_specs`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let CreateSpecs { group_specs } = call.admit()?;
    merge(&volumes, &call, &group_specs).await?;
    Ok(Answer::of(&json!({"group_specs": group_specs})))
}

/// `PUT /group_types/{group_type_id}/group_specs/{key}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let spec: GroupSpecs = call.admit()?;
    if spec.0.len() != 1 || !spec.0.contains_key(call.path("key")) {
        return Err(Fault::BadRequest(
            "Request body and URI mismatch".to_owned(),
        ));
    }
    merge(&volumes, &call, &spec).await?;
    Ok(Answer::of(&spec))
}

/// What has no value is kept as an empty one.
async fn merge(volumes: &Volumes, call: &Call, specs: &GroupSpecs) -> Result<(), Fault> {
    let specs: Properties = specs
        .0
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().unwrap_or_default()))
        .collect();
    let kind = find(volumes, &call.cx, call.path("group_type_id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let there = store::locked::<group_type::Entity>(&tx, &kind.id).await?;
        there.ok_or_else(|| missing(&kind.id))?;
        properties::merge(&tx, Owner::GroupType, &kind.id, &specs).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await
}

/// `DELETE /group_types/{group_type_id}/group_specs/{key}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let kind = find(&volumes, &call.cx, call.path("group_type_id")).await?;
    let key = call.path("key");
    let db = volumes.db().write();
    match properties::remove(db, Owner::GroupType, &kind.id, key).await? {
        true => Ok(Answer::empty()),
        false => Err(no_spec(&kind.id, key)),
    }
}
