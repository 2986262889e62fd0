//! What the API shows of images, members and tasks.

pub mod metadefs;

use serde_json::{Map, Value, json};

use crate::model::{Image, STORE, has_data};
use crate::tables::{Word, member, task};

/// An image; `direct_url` is shown when given.
pub fn image(image: &Image, direct_url: Option<String>) -> Value {
    let row = &image.row;
    let mut view = Map::new();
    for (name, value) in &image.properties {
        view.insert(name.clone(), json!(value));
    }
    let path = format!("/v2/images/{}", row.id);
    let own = json!({
        "id": row.id,
        "name": row.name,
        "status": row.status.word(),
        "visibility": row.visibility.word(),
        "owner": row.owner,
        "protected": row.protected,
        "os_hidden": row.os_hidden,
        "disk_format": row.disk_format,
        "container_format": row.container_format,
        "size": row.size,
        "virtual_size": row.virtual_size,
        "min_disk": row.min_disk,
        "min_ram": row.min_ram,
        "checksum": row.checksum,
        "os_hash_algo": row.os_hash_algo,
        "os_hash_value": row.os_hash_value,
        "tags": image.tags,
        "created_at": web::time::seconds(row.created_at),
        "updated_at": web::time::seconds(row.updated_at),
        "self": path,
        "file": format!("{path}/file"),
        "schema": "/v2/schemas/image",
    });
    if let Value::Object(own) = own {
        view.extend(own);
    }
    if has_data(row.status) {
        view.insert("stores".to_owned(), json!(STORE));
    }
    if let Some(url) = direct_url {
        view.insert("direct_url".to_owned(), json!(url));
    }
    Value::Object(view)
}

/// A member.
pub fn member(row: &member::Model) -> Value {
    json!({
        "member_id": row.member,
        "image_id": row.image_id,
        "status": row.status.word(),
        "created_at": web::time::seconds(row.created_at),
        "updated_at": web::time::seconds(row.updated_at),
        "schema": "/v2/schemas/member",
    })
}

/// A task, whole.
pub fn task(row: &task::Model) -> Value {
    json!({
        "id": row.id,
        "type": row.kind,
        "status": row.status.word(),
        "owner": row.owner,
        "image_id": row.image_id,
        "user_id": row.user_id,
        "request_id": row.request_id,
        "input": serde_json::from_str::<Value>(&row.input).unwrap_or(Value::Null),
        "result": null,
        "message": row.message,
        "created_at": web::time::seconds(row.created_at),
        "updated_at": web::time::seconds(row.updated_at),
        "expires_at": row.expires_at.map(web::time::seconds),
        "self": format!("/v2/tasks/{}", row.id),
        "schema": "/v2/schemas/task",
    })
}
