//! Tasks: imports, under way and finished.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use web::Caller;
use web::Query;
use web::auth::Authenticated;

use super::find;
use crate::db;
use crate::fault::Fault;
use crate::policy;
use crate::service::Images;
use crate::tables::{Word, task};
use crate::view;

/// `GET /v2/images/{id}/tasks`. What was asked may hold secrets (the URL of a download), so those who
/// only see the image do not see what its owner asked.
pub async fn of_image(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    find(&images, &caller, &id, "get_image")
        .await
        .map_err(|fault| match fault {
            Fault::Forbidden(_) => Fault::no_image(&id),
            other => other,
        })?;
    let rows = db::tasks::list(images.db().read(), Some(&id)).await?;
    let own = |row: &&task::Model| {
        images.policy().is_admin(caller.as_ref())
            || (row.owner.is_some() && row.owner == caller.project_id)
    };
    let tasks: Vec<Value> = rows.iter().filter(own).map(view::task).collect();
    Ok(web::body::json(StatusCode::OK, &json!({"tasks": tasks})))
}

/// The tasks API proper is for administrators, as in Glance.
fn admitted(images: &Images, caller: &Caller) -> Result<(), Fault> {
    let target = policy::owned_by(caller.project_id.as_deref());
    policy::allow(images, "tasks_api_access", caller, &target)
}

/// `GET /v2/tasks`: without input, result and message. Filters: `type`, `status`.
pub async fn list(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Response, Fault> {
    admitted(&images, &caller)?;
    let rows = db::tasks::list(images.db().read(), None).await?;
    let wanted = |key: &str, value: &str| query.last(key).is_none_or(|asked| asked == value);
    let tasks: Vec<Value> = rows
        .iter()
        .filter(|row| wanted("type", &row.kind) && wanted("status", &row.status.word()))
        .map(|row| {
            let mut task = view::task(row);
            if let Some(task) = task.as_object_mut() {
                task.retain(|name, _| !matches!(name.as_str(), "input" | "result" | "message"));
            }
            task
        })
        .collect();
    let body = json!({"tasks": tasks, "first": "/v2/tasks", "schema": "/v2/schemas/tasks"});
    Ok(web::body::json(StatusCode::OK, &body))
}

/// `GET /v2/tasks/{id}`.
pub async fn show(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    admitted(&images, &caller)?;
    let found = db::tasks::find(images.db().read(), &id).await?;
    let row = found.ok_or_else(|| Fault::NotFound(format!("Task with id {id} not found")))?;
    Ok(web::body::json(StatusCode::OK, &view::task(&row)))
}

/// `POST /v2/tasks`: the old way to import, which Glance deprecates.
pub async fn create(
    State(images): State<Images>,
    Authenticated(caller): Authenticated,
) -> Result<Response, Fault> {
    admitted(&images, &caller)?;
    Err(Fault::NotBuilt(
        "Creating tasks (use POST /v2/images/{id}/import)",
    ))
}
