//! Tags that a namespace proposes.

use http::HeaderMap;
use rest::Answer;
use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use super::{
    TIMES, admit, body, clear_parts, delete_part, find, list as items, lock, now, or_conflict,
    part, text,
};
use crate::api::{Call, document};
use crate::db::metadefs::parts;
use crate::fault::Fault;
use crate::metadefs::{listing, schemas};
use crate::service::Images;
use crate::tables::metadefs::{namespace, tag};
use crate::view::metadefs as view;

fn no_tag(namespace: &str, name: &str) -> Fault {
    Fault::NotFound(format!(
        "The metadata definition tag with name={name} was not found in namespace={namespace}."
    ))
}

/// The tag that a body, or a part of one, describes.
pub fn described(namespace: &str, body: &Value) -> Result<tag::Model, Fault> {
    let body = admit(body, &schemas::TAG, TIMES)?;
    let now = now();
    Ok(tag::Model {
        namespace_id: namespace.to_owned(),
        name: text(body, "name").unwrap_or_default(),
        created_at: now,
        updated_at: now,
    })
}

/// Writes a new tag of a locked namespace.
pub async fn add<C: ConnectionTrait>(
    tx: &C,
    namespace: &namespace::Model,
    row: &tag::Model,
) -> Result<(), Fault> {
    or_conflict(parts::add::<tag::Entity>(tx, row).await, || {
        let (name, namespace) = (&row.name, &namespace.namespace);
        format!("A metadata tag with name={name} already exists in namespace={namespace}.")
    })
}

/// `GET …/tags`.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let page = listing::parts(&call.pairs())?;
    let db = images.db().read();
    let marker = match &page.marker {
        Some(name) => Some(part::<tag::Entity>(db, &namespace, name, no_tag).await?),
        None => None,
    };
    let rows = parts::page::<tag::Entity>(db, &namespace.id, &page, marker.as_ref()).await?;
    let shown: Value = rows.iter().map(view::named).collect();
    Ok(Answer::of(&json!({"tags": shown})))
}

/// `POST …/tags/{tag}`.
pub async fn create(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    if !call.body.is_null() {
        return Err(Fault::BadRequest(
            "This call takes no body: the path names the tag.".to_owned(),
        ));
    }
    let row = described(&namespace.id, &json!({"name": call.path("tag")}))?;
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        add(&tx, &lock(&tx, &namespace).await?, &row).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::of(&view::tag(&row)))
}

/// `POST …/tags`: in the place of those that are there, or with `X-Openstack-Append: True` besides them. An empty
/// list changes nothing, as in Glance.
pub async fn create_many(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let append = append(&call.headers)?;
    let body = body(&call, &schemas::TAGS, TIMES)?;
    let rows = items(body, "tags")
        .iter()
        .map(|item| described(&namespace.id, item))
        .collect::<Result<Vec<_>, _>>()?;
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        let namespace = lock(&tx, &namespace).await?;
        if !append && !rows.is_empty() {
            parts::clear::<tag::Entity>(&tx, &namespace.id).await?;
        }
        for row in &rows {
            add(&tx, &namespace, row).await?;
        }
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    let shown: Value = rows.iter().map(view::named).collect();
    Ok(Answer::of(&json!({"tags": shown})))
}

/// Whether new tags come besides those that are there.
fn append(headers: &HeaderMap) -> Result<bool, Fault> {
    let Some(value) = headers.get("x-openstack-append") else {
        return Ok(false);
    };
    match value.to_str().unwrap_or_default().to_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(Fault::BadRequest(
            "X-Openstack-Append is true or false.".to_owned(),
        )),
    }
}

/// `GET …/tags/{tag}`.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let name = call.path("tag");
    let row = part::<tag::Entity>(images.db().read(), &namespace, name, no_tag).await?;
    Ok(Answer::of(&view::tag(&row)))
}

/// `PUT …/tags/{tag}`: another name.
pub async fn update(images: Images, call: Call) -> Result<Answer, Fault> {
    let namespace = find(&images, &call).await?;
    let old = call.path("tag");
    let wanted = described(&namespace.id, document(&call)?)?;
    let row = sql::retry(|| async {
        let tx = images.db().begin().await?;
        let namespace = lock(&tx, &namespace).await?;
        let found = part::<tag::Entity>(&tx, &namespace, old, no_tag).await?;
        let row = tag::Model {
            created_at: found.created_at,
            ..wanted.clone()
        };
        or_conflict(
            parts::save::<tag::Entity>(&tx, &namespace.id, old, &row).await,
            || {
                let (name, namespace) = (&row.name, &namespace.namespace);
                format!("A metadata tag with name={name} already exists in namespace={namespace}.")
            },
        )?;
        tx.commit().await?;
        Ok::<_, Fault>(row)
    })
    .await?;
    Ok(Answer::of(&view::tag(&row)))
}

/// `DELETE …/tags/{tag}`.
pub async fn delete(images: Images, call: Call) -> Result<Answer, Fault> {
    let name = call.path("tag");
    delete_part::<tag::Entity>(&images, &call, "tag", name, no_tag).await
}

/// `DELETE …/tags`: all of them.
pub async fn clear(images: Images, call: Call) -> Result<Answer, Fault> {
    clear_parts::<tag::Entity>(&images, &call).await
}
