//! What all shown objects have in common.

use serde_json::{Map, Value, json};

use crate::tables::Standard;

/// One object as the API shows it.
pub type View = Map<String, Value>;

/// The members that every revisioned resource shows.
pub fn standard<M: Standard>(row: &M) -> View {
    let (created, updated) = row.times();
    let mut view = owned(row.id(), row.project());
    fill(
        &mut view,
        json!({
            "created_at": web::time::seconds(created),
            "updated_at": web::time::seconds(updated),
            "revision_number": row.revision(),
            "tags": json(row.tags()),
        }),
    );
    view
}

/// Id and owner, under both of the owner's names.
pub fn owned(id: &str, project: &str) -> View {
    let mut view = View::new();
    fill(
        &mut view,
        json!({"id": id, "project_id": project, "tenant_id": project}),
    );
    view
}

/// Adds members.
pub fn fill(view: &mut View, members: Value) {
    if let Value::Object(map) = members {
        view.extend(map);
    }
}

/// A column's JSON text as a value; null if it is broken, which the log tells.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::error!(%error, text, "a stored document is not JSON");
        Value::Null
    })
}
