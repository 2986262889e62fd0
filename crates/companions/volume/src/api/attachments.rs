//! Attachments.

use microversion::Versioned;
use rest::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::words::check_name;
use super::{Call, Cx, listed_project, listing};
use crate::attach;
use crate::db::list as pages;
use crate::db::store;
use crate::exports::secret;
use crate::fault::Fault;
use crate::fields::ATTACHMENTS;
use crate::policy;
use crate::service::Volumes;
use crate::tables::attachment::{Column, Entity, Model};
use crate::tables::{Word, volume};

/// An attachment in a list: where its data lies is not in it.
#[derive(Debug, Serialize, Versioned)]
pub struct AttachmentView<'v> {
    pub id: &'v str,
    pub status: String,
    pub instance: Option<&'v str>,
    pub volume_id: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detached_at: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach_mode: Option<&'v str>,
    #[mv(opaque)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_info: Option<Value>,
}

/// A page of the list.
#[derive(Debug, Serialize, Versioned)]
pub struct AttachmentPage<'v> {
    pub attachments: Vec<AttachmentView<'v>>,
}

fn brief(row: &Model) -> AttachmentView<'_> {
    AttachmentView {
        id: &row.id,
        status: row.status.word(),
        instance: row.instance_id.as_deref(),
        volume_id: &row.volume_id,
        attached_at: None,
        detached_at: None,
        attach_mode: None,
        connection_info: None,
    }
}

/// An attachment; `told`: with how the volume is reached.
fn detail<'r>(volumes: &Volumes, row: &'r Model, told: bool) -> AttachmentView<'r> {
    let info = row.connection.as_deref().filter(|_| told);
    let info = info.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let info = info.map(|info| secret::opened(volumes.core(), info));
    AttachmentView {
        attached_at: Some(
            row.attached_at
                .map(web::time::naive_micros)
                .unwrap_or_default(),
        ),
        detached_at: Some(""),
        attach_mode: Some(row.mode.as_deref().unwrap_or(attach::UNSAID)),
        connection_info: told.then(|| info.map_or_else(|| json!({}), |info| flat(row, info))),
        ..brief(row)
    }
}

/// As Cinder shows it: what the host needs beside the protocol, with the ids.
fn flat(row: &Model, info: Value) -> Value {
    let mut flat = info["data"].clone();
    flat["driver_volume_type"] = info["driver_volume_type"].clone();
    flat["attachment_id"] = json!(row.id);
    flat["volume_id"] = json!(row.volume_id);
    // The form of `os-initialize_connection`, which hypervisors' drivers read.
    flat["data"] = info["data"].clone();
    flat
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateAttachment {
    pub attachment: NewAttachment,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewAttachment {
    #[mv(format = "uuid")]
    pub volume_uuid: String,
    #[mv(format = "uuid")]
    pub instance_uuid: Option<String>,
    #[mv(opaque)]
    pub connector: Option<Value>,
    #[mv(since = "3.54", one_of("rw", "ro"))]
    pub mode: Option<String>,
}

fn connector(given: Option<Value>) -> Result<Option<Value>, Fault> {
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(all)) if all.is_empty() => Ok(None),
        Some(connector @ Value::Object(_)) => {
            for field in ["host", "mountpoint"] {
                check_name(field, connector[field].as_str().unwrap_or_default())?;
            }
            Ok(Some(connector))
        }
        Some(other) => Err(Fault::BadRequest(format!(
            "Invalid input for field/attribute connector. Value: {other}. {other} is not of type 'object', 'null'"
        ))),
    }
}

/// `POST /attachments`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CreateAttachment { attachment: new } = call.admit()?;
    let connector = connector(new.connector)?;
    let cx = call.cx.clone();
    let row = find_volume(&volumes, &cx, &new.volume_uuid).await?;
    volumes.allow(&cx, &policy::target(&row.project_id, &row.user_id))?;
    let mode = new.mode.as_deref().unwrap_or(attach::UNSAID);
    let made = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let of = (row.id.as_str(), new.instance_uuid.as_deref());
        let made = attach::reserve(&volumes, &cx.caller, &tx, of, mode).await?;
        tx.commit().await?;
        Ok::<_, Fault>(made)
    })
    .await?;
    let made = match connector {
        None => made,
        Some(connector) => match attach::connect(&volumes, &made.id, &connector, false).await {
            Ok(made) => made,
            Err(fault) => {
                // What was reserved for nothing is given back.
                give_back(&volumes, &made).await;
                return Err(fault);
            }
        },
    };
    call.render_under("attachment", &detail(&volumes, &made, true))
}

async fn give_back(volumes: &Volumes, made: &Model) {
    let given = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        attach::remove(&tx, None, &made.volume_id, &made.id).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await;
    if let Err(fault) = given {
        tracing::warn!(%fault, attachment = made.id, "a reservation could not be given back");
    }
}

async fn find_volume(volumes: &Volumes, cx: &Cx, id: &str) -> Result<volume::Model, Fault> {
    let found = store::find::<volume::Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    cx.guard.note();
    found.ok_or_else(|| Fault::no_volume(id))
}

/// Whether the caller is told how the volume is reached.
fn is_told(volumes: &Volumes, cx: &Cx, row: &Model) -> bool {
    let target = policy::target(&row.project_id, "");
    policy::is_service_request(&cx.caller)
        || volumes.may("volume:attachment_update", &cx.caller, &target)
}

/// `GET /attachments/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = attach::find(&volumes, &call.cx.caller, call.path("id")).await?;
    let told = is_told(&volumes, &call.cx, &row);
    call.render_under("attachment", &detail(&volumes, &row, told))
}

/// `GET /attachments`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let found = page(&volumes, &call).await?;
    call.render(&AttachmentPage {
        attachments: found.iter().map(brief).collect(),
    })
}

/// `GET /attachments/detail`: services read how volumes are reached, nobody else does in lists.
pub async fn list_detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let found = page(&volumes, &call).await?;
    let told = policy::is_service_request(&call.cx.caller);
    call.render(&AttachmentPage {
        attachments: found
            .iter()
            .map(|row| detail(&volumes, row, told))
            .collect(),
    })
}

async fn page(volumes: &Volumes, call: &Call) -> Result<Vec<Model>, Fault> {
    let asked = listing(volumes, call, &ATTACHMENTS)?;
    let cx = &call.cx;
    // A service works with the attachments of all projects.
    let project = match policy::is_service(&cx.caller) {
        true => None,
        false => listed_project(cx, &asked),
    };
    let of = Condition::all().add_option(project.map(|id| Column::ProjectId.eq(id)));
    let base = Entity::find().filter(of);
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(attach::find(volumes, &cx.caller, id).await?),
    };
    Ok(pages::page(volumes.db().read(), base, &asked, marker.as_ref()).await?)
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateAttachment {
    pub attachment: Connect,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Connect {
    #[mv(opaque)]
    pub connector: Value,
}

/// `PUT /attachments/{id}`.
pub async fn update(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let UpdateAttachment {
        attachment: Connect { connector: given },
    } = call.admit()?;
    let wanted = connector(Some(given))?.ok_or_else(|| {
        Fault::BadRequest(
            "Invalid input for field/attribute connector. Value: {}. {} does not have enough properties".to_owned(),
        )
    })?;
    let row = found(&volumes, &call.cx, call.path("id")).await?;
    let row = attach::connect(&volumes, &row.id, &wanted, true).await?;
    call.render_under("attachment", &detail(&volumes, &row, true))
}

/// The attachment, if the rule of the call lets the caller.
async fn found(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    cx.guard.note();
    let row = attach::find(volumes, &cx.caller, id).await?;
    volumes.allow(cx, &policy::target(&row.project_id, ""))?;
    Ok(row)
}

/// `POST /attachments/{id}/action` `os-complete`.
pub async fn complete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = found(&volumes, &call.cx, call.path("id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        attach::complete(&tx, &row.id).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    Ok(Answer::empty())
}

/// `DELETE /attachments/{id}`: gives those that are left.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = found(&volumes, &call.cx, call.path("id")).await?;
    let left = attach::end(&volumes, &call.cx.caller, &row.volume_id, &row.id).await?;
    call.render(&AttachmentPage {
        attachments: left.iter().map(brief).collect(),
    })
}
