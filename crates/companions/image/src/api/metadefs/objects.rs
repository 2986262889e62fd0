//! Objects of a namespace: groups of properties.

use rest::Answer;
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use super::{
    TIMES_AND_LINKS, admit, clear_parts, delete_part, find, list as items, lock, now, or_conflict,
    part, text,
};
use crate::api::{Call, document};
use crate::db::metadefs::parts;
use crate::fault::Fault;
use crate::metadefs::{listing, schemas};
use crate::policy;
use crate::schema;
use crate::service::Images;
use crate::tables::metadefs::{namespace, object};
use crate::view::metadefs as view;

fn no_object(namespace: &str, name: &str) -> Fault {
    Fault::NotFound(format!(
        "The metadata definition object with name={name} was not found in namespace={namespace}."
    ))
}

/// The object that a body, or a part of a namespace's, describes.
pub fn described(namespace: &str, body: &Value) -> Result<object::Model, Fault> {
    let body = admit(body, &schemas::OBJECT, TIMES_AND_LINKS)?;
    let properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
    for property in properties
        .as_object()
        .into_iter()
        .flat_map(|all| all.values())
    {
        schema::check(&schemas::NAMED_PROPERTY, property)?;
    }
    let now = now();
    Ok(object::Model {
        namespace_id: namespace.to_owned(),
        name: text(body, "name").unwrap_or_default(),
        description: text(body, "description"),
        required: Value::from(items(body, "required")).to_string(),
        properties: properties.to_string(),
        created_at: now,
        updated_at: now,
    })
}

/// Writes a new object of a locked namespace.
pub async fn add<C: ConnectionTrait>(
    tx: &C,
    namespace: &namespace::Model,
    row: &object::Model,
) -> Result<(), Fault> {
    or_conflict(parts::add::<object::Entity>(tx, row).await, || {
        let (name, namespace) = (&row.name, &namespace.namespace);
        format!(
            "A metadata definition object with name={name} already exists in namespace={namespace}."
        )
    })
}

/// `GET …/objects`.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let page = listing::parts(&call.pairs())?;
    let db = images.db().read();
    let marker = match &page.marker {
        Some(name) => Some(part::<object::Entity>(db, &namespace, name, no_object).await?),
        None => None,
    };
    let mut rows = parts::page::<object::Entity>(db, &namespace.id, &page, marker.as_ref()).await?;
    let caller = &call.cx.caller;
    // Each is asked about by itself in Glance; all stand in the one namespace that a rule knows of.
    if policy::enforce_in_namespace(&images, "get_metadef_object", caller, &namespace).is_err() {
        rows.clear();
    }
    let shown = rows
        .iter()
        .map(|row| view::object(&namespace.namespace, row));
    // Without a slash before it, as in Glance.
    let schema = "v2/schemas/metadefs/objects";
    Ok(Answer::of(
        &json!({"objects": shown.collect::<Value>(), "schema": schema}),
    ))
}

/// `POST …/objects`.
pub async fn create(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let row = described(&namespace.id, document(&call)?)?;
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        add(&tx, &lock(&tx, &namespace).await?, &row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::of(&view::object(&namespace.namespace, &row)))
}

/// `GET …/objects/{object}`.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let name = call.path("object");
    let row = part::<object::Entity>(images.db().read(), &namespace, name, no_object).await?;
    Ok(Answer::of(&view::object(&namespace.namespace, &row)))
}

/// `PUT …/objects/{object}`: all attributes, the name too.
pub async fn update(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let old = call.path("object");
    let wanted = described(&namespace.id, document(&call)?)?;
    let row = sql::retry(|| async {
        let tx = images.db().begin().await?;
        let namespace = lock(&tx, &namespace).await?;
        let found = part::<object::Entity>(&tx, &namespace, old, no_object).await?;
        let row = object::Model {
            created_at: found.created_at,
            ..wanted.clone()
        };
        or_conflict(parts::save::<object::Entity>(&tx, &namespace.id, old, &row).await, || {
            format!(
                "Invalid update. It would result in a duplicate metadata definition object with \
                 the same name={} in namespace={}.",
                row.name, namespace.namespace
            )
        })?;
        tx.commit().await?;
        Ok::<_, Fault>(row)
    })
    .await?;
    Ok(Answer::of(&view::object(&namespace.namespace, &row)))
}

/// `DELETE …/objects/{object}`.
pub async fn delete(images: Images, call: Call) -> Result<Answer, Fault> {
    let name = call.path("object");
    delete_part::<object::Entity>(&images, &call, "object", name, no_object).await
}

/// `DELETE …/objects`: all of them.
pub async fn clear(images: Images, call: Call) -> Result<Answer, Fault> {
    clear_parts::<object::Entity>(&images, &call).await
}
