//! What the API shows of metadata definitions. What was not given is left out, as in Glance.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::tables::Word;
use crate::tables::metadefs::{association, namespace, object, property, resource_type, tag};

/// A view under construction.
type View = Map<String, Value>;

/// Things in a namespace as they are shown, by the attributes of the namespace that hold them; those that are empty are
/// left out.
#[derive(Debug, Default)]
pub struct Contents {
    pub associations: Vec<association::Model>,
    pub objects: Vec<object::Model>,
    pub properties: Vec<property::Model>,
    pub tags: Vec<tag::Model>,
}

/// A namespace with what stands in it.
pub fn namespace(row: &namespace::Model, contents: &Contents, prefix: &str) -> Value {
    let name = &row.namespace;
    let mut view = times(row.created_at, row.updated_at);
    view.insert("namespace".to_owned(), json!(name));
    optional(&mut view, "display_name", row.display_name.as_ref());
    optional(&mut view, "description", row.description.as_ref());
    view.insert("visibility".to_owned(), json!(row.visibility.word()));
    view.insert("protected".to_owned(), json!(row.protected));
    view.insert("owner".to_owned(), json!(row.owner));
    view.insert("self".to_owned(), json!(path(name)));
    view.insert("schema".to_owned(), json!("/v2/schemas/metadefs/namespace"));
    view.extend(self::contents(name, contents, prefix));
    Value::Object(view)
}

/// The attributes of a namespace that hold what stands in it. `prefix` is put before all names of properties.
pub fn contents(namespace: &str, contents: &Contents, prefix: &str) -> View {
    let Contents {
        associations,
        objects,
        properties,
        tags,
    } = contents;
    let mut view = View::new();
    if !associations.is_empty() {
        let all: Vec<_> = associations.iter().map(association).collect();
        view.insert("resource_type_associations".to_owned(), json!(all));
    }
    if !objects.is_empty() {
        let all = objects
            .iter()
            .map(|row| prefixed(object(namespace, row), prefix));
        view.insert("objects".to_owned(), all.collect());
    }
    if !properties.is_empty() {
        let all = self::properties(properties).into_iter();
        let all: View = all
            .map(|(name, value)| (format!("{prefix}{name}"), value))
            .collect();
        view.insert("properties".to_owned(), Value::Object(all));
    }
    if !tags.is_empty() {
        let all: Vec<_> = tags.iter().map(named).collect();
        view.insert("tags".to_owned(), json!(all));
    }
    view
}

/// An object with `prefix` before the names of its properties.
fn prefixed(mut object: Value, prefix: &str) -> Value {
    if let Some(properties) = object["properties"].as_object_mut() {
        let all = std::mem::take(properties).into_iter();
        *properties = all
            .map(|(name, value)| (format!("{prefix}{name}"), value))
            .collect();
    }
    for name in object["required"].as_array_mut().into_iter().flatten() {
        *name = json!(format!("{prefix}{}", name.as_str().unwrap_or_default()));
    }
    object
}

/// An object.
pub fn object(namespace: &str, row: &object::Model) -> Value {
    let mut view = times(row.created_at, row.updated_at);
    view.insert("name".to_owned(), json!(row.name));
    optional(&mut view, "description", row.description.as_ref());
    view.insert("required".to_owned(), document(&row.required));
    view.insert("properties".to_owned(), document(&row.properties));
    let link = format!("{}/objects/{}", path(namespace), row.name);
    view.insert("self".to_owned(), json!(link));
    view.insert("schema".to_owned(), json!("/v2/schemas/metadefs/object"));
    Value::Object(view)
}

/// A property with its name.
pub fn property(row: &property::Model) -> Value {
    let mut view = document(&row.definition);
    view["name"] = json!(row.name);
    view
}

/// Properties by name.
pub fn properties(rows: &[property::Model]) -> View {
    let all: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row.name.clone(), document(&row.definition)))
        .collect();
    all.into_iter().collect()
}

/// An association.
pub fn association(row: &association::Model) -> Value {
    let mut view = times(row.created_at, row.updated_at);
    view.insert("name".to_owned(), json!(row.name));
    optional(&mut view, "prefix", row.prefix.as_ref());
    optional(
        &mut view,
        "properties_target",
        row.properties_target.as_ref(),
    );
    Value::Object(view)
}

/// A type of resource.
pub fn resource_type(row: &resource_type::Model) -> Value {
    let mut view = times(row.created_at, row.updated_at);
    view.insert("name".to_owned(), json!(row.name));
    Value::Object(view)
}

/// A tag.
pub fn tag(row: &tag::Model) -> Value {
    let mut view = times(row.created_at, row.updated_at);
    view.insert("name".to_owned(), json!(row.name));
    Value::Object(view)
}

/// A tag among others.
pub fn named(row: &tag::Model) -> Value {
    json!({"name": row.name})
}

/// The path of a namespace.
pub fn path(namespace: &str) -> String {
    format!("/v2/metadefs/namespaces/{namespace}")
}

fn times(created: chrono::DateTime<chrono::Utc>, updated: chrono::DateTime<chrono::Utc>) -> View {
    let mut view = View::new();
    view.insert("created_at".to_owned(), json!(web::time::seconds(created)));
    view.insert("updated_at".to_owned(), json!(web::time::seconds(updated)));
    view
}

fn optional(view: &mut View, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        view.insert(name.to_owned(), json!(value));
    }
}

/// A column that holds JSON of ours.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
