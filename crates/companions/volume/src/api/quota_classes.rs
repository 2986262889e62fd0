//! Quotas of classes; `default` holds for all projects.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::json;

use super::Call;
use super::quotas::{Given, check, known, plain};
use crate::db::quotas as rows;
use crate::fault::Fault;
use crate::policy;
use crate::quota::{self, LimitSet};
use crate::service::Volumes;
use crate::tables::quota::Whom;

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateClass {
    pub quota_class_set: Given,
}

/// The limits of a class: the defaults, as it changes them.
async fn limits(volumes: &Volumes, class: &str) -> Result<LimitSet, Fault> {
    let known = known(volumes).await?;
    let db = volumes.db().read();
    let mut limits = quota::defaults(volumes.settings(), db, &known.names).await?;
    for (name, most) in rows::of(db, Whom::Class, class).await? {
        if let Some(limit) = limits.get_mut(&name) {
            *limit = most;
        }
    }
    Ok(limits)
}

/// `GET /os-quota-class-sets/{class}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let class = call.path("class");
    let mut set = plain(&limits(&volumes, class).await?);
    set.insert("id".to_owned(), json!(class));
    Ok(Answer::of(&json!({"quota_class_set": set})))
}

/// `PUT /os-quota-class-sets/{class}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let UpdateClass {
        quota_class_set: Given(given),
    } = call.admit()?;
    let class = call.path("class");
    if class.chars().count() > 255 {
        return Err(Fault::InvalidInput(
            "quota_class_name has more than 255 characters.".to_owned(),
        ));
    }
    check(&limits(&volumes, class).await?, &given)?;
    rows::set(volumes.db().write(), Whom::Class, class, &given).await?;
    Ok(Answer::of(
        &json!({"quota_class_set": plain(&limits(&volumes, class).await?)}),
    ))
}
