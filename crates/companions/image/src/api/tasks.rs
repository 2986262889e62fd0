//! Tasks: imports, under way and finished.

use rest::Answer;
use serde_json::{Value, json};

use super::{Call, Cx, find};
use crate::db;
use crate::fault::Fault;
use crate::policy;
use crate::service::Images;
use crate::tables::{Word, task};
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
    let rows = db::tasks::list(images.db().read(), Some(id)).await?;
    let own = |row: &&task::Model| {
        images.policy().is_admin(cx.caller.as_ref())
            || (row.owner.is_some() && row.owner == cx.caller.project_id)
    };
    let tasks: Vec<Value> = rows.iter().filter(own).map(view::task).collect();
    Ok(Answer::of(&json!({"tasks": tasks})))
}

/// The tasks API proper is for administrators, as in Glance.
fn admitted(images: &Images, cx: &Cx) -> Result<(), Fault> {
    let target = policy::owned_by(cx.caller.project_id.as_deref());
    policy::allow(images, cx, &target)
}

/// `GET /v2/tasks`: without input, result and message. Filters: `type`, `status`.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let query = call.pairs();
    admitted(&images, cx)?;
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
    Ok(Answer::of(&body))
}

/// `GET /v2/tasks/{id}`.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let id = call.path("id");
    admitted(&images, cx)?;
    let found = db::tasks::find(images.db().read(), id).await?;
    let row = found.ok_or_else(|| Fault::NotFound(format!("Task with id {id} not found")))?;
    Ok(Answer::of(&view::task(&row)))
}
