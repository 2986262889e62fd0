//! Quotas of projects.

use std::collections::BTreeMap;

use microversion::{Rules, Shape, Version, Versioned};
use rest::Answer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Call;
use super::words::{check_project, keys};
use crate::db::usage::{self, Usage};
use crate::db::{quotas as rows, types};
use crate::fault::Fault;
use crate::listing::{MOST, truthy};
use crate::policy;
use crate::quota::{self, LimitSet, Resource};
use crate::service::Volumes;
use crate::tables::quota::Whom;

/// Limits by resource, as numbers or texts.
#[derive(Debug, Deserialize)]
pub struct Given(pub BTreeMap<String, i64>);

impl Versioned for Given {
    const SHAPE: &'static Shape = &Shape::Ruled(
        &Shape::Map(&LIMIT),
        &[(Version::MIN, keys(r"^[a-zA-Z0-9\-_:. ]{1,300}$"))],
    );
}

const LIMIT: Shape = Shape::Ruled(
    &Shape::Integer,
    &[(
        Version::MIN,
        Rules {
            minimum: Some(quota::NO_LIMIT),
            maximum: Some(MOST),
            pattern: Some("^-?[0-9]+$"),
            lenient: true,
            ..Rules::NONE
        },
    )],
);

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateQuota {
    pub quota_set: Given,
}

/// Names of types by their ids, and of all resources that are limited.
pub struct Known {
    pub types: Vec<(String, String)>,
    pub names: Vec<String>,
}

/// What may be limited.
///
/// # Errors
/// The database does not answer.
pub async fn known(volumes: &Volumes) -> Result<Known, Fault> {
    let types = types::names(volumes.db().read()).await?;
    let names = types.iter().map(|(_, name)| name.clone()).collect();
    Ok(Known { types, names })
}

/// Refuses limits of what is not limited, as Cinder words it.
///
/// # Errors
/// 400.
pub fn check(limits: &LimitSet, given: &BTreeMap<String, i64>) -> Result<(), Fault> {
    let bad: Vec<&str> = given
        .keys()
        .filter(|key| !limits.contains_key(*key) && key.as_str() != "tenant_id")
        .map(String::as_str)
        .collect();
    match bad.is_empty() {
        true => Ok(()),
        false => Err(Fault::BadRequest(format!(
            "Bad key(s) in quota set: {}",
            bad.join(", ")
        ))),
    }
}

/// `GET /os-quota-sets/{project_id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let project = call.path("project_id");
    volumes.allow(&call.cx, &policy::target(project, &call.cx.caller.user_id))?;
    let known = known(&volumes).await?;
    let db = volumes.db().read();
    let limits = quota::of_project(volumes.settings(), db, &known.names, project).await?;
    let with_usage = call.pairs().last("usage").is_some_and(truthy);
    let mut set: Map<String, Value> = match with_usage {
        false => plain(&limits),
        true => {
            let usage = usage::of(db, project, volumes.settings().snapshots_count).await?;
            limits
                .iter()
                .map(|(name, limit)| {
                    let used = used(&usage, &known, name);
                    let entry = json!({"limit": limit, "in_use": used, "reserved": 0});
                    (name.clone(), entry)
                })
                .collect()
        }
    };
    set.insert("id".to_owned(), json!(project));
    Ok(Answer::of(&json!({"quota_set": set})))
}

/// Limits as an object.
pub fn plain(limits: &LimitSet) -> Map<String, Value> {
    limits
        .iter()
        .map(|(name, limit)| (name.clone(), json!(limit)))
        .collect()
}

/// How much of a resource is used, by its name.
fn used(usage: &Usage, known: &Known, name: &str) -> i64 {
    let all = Resource::ALL
        .iter()
        .find(|resource| resource.name() == name);
    if let Some(resource) = all {
        return usage.used(*resource);
    }
    let of_type = |(id, kind): &(String, String)| {
        let resource = Resource::OF_TYPE
            .iter()
            .find(|resource| resource.of_type(kind) == name)?;
        Some(usage.of_type(id).used(*resource))
    };
    known.types.iter().find_map(of_type).unwrap_or_default()
}

/// `GET /os-quota-sets/{project_id}/defaults`.
pub async fn defaults(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let project = call.path("project_id");
    volumes.allow(&call.cx, &policy::target(project, &call.cx.caller.user_id))?;
    let known = known(&volumes).await?;
    let limits = quota::defaults(volumes.settings(), volumes.db().read(), &known.names).await?;
    let mut set = plain(&limits);
    set.insert("id".to_owned(), json!(project));
    Ok(Answer::of(&json!({"quota_set": set})))
}

/// `PUT /os-quota-sets/{project_id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let project = call.path("project_id").to_owned();
    volumes.allow(&call.cx, &policy::target(&project, &call.cx.caller.user_id))?;
    check_project(&project)?;
    if let Some(set) = call.body["quota_set"].as_object_mut() {
        if set.is_empty() {
            return Err(Fault::BadRequest(
                "Invalid input for field/attribute quota_set. Value: {}. {} should be non-empty"
                    .to_owned(),
            ));
        }
        set.remove("tenant_id");
    }
    let UpdateQuota {
        quota_set: Given(given),
    } = call.admit()?;
    let known = known(&volumes).await?;
    let limits = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        usage::hold(&tx, &project).await?;
        let limits = quota::of_project(volumes.settings(), &tx, &known.names, &project).await?;
        check(&limits, &given)?;
        let usage = usage::of(&tx, &project, volumes.settings().snapshots_count).await?;
        for (name, limit) in &given {
            let usage = used(&usage, &known, name);
            if *limit >= 0 && *limit < usage && name != Resource::PerVolumeGigabytes.name() {
                return Err(Fault::BadRequest(format!(
                    "Quota {name} limit must be equal or greater than existing resources. Current usage is {usage} and \
                     the requested limit is {limit}."
                )));
            }
        }
        rows::set(&tx, Whom::Project, &project, &given).await?;
        let limits = quota::of_project(volumes.settings(), &tx, &known.names, &project).await?;
        tx.commit().await?;
        Ok(limits)
    })
    .await?;
    Ok(Answer::of(&json!({"quota_set": plain(&limits)})))
}

/// `DELETE /os-quota-sets/{project_id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let project = call.path("project_id");
    volumes.allow(&call.cx, &policy::target(project, &call.cx.caller.user_id))?;
    rows::forget(volumes.db().write(), project).await?;
    Ok(Answer::empty())
}
