//! Metadata definitions: namespaces, and what stands in them.

mod namespaces;
mod parts;
mod refusals;

use http::{Method, Request};
use serde_json::{Value, json};

use super::{ADMIN, Answer, Glance};

pub const NAMESPACES: &str = "/v2/metadefs/namespaces";

/// Makes a namespace of the administrator's; `more` is merged into its description.
pub async fn namespace(glance: &Glance, name: &str, more: Value) -> Value {
    let mut body = json!({"namespace": name});
    let fields = body.as_object_mut().expect("object");
    fields.extend(more.as_object().cloned().unwrap_or_default());
    glance.post(ADMIN, NAMESPACES, body).await.is(201).json()
}

/// The path of something in a namespace.
pub fn at(namespace: &str, rest: &str) -> String {
    format!("{NAMESPACES}/{namespace}{rest}")
}

/// A namespace with one of everything.
pub fn whole() -> Value {
    json!({
        "display_name": "Machines",
        "description": "What machines are.",
        "visibility": "public",
        "resource_type_associations": [
            {"name": "OS::Nova::Flavor"},
            {"name": "OS::Glance::Image", "prefix": "hw_", "properties_target": "image"},
        ],
        "properties": {
            "cores": {"title": "Cores", "type": "integer", "minimum": 1, "default": 2},
        },
        "objects": [{
            "name": "Disk", "description": "A disk.", "required": ["bus"],
            "properties": {"bus": {"title": "Bus", "type": "string", "enum": ["ide", "virtio"]}},
        }],
        "tags": [{"name": "fast"}],
    })
}

/// The message of a refusal.
pub fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().expect("text").to_owned()
}

/// Names in a list.
pub fn names(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items
        .map(|item| item[key].as_str().expect("text").to_owned())
        .collect()
}

/// Creates tags besides those that are there.
pub async fn append(glance: &Glance, namespace: &str, how: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(at(namespace, "/tags"))
        .header("x-auth-token", ADMIN)
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .header("x-openstack-append", how)
        .body(body.to_string().into())
        .expect("request");
    glance.send(request).await
}
