//! Namespaces of metadata definitions.

use rest::Answer;
use serde_json::{Map, Value, json};
use sql::sea_orm::ConnectionTrait;
use uuid::Uuid;
use web::Caller;

use super::{
    TIMES_AND_LINKS, associations, body, find, find_by, list as items, lock, lock_to_delete, now,
    objects, or_conflict, properties, tags, text,
};
use crate::api::Call;
use crate::db;
use crate::db::metadefs::parts;
use crate::fault::Fault;
use crate::listing::Pages;
use crate::metadefs::listing::{self, Namespaces, Page, PartKey};
use crate::metadefs::schemas;
use crate::policy;
use crate::service::Images;
use crate::tables::metadefs::{namespace, object, tag};
use crate::tables::{Visibility, Word};
use crate::view::metadefs::{self as view, Contents};

const LIST: &str = "/v2/metadefs/namespaces";

/// The attributes of a namespace that hold what stands in it, with the rule of putting it there.
const PARTS: [(&str, &str); 4] = [
    (
        "resource_type_associations",
        "add_metadef_resource_type_association",
    ),
    ("objects", "add_metadef_object"),
    ("properties", "add_metadef_property"),
    ("tags", "add_metadef_tag"),
];

/// `GET /v2/metadefs/namespaces`. Each is also asked about by itself, as in Glance.
pub async fn list(images: Images, call: Call) -> Result<Answer, Fault> {
    let caller = &call.cx.caller;
    let target = policy::owned_by(caller.project_id.as_deref());
    policy::allow(&images, &call.cx, &target)?;
    policy::allow_rule(&images, "list_metadef_resource_types", caller, &target)?;
    let query = call.pairs();
    let listing = Namespaces::parse(&query, Pages::of(images.settings()))?;
    let marker = match &listing.page.marker {
        Some(name) => Some(find_by(&images, caller, name, "get_metadef_namespace").await?),
        None => None,
    };
    let db = images.db().read();
    let viewer = policy::viewer(&images, caller);
    let mut rows = db::metadefs::namespaces::page(db, &listing, &viewer, marker.as_ref()).await?;
    let last = rows.last().map(|row| row.namespace.clone());
    let next = rest::next_page(LIST, &query, listing.limit, rows.len(), last.as_deref());
    rows.retain(|row| {
        policy::enforce_in_namespace(&images, "get_metadef_namespace", caller, row).is_ok()
    });
    let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    let associations = db::metadefs::associations::list(db, &ids).await?;
    let shown = rows.iter().map(|row| {
        let own = associations.iter().filter(|one| one.namespace_id == row.id);
        let contents = Contents {
            associations: own.cloned().collect(),
            ..Contents::default()
        };
        view::namespace(row, &contents, "")
    });
    let first = match query.without("marker").encode() {
        text if text.is_empty() => LIST.to_owned(),
        text => format!("{LIST}?{text}"),
    };
    let mut body = json!({
        "namespaces": shown.collect::<Value>(),
        "first": first,
        "schema": "/v2/schemas/metadefs/namespaces",
    });
    if let Some(next) = next {
        body["next"] = json!(next);
    }
    Ok(Answer::of(&body))
}

/// `POST /v2/metadefs/namespaces`: with what is to stand in it, all or nothing.
pub async fn create(images: Images, call: Call) -> Result<Answer, Fault> {
    let caller = &call.cx.caller;
    let target = policy::owned_by(caller.project_id.as_deref());
    policy::allow(&images, &call.cx, &target)?;
    let body = body(&call, &schemas::NAMESPACE, TIMES_AND_LINKS)?;
    for (part, rule) in PARTS {
        if body.contains_key(part) {
            policy::allow_rule(&images, rule, caller, &target)?;
        }
    }
    let row = described(body, caller, None)?;
    let contents = contents_of(body, &row.id)?;
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        let added = db::metadefs::namespaces::add(&tx, &row).await;
        or_conflict(added, || {
            format!(
                "The metadata definition namespace={} already exists.",
                row.namespace
            )
        })?;
        fill(&tx, &row, &contents).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    let mut shown = view::namespace(&row, &Contents::default(), "");
    for (part, _) in PARTS {
        if let Some(given) = body.get(part) {
            shown[part] = given.clone();
        }
    }
    Ok(Answer::of(&shown).with_location(&view::path(&row.namespace)))
}

/// The namespace that a body describes: new, or in the place of an old one. What is missing has its default.
fn described(
    body: &Map<String, Value>,
    caller: &Caller,
    old: Option<&namespace::Model>,
) -> Result<namespace::Model, Fault> {
    let owner = text(body, "owner").or_else(|| caller.project_id.clone());
    let now = now();
    Ok(namespace::Model {
        id: old.map_or_else(|| Uuid::new_v4().to_string(), |old| old.id.clone()),
        namespace: text(body, "namespace").unwrap_or_default(),
        display_name: text(body, "display_name"),
        description: text(body, "description"),
        visibility: text(body, "visibility")
            .and_then(|word| Visibility::from_word(&word))
            .unwrap_or(Visibility::Private),
        protected: body
            .get("protected")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        owner: owner.ok_or_else(|| {
            Fault::BadRequest(
                "A namespace needs an owner: the token is of no project, and the body names none."
                    .to_owned(),
            )
        })?,
        created_at: old.map_or(now, |old| old.created_at),
        updated_at: now,
    })
}

/// What is to stand in a new namespace.
fn contents_of(body: &Map<String, Value>, namespace: &str) -> Result<Contents, Fault> {
    let associations = items(body, "resource_type_associations").iter();
    let objects = items(body, "objects").iter();
    let named = body.get("properties").and_then(Value::as_object);
    let named = named.into_iter().flatten();
    Ok(Contents {
        associations: associations
            .map(|item| associations::described(namespace, item))
            .collect::<Result<_, _>>()?,
        objects: objects
            .map(|item| objects::described(namespace, item))
            .collect::<Result<_, _>>()?,
        properties: named
            .map(|(name, item)| properties::named(namespace, name, item))
            .collect::<Result<_, _>>()?,
        tags: items(body, "tags")
            .iter()
            .map(|item| tags::described(namespace, item))
            .collect::<Result<_, _>>()?,
    })
}

async fn fill<C: ConnectionTrait>(
    tx: &C,
    row: &namespace::Model,
    contents: &Contents,
) -> Result<(), Fault> {
    for one in &contents.associations {
        associations::add(tx, row, one).await?;
    }
    for one in &contents.objects {
        objects::add(tx, row, one).await?;
    }
    for one in &contents.properties {
        properties::add(tx, row, one).await?;
    }
    for one in &contents.tags {
        tags::add(tx, row, one).await?;
    }
    Ok(())
}

/// What stands in a namespace, the oldest first.
async fn contents<C: ConnectionTrait>(db: &C, id: &str) -> Result<Contents, Fault> {
    let all = Page {
        key: PartKey::CreatedAt,
        descending: false,
        marker: None,
        limit: None,
    };
    Ok(Contents {
        associations: db::metadefs::associations::list(db, &[id]).await?,
        objects: parts::page::<object::Entity>(db, id, &all, None).await?,
        properties: db::metadefs::properties::list(db, id).await?,
        tags: parts::page::<tag::Entity>(db, id, &all, None).await?,
    })
}

/// `GET /v2/metadefs/namespaces/{namespace}`. With `resource_type`, names of properties have the prefix that they have
/// on resources of that type.
pub async fn show(images: Images, call: Call) -> Result<Answer, Fault> {
    let row = find(&images, &call).await?;
    for rule in [
        "list_metadef_resource_types",
        "get_metadef_objects",
        "get_metadef_properties",
        "get_metadef_tags",
    ] {
        policy::enforce_in_namespace(&images, rule, &call.cx.caller, &row)?;
    }
    let query = call.pairs();
    let kind = listing::resource_type(&query)?;
    let contents = contents(images.db().read(), &row.id).await?;
    let mut of_kind = contents.associations.iter();
    let of_kind = of_kind.find(|one| Some(one.name.as_str()) == kind);
    let prefix = of_kind.and_then(|one| one.prefix.as_deref());
    let prefix = prefix.unwrap_or_default();
    Ok(Answer::of(&view::namespace(&row, &contents, prefix)))
}

/// `PUT /v2/metadefs/namespaces/{namespace}`: all attributes of the namespace itself. What stands in it is changed by
/// calls of its own; clients that send back all they read may say it as it is.
pub async fn update(images: Images, call: Call) -> Result<Answer, Fault> {
    let found = find(&images, &call).await?;
    let body = body(&call, &schemas::NAMESPACE, TIMES_AND_LINKS)?;
    let row = sql::retry(|| async {
        let tx = images.db().begin().await?;
        let old = lock(&tx, &found).await?;
        let contents = contents(&tx, &old.id).await?;
        unchanged(body, &view::contents(&old.namespace, &contents, ""))?;
        let row = described(body, &call.cx.caller, Some(&old))?;
        let saved = db::metadefs::namespaces::save(&tx, &row).await;
        or_conflict(saved, || {
            format!(
                "Invalid update. It would result in a duplicate metadata definition namespace \
                 with the same name of {}",
                row.namespace
            )
        })?;
        tx.commit().await?;
        Ok::<_, Fault>(row)
    })
    .await?;
    Ok(Answer::of(&view::namespace(&row, &Contents::default(), "")))
}

/// Refuses a body that says of what stands in the namespace something else than what is there.
fn unchanged(body: &Map<String, Value>, there: &Map<String, Value>) -> Result<(), Fault> {
    for (part, _) in PARTS {
        let Some(given) = body.get(part) else {
            continue;
        };
        let nothing = given.as_array().is_some_and(Vec::is_empty)
            || given.as_object().is_some_and(Map::is_empty);
        let same = there.get(part).map_or(nothing, |there| there == given);
        if !same {
            return Err(Fault::BadRequest(format!(
                "Couldn't update metadata namespace: '{part}' is not changed by this call, but by those below the \
                 path of the namespace."
            )));
        }
    }
    Ok(())
}

/// `DELETE /v2/metadefs/namespaces/{namespace}`, with all that stands in it.
pub async fn delete(images: Images, call: Call) -> Result<Answer, Fault> {
    let found = find(&images, &call).await?;
    let what = format!("namespace {}", found.namespace);
    sql::retry(|| async {
        let tx = images.db().begin().await?;
        let row = lock_to_delete(&tx, &found, &what).await?;
        db::metadefs::namespaces::remove(&tx, &row.id).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}
