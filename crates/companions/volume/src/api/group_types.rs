//! Types of groups.

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::types::is_public;
use super::words::{Flag, Link, Metadata};
use super::{Call, Cx, listing, next_links};
use crate::db::properties::{self, Properties};
use crate::db::{groups as rows, list as pages, store};
use crate::fault::Fault;
use crate::fields::GROUP_TYPES;
use crate::policy;
use crate::service::Volumes;
use crate::tables::Owner;
use crate::tables::group_type::{Column, Entity, Model};

/// A type of groups.
#[derive(Debug, Serialize, Versioned)]
pub struct GroupTypeView<'v> {
    pub id: &'v str,
    pub name: &'v str,
    pub description: Option<&'v str>,
    pub is_public: bool,
    /// For administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_specs: Option<&'v Properties>,
}

/// A page of the list.
#[derive(Debug, Serialize, Versioned)]
pub struct GroupTypePage<'v> {
    pub group_types: Vec<GroupTypeView<'v>>,
    #[mv(wire = "group_type_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

fn view<'v>(
    volumes: &Volumes,
    cx: &Cx,
    row: &'v Model,
    specs: &'v Properties,
) -> GroupTypeView<'v> {
    let rule = "group:access_group_types_specs";
    let sees = volumes.may(rule, &cx.caller, &policy::own(&cx.caller));
    GroupTypeView {
        id: &row.id,
        name: &row.name,
        description: row.description.as_deref(),
        is_public: row.is_public,
        group_specs: sees.then_some(specs),
    }
}

/// The type with this id, if it exists for the caller.
///
/// # Errors
/// 404.
pub async fn find(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let found = store::find::<Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| exists(volumes, cx, row));
    found.ok_or_else(|| missing(id))
}

/// The type with this id or name, if it exists for the caller.
///
/// # Errors
/// 404.
pub async fn find_any(volumes: &Volumes, cx: &Cx, name: &str) -> Result<Model, Fault> {
    let db = volumes.db().read();
    let found = match store::find::<Entity>(db, name).await? {
        Some(found) => Some(found),
        None => rows::type_named(db, name).await?,
    };
    let found = found.filter(|row| exists(volumes, cx, row));
    found.ok_or_else(|| Fault::NotFound(format!("Group type with name {name} could not be found.")))
}

/// Only administrators know of those that are not public.
fn exists(volumes: &Volumes, cx: &Cx, row: &Model) -> bool {
    row.is_public || volumes.is_admin(&cx.caller)
}

/// No group type has this id.
pub fn missing(id: &str) -> Fault {
    Fault::NotFound(format!("Group type {id} could not be found."))
}

async fn shown(volumes: &Volumes, call: &Call, row: &Model) -> Result<Answer, Fault> {
    let specs = properties::of(volumes.db().read(), Owner::GroupType, &row.id).await?;
    call.render_under("group_type", &view(volumes, &call.cx, row, &specs))
}

/// `GET /group_types`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let asked = listing(&volumes, &call, &GROUP_TYPES)?;
    let public = match volumes.is_admin(&cx.caller) {
        true => is_public(asked.also.get("is_public").map(String::as_str))?,
        false => Some(true),
    };
    let base = match public {
        Some(public) => Entity::find().filter(Column::IsPublic.eq(public)),
        None => Entity::find(),
    };
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(find(&volumes, cx, id).await?),
    };
    let found = pages::page(db, base, &asked, marker.as_ref()).await?;
    let ids: Vec<&str> = found.iter().map(|row| row.id.as_str()).collect();
    let specs = properties::of_many(db, Owner::GroupType, &ids).await?;
    let none = Properties::new();
    let last = found.last().map(|row| row.id.as_str());
    let next = next_links(&call, "group_types", asked.limit, found.len(), last);
    let group_types = found
        .iter()
        .map(|row| view(&volumes, cx, row, specs.get(&row.id).unwrap_or(&none)))
        .collect();
    call.render(&GroupTypePage { group_types, next })
}

/// `GET /group_types/{id}`; no type is the default.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    if call.path("id") == "default" {
        let why = "Default group type can not be found.";
        return Err(Fault::NotFound(why.to_owned()));
    }
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    shown(&volumes, &call, &row).await
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateType {
    pub group_type: NewType,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewType {
    #[mv(min_length = 1, max_length = 255, format = "name")]
    pub name: String,
    #[mv(nullable, max_length = 255, format = "description")]
    pub description: Option<String>,
    pub is_public: Option<Flag>,
    #[mv(nullable)]
    pub group_specs: Option<Metadata>,
}

fn taken(name: &str) -> Fault {
    Fault::Conflict(format!("Group Type {name} already exists."))
}

/// `POST /group_types`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let CreateType { group_type: new } = call.admit()?;
    let row = Model {
        id: store::new_id(),
        name: new.name.clone(),
        description: new.description,
        is_public: new.is_public.is_none_or(|flag| flag.0),
        created_at: store::now(),
        updated_at: None,
    };
    let specs = new.group_specs.unwrap_or_default().0;
    let made = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        store::insert(&tx, row.clone()).await?;
        properties::merge(&tx, Owner::GroupType, &row.id, &specs).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    match made {
        Err(Fault::Database(error)) if error.is_duplicate() => return Err(taken(&row.name)),
        other => other?,
    }
    shown(&volumes, &call, &row).await
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateType {
    pub group_type: TypeChanges,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct TypeChanges {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255, format = "description")]
    pub description: Option<String>,
    pub is_public: Option<Flag>,
}

/// `PUT /group_types/{id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let UpdateType {
        group_type: changes,
    } = call.admit()?;
    let blank = |name: &str| !name.is_empty() && name.trim().is_empty();
    if changes.name.as_deref().is_some_and(blank) {
        let why = "Group type name can not be empty.";
        return Err(Fault::BadRequest(why.to_owned()));
    }
    if changes.name.is_none() && changes.description.is_none() && changes.is_public.is_none() {
        return Err(Fault::BadRequest(
            "Specify group type name, description or a combination thereof.".to_owned(),
        ));
    }
    let id = call.path("id").to_owned();
    let changed = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = store::locked::<Entity>(&tx, &id).await?;
        let mut row = row.ok_or_else(|| missing(&id))?;
        if let Some(name) = changes.name.as_ref().filter(|name| !name.is_empty()) {
            row.name.clone_from(name);
        }
        if changes.description.is_some() {
            row.description.clone_from(&changes.description);
        }
        if let Some(Flag(public)) = changes.is_public {
            row.is_public = public;
        }
        row.updated_at = Some(store::now());
        store::save(&tx, row.clone()).await?;
        tx.commit().await?;
        Ok::<_, Fault>(row)
    })
    .await;
    match changed {
        Err(Fault::Database(error)) if error.is_duplicate() => {
            Err(taken(changes.name.as_deref().unwrap_or_default()))
        }
        other => shown(&volumes, &call, &other?).await,
    }
}

/// `DELETE /group_types/{id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let row = find(&volumes, &call.cx, call.path("id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        store::locked::<Entity>(&tx, &row.id).await?;
        if rows::uses(&tx, &row.id).await? > 0 {
            let why = "Target group type is still in use.";
            return Err(Fault::BadRequest(why.to_owned()));
        }
        properties::forget(&tx, Owner::GroupType, &row.id).await?;
        store::remove::<Entity>(&tx, &row.id).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}
