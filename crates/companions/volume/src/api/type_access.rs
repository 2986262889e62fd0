//! Projects that private types are open to.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Call;
use super::types::find_id;
use super::words::check_project;
use crate::db::{access, store};
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::{access as rows, volume_type};

/// `GET /types/{type_id}/os-volume-type-access`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let kind = find_id(&volumes, cx, call.path("type_id")).await?;
    if kind.row.is_public {
        return Err(Fault::NotFound(
            "Access list not available for public volume types.".to_owned(),
        ));
    }
    let projects = access::projects(volumes.db().read(), &kind.row.id).await?;
    let all = projects
        .iter()
        .map(|project| json!({"volume_type_id": kind.row.id, "project_id": project}));
    Ok(Answer::of(
        &json!({"volume_type_access": all.collect::<Vec<Value>>()}),
    ))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AddAccess {
    #[serde(rename = "addProjectAccess")]
    pub add: Project,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RemoveAccess {
    #[serde(rename = "removeProjectAccess")]
    pub remove: Project,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Project {
    #[mv(min_length = 1, max_length = 255)]
    pub project: String,
}

/// `POST /types/{id}/action` `addProjectAccess`.
pub async fn add(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let AddAccess {
        add: Project { project },
    } = call.admit()?;
    check_project(&project)?;
    let id = call.path("id");
    let added = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        private(&tx, id).await?;
        let row = rows::Model {
            type_id: id.to_owned(),
            project_id: project.clone(),
        };
        store::insert(&tx, row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    match added {
        Err(Fault::Database(error)) if error.is_duplicate() => Err(Fault::Conflict(format!(
            "Volume type access for {id} / {project} combination already exists."
        ))),
        other => other.map(|()| Answer::empty()),
    }
}

/// `POST /types/{id}/action` `removeProjectAccess`.
pub async fn remove(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let RemoveAccess {
        remove: Project { project },
    } = call.admit()?;
    let id = call.path("id");
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        private(&tx, id).await?;
        if !access::close(&tx, id, &project).await? {
            return Err(Fault::NotFound(format!(
                "Volume type access not found for {id} / {project} combination."
            )));
        }
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}

async fn private(tx: &store::Tx, id: &str) -> Result<(), Fault> {
    let row = store::locked::<volume_type::Entity>(tx, id).await?;
    let row = row.ok_or_else(|| Fault::no_type(id))?;
    match row.is_public {
        false => Ok(()),
        true => Err(Fault::BadRequest(
            "Invalid volume type: Type access modification is not applicable to public volume type.".to_owned(),
        )),
    }
}
