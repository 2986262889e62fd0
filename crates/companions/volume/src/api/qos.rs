//! QoS specs, and the types that they hold for.

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::words::{Link, Specs, links};
use super::{Call, listing, next_links};
use crate::db::list as pages;
use crate::db::properties::{self, Properties};
use crate::db::store::{self, Tx};
use crate::fault::Fault;
use crate::fields::QOS;
use crate::listing::truthy;
use crate::policy;
use crate::service::Volumes;
use crate::tables::qos::{Consumer, Entity, Model};
use crate::tables::{Owner, Word, volume_type};

/// QoS specs.
#[derive(Debug, Serialize, Versioned)]
pub struct QosView<'v> {
    pub id: &'v str,
    pub name: &'v str,
    pub consumer: String,
    pub specs: &'v Properties,
}

/// QoS specs with their links.
#[derive(Debug, Serialize, Versioned)]
pub struct QosDocument<'v> {
    pub qos_specs: QosView<'v>,
    pub links: Vec<Link>,
}

/// A page of the list.
#[derive(Debug, Serialize, Versioned)]
pub struct QosPage<'v> {
    pub qos_specs: Vec<QosView<'v>>,
    #[mv(wire = "qos_specs_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

fn view<'v>(row: &'v Model, specs: &'v Properties) -> QosView<'v> {
    QosView {
        id: &row.id,
        name: &row.name,
        consumer: row.consumer.word(),
        specs,
    }
}

fn missing(id: &str) -> Fault {
    Fault::NotFound(format!("No such QoS spec {id}."))
}

async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Model, Fault> {
    store::find::<Entity>(db, id)
        .await?
        .ok_or_else(|| missing(id))
}

fn allow(volumes: &Volumes, call: &Call) -> Result<(), Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))
}

/// `GET /qos-specs`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let asked = listing(&volumes, &call, &QOS)?;
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(find(db, id).await?),
    };
    let found = pages::page(db, Entity::find(), &asked, marker.as_ref()).await?;
    let ids: Vec<&str> = found.iter().map(|row| row.id.as_str()).collect();
    let all = properties::of_many(db, Owner::Qos, &ids).await?;
    let none = Properties::new();
    let last = found.last().map(|row| row.id.as_str());
    call.render(&QosPage {
        next: next_links(&call, "qos-specs", asked.limit, found.len(), last),
        qos_specs: found
            .iter()
            .map(|row| view(row, all.get(&row.id).unwrap_or(&none)))
            .collect(),
    })
}

/// `GET /qos-specs/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let db = volumes.db().read();
    let row = find(db, call.path("id")).await?;
    let specs = properties::of(db, Owner::Qos, &row.id).await?;
    document(&call, &row, &specs)
}

fn document(call: &Call, row: &Model, specs: &Properties) -> Result<Answer, Fault> {
    call.render(&QosDocument {
        qos_specs: view(row, specs),
        links: links(call, &format!("qos-specs/{}", row.id)),
    })
}

#[derive(Debug, Deserialize, Versioned)]
pub struct QosBody {
    pub qos_specs: Specs,
}

/// The consumer among the specs, where one is named.
fn consumer(specs: &mut Properties) -> Result<Option<Consumer>, Fault> {
    let Some(word) = specs.remove("consumer") else {
        return Ok(None);
    };
    let found = Consumer::from_word(&word);
    let valid = "Valid consumer of QoS specs are: ['front-end', 'back-end', 'both']";
    found
        .map(Some)
        .ok_or_else(|| Fault::BadRequest(format!("Invalid qos specs: {valid}")))
}

/// `POST /qos-specs`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let QosBody {
        qos_specs: Specs(mut specs),
    } = call.admit()?;
    let name = specs.remove("name").map(|name| name.trim().to_owned());
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| {
        Fault::BadRequest(
            "Invalid input for field/attribute qos_specs. 'name' is a required property".to_owned(),
        )
    })?;
    let row = Model {
        id: store::new_id(),
        name,
        consumer: consumer(&mut specs)?.unwrap_or(Consumer::BackEnd),
        created_at: store::now(),
    };
    let made = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        store::insert(&tx, row.clone()).await?;
        properties::merge(&tx, Owner::Qos, &row.id, &specs).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    match made {
        Err(Fault::Database(error)) if error.is_duplicate() => Err(Fault::Conflict(format!(
            "QoS Specs {} already exists.",
            row.name
        ))),
        other => {
            other?;
            document(&call, &row, &specs)
        }
    }
}

/// What is changed about specs that are there.
enum Change {
    /// Adds to them.
    Set(Option<Consumer>, Properties),
    DeleteKeys(Vec<String>),
    /// Also when they hold for types, if that is forced.
    Delete(bool),
    Associate(String),
    Disassociate(String),
    DisassociateAll,
}

/// Changes specs in one transaction.
async fn change(volumes: &Volumes, call: &Call, change: &Change) -> Result<Answer, Fault> {
    let id = call.path("id");
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = store::locked::<Entity>(&tx, id).await?;
        let row = row.ok_or_else(|| missing(id))?;
        apply(&tx, &row, change).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}

async fn apply(tx: &Tx, row: &Model, change: &Change) -> Result<(), Fault> {
    match change {
        Change::Set(wish, specs) => {
            if let Some(consumer) = *wish {
                if !consumer.has_hosts() && !types(tx, &row.id).await?.is_empty() {
                    return Err(back_end());
                }
                let changed = Model {
                    consumer,
                    ..row.clone()
                };
                store::save(tx, changed).await?;
            }
            properties::merge(tx, Owner::Qos, &row.id, specs).await?;
        }
        Change::DeleteKeys(keys) => {
            for key in keys {
                if !properties::remove(tx, Owner::Qos, &row.id, key).await? {
                    let id = &row.id;
                    let why = format!("QoS spec {id} has no spec with key {key}.");
                    return Err(Fault::NotFound(why));
                }
            }
        }
        Change::Delete(force) => {
            let used = types(tx, &row.id).await?;
            if !used.is_empty() && !force {
                return Err(Fault::BadRequest("Qos specs still in use.".to_owned()));
            }
            release(tx, used).await?;
            properties::forget(tx, Owner::Qos, &row.id).await?;
            store::remove::<Entity>(tx, &row.id).await?;
        }
        Change::Associate(type_id) => join(tx, row, type_id).await?,
        Change::Disassociate(type_id) => {
            let kind = store::locked::<volume_type::Entity>(tx, type_id).await?;
            let kind = kind.ok_or_else(|| Fault::no_type(type_id))?;
            if kind.qos_id.as_ref() == Some(&row.id) {
                release(tx, vec![kind]).await?;
            }
        }
        Change::DisassociateAll => release(tx, types(tx, &row.id).await?).await?,
    }
    Ok(())
}

fn back_end() -> Fault {
    Fault::NotBuilt(
        "QoS specs that a back end alone is to enforce are not built yet: hosts enforce those of consumer front-end or \
         both."
            .to_owned(),
    )
}

/// The specs hold for a type from now on.
async fn join(tx: &Tx, row: &Model, type_id: &str) -> Result<(), Fault> {
    if !row.consumer.has_hosts() {
        return Err(back_end());
    }
    let kind = store::locked::<volume_type::Entity>(tx, type_id).await?;
    let kind = kind.ok_or_else(|| Fault::no_type(type_id))?;
    if let Some(other) = kind.qos_id.as_ref().filter(|other| **other != row.id) {
        return Err(Fault::BadRequest(format!(
            "Invalid volume type: Type {type_id} is already associated with another qos specs: {other}"
        )));
    }
    let qos_id = Some(row.id.clone());
    store::save(tx, volume_type::Model { qos_id, ..kind }).await?;
    Ok(())
}

/// Specs hold for these types no more.
async fn release(tx: &Tx, kinds: Vec<volume_type::Model>) -> Result<(), Fault> {
    for kind in kinds {
        let without = volume_type::Model {
            qos_id: None,
            ..kind
        };
        store::save(tx, without).await?;
    }
    Ok(())
}

/// The types that specs hold for.
async fn types(db: &impl ConnectionTrait, id: &str) -> Result<Vec<volume_type::Model>, Fault> {
    Ok(volume_type::Entity::find()
        .filter(volume_type::Column::QosId.eq(id))
        .order_by_asc(volume_type::Column::Name)
        .all(db)
        .await?)
}

/// `PUT /qos-specs/{id}`: adds to what is there.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let QosBody {
        qos_specs: Specs(sent),
    } = call.admit()?;
    let mut specs = sent.clone();
    let wish = consumer(&mut specs)?;
    change(&volumes, &call, &Change::Set(wish, specs)).await?;
    Ok(Answer::of(&json!({"qos_specs": sent})))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Keys {
    pub keys: Vec<String>,
}

/// `PUT /qos-specs/{id}/delete_keys`.
pub async fn delete_keys(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let Keys { keys } = call.admit()?;
    change(&volumes, &call, &Change::DeleteKeys(keys)).await
}

/// `DELETE /qos-specs/{id}`; `force` also when they hold for types.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let force = call.pairs().last("force").is_some_and(truthy);
    change(&volumes, &call, &Change::Delete(force)).await
}

/// `GET /qos-specs/{id}/associations`.
pub async fn associations(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let db = volumes.db().read();
    let row = find(db, call.path("id")).await?;
    let all = types(db, &row.id).await?;
    let all = all
        .iter()
        .map(|kind| json!({"association_type": "volume_type", "name": kind.name, "id": kind.id}));
    Ok(Answer::of(
        &json!({"qos_associations": all.collect::<Vec<Value>>()}),
    ))
}

/// The type that a query names.
fn named(call: &Call) -> Result<String, Fault> {
    let query = call.pairs();
    let found = query.last("vol_type_id").filter(|id| !id.is_empty());
    let none = || Fault::BadRequest("Volume Type id must not be None.".to_owned());
    found.map(str::to_owned).ok_or_else(none)
}

/// `GET /qos-specs/{id}/associate?vol_type_id=…`.
pub async fn associate(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let wish = Change::Associate(named(&call)?);
    change(&volumes, &call, &wish).await
}

/// `GET /qos-specs/{id}/disassociate?vol_type_id=…`.
pub async fn disassociate(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    let wish = Change::Disassociate(named(&call)?);
    change(&volumes, &call, &wish).await
}

/// `GET /qos-specs/{id}/disassociate_all`.
pub async fn disassociate_all(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    allow(&volumes, &call)?;
    change(&volumes, &call, &Change::DisassociateAll).await
}
