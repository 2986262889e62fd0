//! Default types of projects.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::{Value, json};
use sql::sea_orm::{EntityTrait, QueryOrder};

use super::Call;
use super::types::find_any;
use super::words::check_project;
use crate::db::{store, usage};
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::default_type::{Column, Entity, Model};
use crate::tables::volume_type;

fn view(row: &Model) -> Value {
    json!({"project_id": row.project_id, "volume_type_id": row.type_id})
}

/// `GET /default-types`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let rows = Entity::find()
        .order_by_asc(Column::ProjectId)
        .all(volumes.db().read())
        .await?;
    let all: Vec<Value> = rows.iter().map(view).collect();
    Ok(Answer::of(&json!({"default_types": all})))
}

/// `GET /default-types/{project_id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let project = call.path("project_id");
    volumes.allow(&call.cx, &policy::target(project, &call.cx.caller.user_id))?;
    let found = store::find::<Entity>(volumes.db().read(), project).await?;
    let none = || Fault::NotFound(format!("Default type for project {project} not found."));
    Ok(Answer::of(
        &json!({"default_type": view(&found.ok_or_else(none)?)}),
    ))
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(open)]
pub struct SetDefault {
    pub default_type: Wanted,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Wanted {
    #[mv(min_length = 1, max_length = 255)]
    pub volume_type: String,
}

/// `PUT /default-types/{project_id}`.
pub async fn set(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let project = call.path("project_id").to_owned();
    volumes.allow(&call.cx, &policy::target(&project, &call.cx.caller.user_id))?;
    check_project(&project)?;
    let SetDefault { default_type } = call.admit()?;
    let kind = find_any(&volumes, &call.cx, &default_type.volume_type).await;
    let kind = kind.map_err(|fault| match fault {
        Fault::NotFound(why) => Fault::BadRequest(why),
        other => other,
    })?;
    let row = Model {
        project_id: project.clone(),
        type_id: kind.row.id.clone(),
    };
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        // Of two who set it at once, the later finds what the other one set.
        usage::hold(&tx, &project).await?;
        // A type that is a default is not deleted.
        let there = store::locked::<volume_type::Entity>(&tx, &row.type_id).await?;
        if there.is_none() {
            return Err(Fault::BadRequest(Fault::no_type(&row.type_id).to_string()));
        }
        store::remove::<Entity>(&tx, &project).await?;
        store::insert(&tx, row.clone()).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::of(&json!({"default_type": view(&row)})))
}

/// `DELETE /default-types/{project_id}`.
pub async fn unset(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let project = call.path("project_id");
    volumes.allow(&call.cx, &policy::target(project, &call.cx.caller.user_id))?;
    store::remove::<Entity>(volumes.db().write(), project).await?;
    Ok(Answer::empty())
}
