//! Tasks: imports, under way and finished.

use rest::Answer;
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use super::{Call, Cx, find};
use crate::db;
use crate::db::tasks::Wanted;
use crate::fault::Fault;
use crate::listing::{self, Pages};
use crate::policy;
use crate::service::Images;
use crate::tables::{TaskStatus, Word, task};
use crate::view;

/// `GET /v2/images/{id}/tasks`. What was asked may hold secrets (the URL of a download), so those who
/// only see the image do not see what its owner asked.
pub async fn of_image(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    find(&images, cx, id).await.map_err(|fault| match fault {
        Fault::Forbidden(_) => Fault::no_image(id),
        other => other,
    })?;
    let owner = match images.policy().is_admin(cx.caller.as_ref()) {
        true => None,
        // No task is of the project of a token without one.
        false => Some(cx.caller.project_id.as_deref().unwrap_or_default()),
    };
    let wanted = Wanted {
        image: Some(id),
        owner,
        ..Wanted::default()
    };
    let rows = db::tasks::list(images.db().read(), &wanted).await?;
    let tasks: Vec<Value> = rows.iter().map(view::task).collect();
    Ok(Answer::of(&json!({"tasks": tasks})))
}

/// The tasks API proper is for administrators, as in Glance.
fn admitted(images: &Images, cx: &Cx) -> Result<(), Fault> {
    let target = policy::owned_by(cx.caller.project_id.as_deref());
    policy::allow(images, cx, &target)
}

/// `GET /v2/tasks`: without input, result and message. Filters: `type`, `status`; pages as those of images.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let query = call.pairs();
    admitted(&images, cx)?;
    let limit = listing::limit(&query, Pages::of(images.settings()))?;
    let db = images.db().read();
    let marker = match query.last("marker") {
        None => None,
        Some(id) => Some(find_row(db, id).await.map_err(Fault::of_marker)?),
    };
    let status = query.last("status").map(TaskStatus::from_word);
    let rows = match status {
        // No task has a status that does not exist.
        Some(None) => Vec::new(),
        _ if limit == 0 => Vec::new(),
        status => {
            let wanted = Wanted {
                kind: query.last("type"),
                status: status.flatten(),
                limit: Some(limit),
                marker: marker.as_ref(),
                ..Wanted::default()
            };
            db::tasks::list(db, &wanted).await?
        }
    };
    let tasks: Vec<Value> = rows.iter().map(brief).collect();
    let full = !rows.is_empty() && rows.len() as u64 == limit;
    let last = rows.last().map(|row| row.id.as_str()).filter(|_| full);
    let mut body = json!({"tasks": tasks, "schema": "/v2/schemas/tasks"});
    super::link_pages(&mut body, "/v2/tasks", &query, last);
    Ok(Answer::of(&body))
}

/// A task as lists show it.
fn brief(row: &task::Model) -> Value {
    let mut task = view::task(row);
    if let Some(task) = task.as_object_mut() {
        task.retain(|name, _| !matches!(name.as_str(), "input" | "result" | "message"));
    }
    task
}

/// `GET /v2/tasks/{id}`.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    admitted(&images, cx)?;
    let row = find_row(images.db().read(), id).await?;
    Ok(Answer::of(&view::task(&row)))
}

async fn find_row(db: &impl ConnectionTrait, id: &str) -> Result<task::Model, Fault> {
    let found = db::tasks::find(db, id).await?;
    found.ok_or_else(|| Fault::NotFound(format!("Task with id {id} not found")))
}
