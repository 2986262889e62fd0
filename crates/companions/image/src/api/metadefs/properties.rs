//! Properties that stand in a namespace by themselves.

use rest::Answer;
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use super::{
    TIMES, admit, associations, clear_parts, delete_part, find, lock, now, or_conflict, part, text,
};
use crate::api::{Call, document};
use crate::db;
use crate::db::metadefs::parts;
use crate::fault::Fault;
use crate::metadefs::{listing, schemas};
use crate::policy;
use crate::service::Images;
use crate::tables::metadefs::{association, namespace, property};
use crate::view::metadefs as view;

fn no_property(namespace: &str, name: &str) -> Fault {
    Fault::NotFound(format!(
        "The metadata definition property with name={name} was not found in namespace={namespace}."
    ))
}

/// The property that a body describes.
fn described(namespace: &str, body: &Value) -> Result<property::Model, Fault> {
    let fields = admit(body, &schemas::PROPERTY, TIMES)?;
    let name = text(fields, "name").unwrap_or_default();
    Ok(row(namespace, name, body))
}

/// The property that stands under its name in the body of a namespace.
pub fn named(namespace: &str, name: &str, body: &Value) -> Result<property::Model, Fault> {
    admit(body, &schemas::NAMED_PROPERTY, TIMES)?;
    if !(1..=80).contains(&name.chars().count()) {
        return Err(Fault::BadRequest(format!(
            "The name of a property has from 1 to 80 characters: '{name}'"
        )));
    }
    Ok(row(namespace, name.to_owned(), body))
}

fn row(namespace: &str, name: String, definition: &Value) -> property::Model {
    let now = now();
    property::Model {
        namespace_id: namespace.to_owned(),
        name,
        definition: definition.to_string(),
        created_at: now,
        updated_at: now,
    }
}

/// Writes a new property of a locked namespace.
pub async fn add<C: ConnectionTrait>(
    tx: &C,
    namespace: &namespace::Model,
    row: &property::Model,
) -> Result<(), Fault> {
    or_conflict(parts::add::<property::Entity>(tx, row).await, || {
        let (name, namespace) = (&row.name, &namespace.namespace);
        format!(
            "A metadata definition property with name={name} already exists in namespace={namespace}."
        )
    })
}

/// `GET …/properties`: all of them, by name.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    listing::none_but(&call.pairs(), &[])?;
    let rows = db::metadefs::properties::list(images.db().read(), &namespace.id).await?;
    Ok(Answer::of(&json!({"properties": view::properties(&rows)})))
}

/// `POST …/properties`.
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
    Ok(Answer::of(&view::property(&row)))
}

/// `GET …/properties/{property}`. With `resource_type`, the name is the one that the property has on resources of that type.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let query = call.pairs();
    let db = images.db().read();
    let mut name = call.path("property");
    if let Some(kind) = listing::resource_type(&query)? {
        let rule = "get_metadef_resource_type";
        policy::enforce_in_namespace(&images, rule, &call.cx.caller, &namespace)?;
        let found = parts::find::<association::Entity>(db, &namespace.id, kind).await?;
        let found = found.ok_or_else(|| associations::no_association(&namespace, kind))?;
        let prefix = found.prefix.unwrap_or_default();
        let stripped = name.strip_prefix(&prefix).filter(|_| !prefix.is_empty());
        name = stripped.ok_or_else(|| {
            Fault::NotFound(format!(
                "Property {name} does not start with the expected resource type association prefix of '{prefix}'."
            ))
        })?;
    }
    let row = part::<property::Entity>(db, &namespace, name, no_property).await?;
    Ok(Answer::of(&view::property(&row)))
}

/// `PUT …/properties/{property}`: all attributes, the name too.
pub async fn update(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let old = call.path("property");
    let wanted = described(&namespace.id, document(&call)?)?;
    let row = sql::retry(|| async {
        let tx = images.db().begin().await?;
        let namespace = lock(&tx, &namespace).await?;
        let found = part::<property::Entity>(&tx, &namespace, old, no_property).await?;
        let row = property::Model {
            created_at: found.created_at,
            ..wanted.clone()
        };
        or_conflict(parts::save::<property::Entity>(&tx, &namespace.id, old, &row).await, || {
            format!(
                "Invalid update. It would result in a duplicate metadata definition property with \
                 the same name={} in namespace={}.",
                row.name, namespace.namespace
            )
        })?;
        tx.commit().await?;
        Ok::<_, Fault>(row)
    })
    .await?;
    Ok(Answer::of(&view::property(&row)))
}

/// `DELETE …/properties/{property}`.
pub async fn delete(images: Images, call: Call) -> Result<Answer, Fault> {
    let name = call.path("property");
    delete_part::<property::Entity>(&images, &call, "property", name, no_property).await
}

/// `DELETE …/properties`: all of them.
pub async fn clear(images: Images, call: Call) -> Result<Answer, Fault> {
    clear_parts::<property::Entity>(&images, &call).await
}
