//! Metadata definitions: namespaces, and what stands in them.

pub mod associations;
pub mod namespaces;
pub mod objects;
pub mod properties;
pub mod tags;

use rest::Answer;
use serde_json::{Map, Value};
use web::Caller;

use super::{Call, Cx, document};
use crate::db;
use crate::db::metadefs::parts::{self, Part};
use crate::fault::Fault;
use crate::metadefs::schemas;
use crate::policy;
use crate::schema;
use crate::service::Images;
use crate::tables::metadefs::namespace;

/// `GET /v2/schemas/metadefs/{name}`.
pub async fn schema(_: Images, call: Call) -> Result<Answer, Fault> {
    let name = call.path("name");
    let schema = schemas::published(name)
        .ok_or_else(|| Fault::NotFound(format!("There is no schema 'metadefs/{name}'.")))?;
    Ok(Answer::of(&schema))
}

/// Finds the namespace of the path and asks whether the rule of the call lets the caller do it there; one that the
/// caller may not see is not found.
async fn find(images: &Images, call: &Call) -> Result<namespace::Model, Fault> {
    let Cx { caller, guard, .. } = &call.cx;
    guard.note();
    find_by(images, caller, call.path("namespace"), guard.rule()).await
}

/// The same by another name and rule.
async fn find_by(
    images: &Images,
    caller: &Caller,
    name: &str,
    rule: &str,
) -> Result<namespace::Model, Fault> {
    let found = db::metadefs::namespaces::find(images.db().read(), name).await?;
    let viewer = policy::viewer(images, caller);
    let row = found
        .filter(|row| viewer.sees_namespace(row))
        .ok_or_else(|| Fault::no_namespace(name))?;
    policy::enforce_in_namespace(images, rule, caller, &row)?;
    Ok(row)
}

/// Locks a namespace for the transaction; it may be gone since it was found.
async fn lock<C: sql::sea_orm::ConnectionTrait>(
    tx: &C,
    found: &namespace::Model,
) -> Result<namespace::Model, Fault> {
    db::metadefs::namespaces::locked(tx, &found.id)
        .await?
        .ok_or_else(|| Fault::no_namespace(&found.namespace))
}

/// The same, to take something away: from a protected namespace nothing is. `what` names it.
async fn lock_to_delete<C: sql::sea_orm::ConnectionTrait>(
    tx: &C,
    found: &namespace::Model,
    what: &str,
) -> Result<namespace::Model, Fault> {
    let row = lock(tx, found).await?;
    match row.protected {
        true => Err(Fault::Forbidden(format!(
            "Metadata definition {what} is protected and cannot be deleted."
        ))),
        false => Ok(row),
    }
}

/// The part of a namespace with this name; `missing` is the answer when it is not there.
async fn part<P: Part>(
    db: &impl sql::sea_orm::ConnectionTrait,
    namespace: &namespace::Model,
    name: &str,
    missing: fn(&str, &str) -> Fault,
) -> Result<P::Model, Fault> {
    let found = parts::find::<P>(db, &namespace.id, name).await?;
    found.ok_or_else(|| missing(&namespace.namespace, name))
}

/// Takes a part of the namespace of the path away. `kind` is its word in refusals, `missing` the answer when it is not
/// there, by the names of namespace and part.
async fn delete_part<P: Part>(
    images: &Images,
    call: &Call,
    kind: &str,
    name: &str,
    missing: impl Fn(&str, &str) -> Fault + Sync,
) -> Result<Answer, Fault> {
    let namespace = find(images, call).await?;
    let what = format!("{kind} {name}");
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        let namespace = lock_to_delete(&tx, &namespace, &what).await?;
        if !parts::remove::<P>(&tx, &namespace.id, name).await? {
            return Err(missing(&namespace.namespace, name));
        }
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}

/// Takes all parts of a kind out of the namespace of the path.
async fn clear_parts<P: Part>(images: &Images, call: &Call) -> Result<Answer, Fault> {
    let namespace = find(images, call).await?;
    let what = format!("namespace {}", namespace.namespace);
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        let namespace = lock_to_delete(&tx, &namespace, &what).await?;
        parts::clear::<P>(&tx, &namespace.id).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}

/// The body of a call, which matches the schema and sets nothing that is for reading only.
fn body<'a>(
    call: &'a Call,
    schema: &Value,
    read_only: &[&str],
) -> Result<&'a Map<String, Value>, Fault> {
    admit(document(call)?, schema, read_only)
}

/// The same of a thing within a body.
fn admit<'a>(
    document: &'a Value,
    schema: &Value,
    read_only: &[&str],
) -> Result<&'a Map<String, Value>, Fault> {
    if let Some(name) = read_only.iter().find(|name| document.get(name).is_some()) {
        return Err(Fault::Forbidden(format!(
            "Attribute '{name}' is read-only."
        )));
    }
    schema::check(schema, document)?;
    let fields = document.as_object();
    fields.ok_or(Fault::Internal("a schema of bodies takes objects only"))
}

/// What only the service says of a thing.
const TIMES: &[&str] = &["created_at", "updated_at"];
/// The same of a thing that has links.
const TIMES_AND_LINKS: &[&str] = &["self", "schema", "created_at", "updated_at"];

/// A text of a body, whose schema says that it is one.
fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// A list within a body; empty when it is missing.
fn list<'a>(body: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    let list = body.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// A duplicate key becomes a conflict in these words.
fn or_conflict(
    written: Result<(), sql::sea_orm::DbErr>,
    words: impl FnOnce() -> String,
) -> Result<(), Fault> {
    match written.map_err(Fault::from) {
        Err(Fault::Database(error)) if error.is_duplicate() => Err(Fault::Conflict(words())),
        other => other,
    }
}

/// The present, as rows keep it.
fn now() -> chrono::DateTime<chrono::Utc> {
    sql::micros(chrono::Utc::now())
}
