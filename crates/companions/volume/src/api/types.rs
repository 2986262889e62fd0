//! Types of volumes.

use std::collections::BTreeMap;

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use sql::sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use web::policy::Target;

use super::words::{Flag, Link, Metadata};
use super::{Call, Cx, listing, next_links};
use crate::db::properties::{self, Properties};
use crate::db::store::{self, Tx};
use crate::db::types::{self as rows, VolumeType};
use crate::db::{access, list as pages, quotas};
use crate::fault::Fault;
use crate::fields::TYPES;
use crate::listing::Filter;
use crate::policy;
use crate::service::Volumes;
use crate::tables::volume_type::{Column, Entity, Model};
use crate::tables::{Owner, default_type};

/// Extra specs that everybody sees; the others may tell of the back end.
const VISIBLE: [&str; 3] = [
    "RESKEY:availability_zones",
    "multiattach",
    "replication_enabled",
];

/// A type as the caller may see it.
#[derive(Debug, Serialize, Versioned)]
pub struct TypeView<'v> {
    pub id: &'v str,
    pub name: &'v str,
    pub is_public: bool,
    pub description: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_specs: Option<BTreeMap<&'v str, &'v str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos_specs_id: Option<Option<&'v str>>,
    #[mv(wire = "os-volume-type-access:is_public")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<bool>,
}

/// A page of the list.
#[derive(Debug, Serialize, Versioned)]
pub struct TypePage<'v> {
    pub volume_types: Vec<TypeView<'v>>,
    #[mv(wire = "volume_type_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

fn own<'a>(cx: &'a Cx) -> Target<'a> {
    policy::own(&cx.caller)
}

fn view<'v>(volumes: &Volumes, cx: &Cx, kind: &'v VolumeType) -> TypeView<'v> {
    let may = |rule: &str| volumes.may(rule, &cx.caller, &own(cx));
    let row = &kind.row;
    TypeView {
        id: &row.id,
        name: &row.name,
        is_public: row.is_public,
        description: row.description.as_deref(),
        extra_specs: may("volume_extension:access_types_extra_specs")
            .then(|| seen_specs(volumes, cx, &kind.specs)),
        qos_specs_id: may("volume_extension:access_types_qos_specs_id")
            .then_some(row.qos_id.as_deref()),
        access: may("volume_extension:volume_type_access").then_some(row.is_public),
    }
}

/// The extra specs that the caller may see.
pub fn seen_specs<'v>(
    volumes: &Volumes,
    cx: &Cx,
    specs: &'v Properties,
) -> BTreeMap<&'v str, &'v str> {
    let rule = "volume_extension:types_extra_specs:read_sensitive";
    let all = volumes.may(rule, &cx.caller, &own(cx));
    let seen = specs
        .iter()
        .filter(|(name, _)| all || VISIBLE.contains(&name.as_str()));
    seen.map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// The type with this id, if it exists for the caller.
///
/// # Errors
/// 404.
pub async fn find_id(volumes: &Volumes, cx: &Cx, id: &str) -> Result<VolumeType, Fault> {
    let found = rows::find(volumes.db().read(), id).await?;
    seen(volumes, cx, found)
        .await?
        .ok_or_else(|| Fault::no_type(id))
}

/// The type with this id or name, if it exists for the caller.
///
/// # Errors
/// 404.
pub async fn find_any(volumes: &Volumes, cx: &Cx, name: &str) -> Result<VolumeType, Fault> {
    let db = volumes.db().read();
    let found = match rows::find(db, name).await? {
        Some(found) => Some(found),
        None => rows::named(db, name).await?,
    };
    let missing = || Fault::NotFound(format!("Volume type with name {name} could not be found."));
    seen(volumes, cx, found).await?.ok_or_else(missing)
}

/// The type that a volume gets in this transaction: who deletes it waits, and sees that it is used.
///
/// # Errors
/// 404: it is gone.
pub async fn hold(tx: &Tx, id: &str) -> Result<VolumeType, Fault> {
    let found = rows::locked(tx, id).await?;
    found.ok_or_else(|| Fault::no_type(id))
}

/// Whether several servers may attach volumes of a type with these extra specs.
pub fn is_multiattach(specs: &Properties) -> bool {
    specs.get("multiattach").is_some_and(|is| is == "<is> True")
}

async fn seen(
    volumes: &Volumes,
    cx: &Cx,
    found: Option<VolumeType>,
) -> Result<Option<VolumeType>, Fault> {
    let Some(kind) = found else { return Ok(None) };
    let visible = kind.row.is_public
        || volumes.is_admin(&cx.caller)
        || policy::is_service(&cx.caller)
        || match &cx.caller.project_id {
            Some(project) => access::is_open(volumes.db().read(), &kind.row.id, project).await?,
            None => false,
        };
    Ok(visible.then_some(kind))
}

/// The type of a project's volumes for which none is asked.
///
/// # Errors
/// 500: the one that the settings name is gone.
pub async fn default_of(volumes: &Volumes, project_id: &str) -> Result<VolumeType, Fault> {
    let db = volumes.db().read();
    let set = store::find::<default_type::Entity>(db, project_id).await?;
    if let Some(set) = set
        && let Some(kind) = rows::find(db, &set.type_id).await?
    {
        return Ok(kind);
    }
    let found = rows::named(db, &volumes.settings().default_type).await?;
    found.ok_or(Fault::Internal(
        "the default type of volumes does not exist",
    ))
}

/// `GET /types`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &own(cx))?;
    let asked = listing(&volumes, &call, &TYPES)?;
    let db = volumes.db().read();
    let public = asked.also.get("is_public").map(String::as_str);
    let base = match volumes.is_admin(&cx.caller) {
        true => match is_public(public)? {
            Some(public) => rows::all().filter(Column::IsPublic.eq(public)),
            None => rows::all(),
        },
        false => {
            let project = cx.caller.project_id.as_deref().unwrap_or_default();
            rows::all().filter(rows::seen_by(project))
        }
    };
    let sensitive = |filter: &Filter| match filter {
        Filter::Has(_, name, _) => !VISIBLE.contains(&name.as_str()),
        _ => false,
    };
    let reads = volumes.may(
        "volume_extension:types_extra_specs:read_sensitive",
        &cx.caller,
        &own(cx),
    );
    // Who may not see a spec learns nothing of it by what is found.
    let blind = !reads && asked.filters.iter().any(sensitive);
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(find_id(&volumes, cx, id).await?.row),
    };
    let found = match blind {
        true => Vec::new(),
        false => pages::page(db, base, &asked, marker.as_ref()).await?,
    };
    let last = found.last().map(|row| row.id.clone());
    let next = next_links(&call, "types", asked.limit, found.len(), last.as_deref());
    let kinds = rows::gather(db, found).await?;
    let volume_types = kinds.iter().map(|kind| view(&volumes, cx, kind)).collect();
    call.render(&TypePage { volume_types, next })
}

/// `is_public` of a query: public ones when nothing is said.
///
/// # Errors
/// 400.
pub fn is_public(text: Option<&str>) -> Result<Option<bool>, Fault> {
    match text.map(str::to_lowercase).as_deref() {
        None => Ok(Some(true)),
        Some("none") => Ok(None),
        Some("1" | "t" | "true" | "on" | "y" | "yes") => Ok(Some(true)),
        Some("0" | "f" | "false" | "off" | "n" | "no") => Ok(Some(false)),
        Some(other) => Err(Fault::BadRequest(format!(
            "Invalid is_public filter [{other}]"
        ))),
    }
}

/// `GET /types/{id}`; `default` is the one for which none is asked.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &own(cx))?;
    let kind = match call.path("id") {
        "default" => {
            let project = cx.caller.project_id.as_deref().unwrap_or_default();
            default_of(&volumes, project).await?
        }
        id => find_id(&volumes, cx, id).await?,
    };
    call.render_under("volume_type", &view(&volumes, cx, &kind))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateType {
    pub volume_type: NewType,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewType {
    #[mv(min_length = 1, max_length = 255, format = "name")]
    pub name: String,
    #[mv(nullable, max_length = 255, format = "description")]
    pub description: Option<String>,
    pub extra_specs: Option<Metadata>,
    #[mv(wire = "os-volume-type-access:is_public")]
    pub is_public: Option<Flag>,
}

fn taken(name: &str) -> Fault {
    Fault::Conflict(format!("Volume Type {name} already exists."))
}

/// `POST /types`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &own(&call.cx))?;
    let CreateType { volume_type: new } = call.admit()?;
    let row = Model {
        id: store::new_id(),
        name: new.name.clone(),
        description: new.description,
        is_public: new.is_public.is_none_or(|flag| flag.0),
        qos_id: None,
        created_at: store::now(),
        updated_at: None,
    };
    let specs = new.extra_specs.unwrap_or_default().0;
    let made = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        store::insert(&tx, row.clone()).await?;
        properties::merge(&tx, Owner::Type, &row.id, &specs).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    match made {
        Err(Fault::Database(error)) if error.is_duplicate() => return Err(taken(&row.name)),
        other => other?,
    }
    let kind = VolumeType { row, specs };
    let made = TypeView {
        // What Cinder shows in lists and by themselves alone.
        qos_specs_id: None,
        ..view(&volumes, &call.cx, &kind)
    };
    call.render_under("volume_type", &made)
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateType {
    pub volume_type: TypeChanges,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct TypeChanges {
    #[mv(nullable, min_length = 1, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255, format = "description")]
    pub description: Option<String>,
    pub is_public: Option<Flag>,
}

/// `PUT /types/{id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &own(&call.cx))?;
    let UpdateType {
        volume_type: changes,
    } = call.admit()?;
    if changes
        .name
        .as_deref()
        .is_some_and(|name| name.trim().is_empty())
    {
        return Err(Fault::BadRequest(
            "Volume type name can not be empty.".to_owned(),
        ));
    }
    if changes.name.is_none() && changes.description.is_none() && changes.is_public.is_none() {
        return Err(Fault::BadRequest(
            "Specify volume type name, description, is_public or a combination thereof.".to_owned(),
        ));
    }
    let id = call.path("id").to_owned();
    let changed = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = store::locked::<Entity>(&tx, &id).await?;
        let mut row = row.ok_or_else(|| Fault::no_type(&id))?;
        if let Some(name) = changes.name.as_ref().filter(|name| **name != row.name) {
            quotas::rename(&tx, &row.name, name).await?;
            name.clone_into(&mut row.name);
        }
        if changes.description.is_some() {
            row.description.clone_from(&changes.description);
        }
        if let Some(Flag(public)) = changes.is_public {
            row.is_public = public;
        }
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        let kind = rows::find(&tx, &id).await?;
        tx.commit().await?;
        kind.ok_or_else(|| Fault::no_type(&id))
    })
    .await;
    match changed {
        Err(Fault::Database(error)) if error.is_duplicate() => {
            Err(taken(changes.name.as_deref().unwrap_or_default()))
        }
        other => {
            let kind = other?;
            // As Cinder, which shows these where a type is made, listed or shown.
            let view = TypeView {
                qos_specs_id: None,
                access: None,
                ..view(&volumes, &call.cx, &kind)
            };
            call.render_under("volume_type", &view)
        }
    }
}

/// `DELETE /types/{id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &own(&call.cx))?;
    let id = call.path("id");
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = store::locked::<Entity>(&tx, id).await?;
        let row = row.ok_or_else(|| Fault::no_type(id))?;
        if Entity::find().count(&tx).await? == 1 {
            return Err(Fault::BadRequest(format!(
                "The volume type {id} is the only currently defined volume type and cannot be deleted."
            )));
        }
        if row.name == volumes.settings().default_type || rows::is_a_default(&tx, id).await? {
            return Err(Fault::BadRequest(format!(
                "The volume type {id} is a default volume type and cannot be deleted."
            )));
        }
        if rows::volumes(&tx, id).await? > 0 || rows::groups(&tx, id).await? > 0 {
            return Err(Fault::BadRequest("Target volume type is still in use.".to_owned()));
        }
        access::forget(&tx, id).await?;
        properties::forget(&tx, Owner::Type, id).await?;
        store::remove::<Entity>(&tx, id).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}
