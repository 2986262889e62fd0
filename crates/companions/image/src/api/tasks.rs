//! Tasks: imports, under way and finished.

use rest::Answer;
use rest::accepted::Fate;
use rest::parameters::Parameter;
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use super::{Call, Cx, find};
use crate::db;
use crate::db::tasks::Wanted;
use crate::fault::Fault;
use crate::listing::{self, Pages};
use crate::metadefs::listing::none_but;
use crate::policy;
use crate::service::Images;
use crate::tables::{TaskStatus, Word, task};
use crate::view;

/// Texts that tasks are filtered by.
const TEXTS: [(&str, task::Column); 6] = [
    ("id", task::Column::Id),
    ("image_id", task::Column::ImageId),
    ("owner", task::Column::Owner),
    ("request_id", task::Column::RequestId),
    ("type", task::Column::Kind),
    ("user_id", task::Column::UserId),
];

/// What tasks are sorted by.
const SORT_KEYS: [(&str, task::Column); 5] = [
    ("created_at", task::Column::CreatedAt),
    ("id", task::Column::Id),
    ("status", task::Column::Status),
    ("type", task::Column::Kind),
    ("updated_at", task::Column::UpdatedAt),
];

/// What else the query of the list may say.
const OTHERS: [(&str, Fate); 5] = [
    ("limit", Fate::Honoured),
    ("marker", Fate::Honoured),
    ("sort_dir", Fate::Honoured),
    (
        "sort_key",
        Fate::Within(
            "`created_at`, `id`, `status`, `type`, `updated_at`; others are refused with 400",
        ),
    ),
    ("status", Fate::Honoured),
];

/// What the query of the list may say.
pub fn parameters() -> Vec<Parameter> {
    let texts = TEXTS.iter().map(|&(name, _)| Parameter::honoured(name));
    let others = OTHERS.iter();
    let others = others.map(|&(name, fate)| Parameter::new(name, fate));
    texts.chain(others).collect()
}

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
    let of_image = [(task::Column::ImageId, id)].into_iter();
    let of_owner = owner.map(|owner| (task::Column::Owner, owner));
    let wanted = Wanted {
        equal: of_image.chain(of_owner).collect(),
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

/// `GET /v2/tasks`: without input, result and message; pages as those of images.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let query = call.pairs();
    admitted(&images, cx)?;
    let known: Vec<&str> = parameters().iter().map(|known| known.name).collect();
    none_but(&query, &known)?;
    let limit = listing::limit(&query, Pages::of(images.settings()))?;
    let ascending = match query.last("sort_dir") {
        None => false,
        Some(word) => !listing::descending(word)?,
    };
    let sorted_by = match query.last("sort_key") {
        None => None,
        Some(key) => Some(listing::key_of(key, &SORT_KEYS)?),
    };
    let db = images.db().read();
    let marker = match query.last("marker") {
        None => None,
        Some(id) => Some(find_row(db, id).await.map_err(Fault::of_marker)?),
    };
    let status = query.last("status").map(TaskStatus::from_word);
    let texts = TEXTS.iter();
    let equal = texts.filter_map(|(name, column)| Some((*column, query.last(name)?)));
    let rows = match status {
        // No task has a status that does not exist.
        Some(None) => Vec::new(),
        _ if limit == 0 => Vec::new(),
        status => {
            let wanted = Wanted {
                equal: equal.collect(),
                status: status.flatten(),
                sorted_by,
                ascending,
                limit: Some(limit),
                marker: marker.as_ref(),
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
