//! Types of resources, and which of them a namespace is for.

use rest::Answer;
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use super::{TIMES, admit, delete_part, find, lock, now, or_conflict, text};
use crate::api::{Call, document};
use crate::db;
use crate::fault::Fault;
use crate::metadefs::{listing, schemas};
use crate::policy;
use crate::service::Images;
use crate::tables::metadefs::{association, namespace};
use crate::view::metadefs as view;

/// The answer where a namespace is not for resources of a type.
pub fn no_association(namespace: &namespace::Model, name: &str) -> Fault {
    Fault::NotFound(format!(
        "The metadata definition resource-type association of resource-type={name} to \
         namespace={}, was not found.",
        namespace.namespace
    ))
}

/// The association that a body, or a part of a namespace's, describes.
pub fn described(namespace: &str, body: &Value) -> Result<association::Model, Fault> {
    let body = admit(body, &schemas::ASSOCIATION, TIMES)?;
    let now = now();
    Ok(association::Model {
        namespace_id: namespace.to_owned(),
        name: text(body, "name").unwrap_or_default(),
        prefix: text(body, "prefix"),
        properties_target: text(body, "properties_target"),
        created_at: now,
        updated_at: now,
    })
}

/// Writes a new association of a locked namespace.
pub async fn add<C: ConnectionTrait>(
    tx: &C,
    namespace: &namespace::Model,
    row: &association::Model,
) -> Result<(), Fault> {
    or_conflict(db::metadefs::associations::add(tx, row).await, || {
        format!(
            "The metadata definition resource-type association of resource-type={} to \
             namespace={} already exists.",
            row.name, namespace.namespace
        )
    })
}

/// `GET /v2/metadefs/resource_types`.
pub async fn types(images: Images, call: Call) -> Result<Answer, Fault> {
    let target = policy::owned_by(call.cx.caller.project_id.as_deref());
    policy::allow(&images, &call.cx, &target)?;
    listing::none_but(&call.pairs(), &[])?;
    let rows = db::metadefs::associations::types(images.db().read()).await?;
    let shown: Value = rows.iter().map(view::resource_type).collect();
    Ok(Answer::of(&json!({"resource_types": shown})))
}

/// `GET …/resource_types`.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    listing::none_but(&call.pairs(), &[])?;
    let mut rows =
        db::metadefs::associations::list(images.db().read(), &[namespace.id.as_str()]).await?;
    let rule = "get_metadef_resource_type";
    // Each is asked about by itself in Glance; all are of the one namespace that a rule knows of.
    if policy::enforce_in_namespace(&images, rule, &call.cx.caller, &namespace).is_err() {
        rows.clear();
    }
    let shown: Value = rows.iter().map(view::association).collect();
    Ok(Answer::of(&json!({"resource_type_associations": shown})))
}

/// `POST …/resource_types`.
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
    Ok(Answer::of(&view::association(&row)))
}

/// `DELETE …/resource_types/{resource_type}`.
pub async fn delete(images: Images, call: Call) -> Result<Answer, Fault> {
    let name = call.path("resource_type");
    delete_part::<association::Entity>(
        &images,
        &call,
        "resource-type-association",
        name,
        |_, name| Fault::NotFound(format!("Failed to find resource type {name} to delete")),
    )
    .await
}
