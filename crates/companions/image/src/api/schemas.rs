//! JSON schemas that clients read.

use rest::Answer;
use serde_json::{Value, json};

use super::Call;
use crate::attributes;
use crate::fault::Fault;
use crate::service::Images;

/// `GET /v2/schemas/{name}`.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let schema = match call.path("name") {
        "image" => attributes::schema(images.settings()),
        "images" => collection("images", attributes::schema(images.settings())),
        "member" => member(),
        "members" => collection("members", member()),
        "task" => task(),
        "tasks" => collection("tasks", task()),
        name => return Err(Fault::NotFound(format!("There is no schema '{name}'."))),
    };
    Ok(Answer::of(&schema))
}

fn collection(name: &str, item: Value) -> Value {
    let mut links = json!([{"rel": "describedby", "href": "{schema}"}]);
    if name == "images" {
        links = json!([
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ]);
    }
    json!({
        "name": name,
        "properties": {
            name: {"type": "array", "items": item},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": links,
    })
}

fn member() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    json!({"name": "member", "properties": {
        "member_id": text("An identifier for the image member (tenantId)"),
        "image_id": text("An identifier for the image"),
        "created_at": text("Date and time of image member creation"),
        "updated_at": text("Date and time of last modification of image member"),
        "status": {
            "type": "string",
            "description": "The status of this image member",
            "enum": ["pending", "accepted", "rejected"],
        },
        "schema": {"readOnly": true, "type": "string"},
    }})
}

fn task() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    let or_null = |kind: &str, about: &str| json!({"type": ["null", kind], "description": about});
    json!({"name": "task", "properties": {
        "id": text("An identifier for the task"),
        "type": {"type": "string", "description": "The type of task represented by this content",
            "enum": ["import", "api_image_import"]},
        "status": {"type": "string", "description": "The current status of this task",
            "enum": ["pending", "processing", "success", "failure"]},
        "input": or_null("object", "The parameters required by task, JSON blob"),
        "result": or_null("object", "The result of current task, JSON blob"),
        "owner": text("An identifier for the owner of this task"),
        "message": text("Human-readable informative message only included when appropriate"),
        "image_id": text("Image associated with the task"),
        "request_id": text("Human-readable informative request-id"),
        "user_id": text("User associated with the task"),
        "expires_at": or_null("string", "Datetime when this resource would be subject to removal"),
        "created_at": text("Datetime when this resource was created"),
        "updated_at": text("Datetime when this resource was updated"),
        "self": {"readOnly": true, "type": "string"},
        "schema": {"readOnly": true, "type": "string"},
    }})
}
