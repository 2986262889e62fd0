//! Messages for users.

use microversion::Versioned;
use rest::Answer;
use serde::Serialize;
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use web::Query;

use super::words::{Link, links};
use super::{Call, Cx, has, next_links};
use crate::db::list as pages;
use crate::db::store;
use crate::fault::Fault;
use crate::fields::MESSAGES;
use crate::listing::{self, Asker};
use crate::messages::sentence;
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::message::{Column, Entity, Model};

/// A message.
#[derive(Debug, Serialize, Versioned)]
pub struct MessageView<'v> {
    pub id: &'v str,
    pub event_id: &'v str,
    pub user_message: String,
    pub message_level: &'v str,
    pub created_at: String,
    pub guaranteed_until: String,
    pub request_id: &'v str,
    pub links: Vec<Link>,
    pub resource_type: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_uuid: Option<&'v str>,
}

/// A page of the list.
#[derive(Debug, Serialize, Versioned)]
pub struct MessagePage<'v> {
    pub messages: Vec<MessageView<'v>>,
    #[mv(wire = "messages_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

fn view<'v>(call: &Call, row: &'v Model) -> MessageView<'v> {
    MessageView {
        id: &row.id,
        event_id: &row.event_id,
        user_message: sentence(row),
        message_level: &row.message_level,
        created_at: web::time::naive_micros(row.created_at),
        guaranteed_until: web::time::naive_micros(row.expires_at),
        request_id: &row.request_id,
        links: links(call, &format!("messages/{}", row.id)),
        resource_type: &row.resource_type,
        resource_uuid: row.resource_uuid.as_deref(),
    }
}

/// From here on the list has pages, filters and an order.
const PAGES: microversion::Version = version(5);

/// `GET /messages`: of all projects for administrators.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    volumes.allow(cx, &policy::own(&cx.caller))?;
    let admin = volumes.is_admin(&cx.caller);
    let asker = Asker {
        admin,
        version: call.version,
        max_page: volumes.settings().max_page,
    };
    let query = match has(&call, PAGES) {
        true => call.pairs(),
        false => Query::parse(""),
    };
    let asked = listing::read(&query, &MESSAGES, asker)?;
    let own = cx.caller.project_id.as_deref().unwrap_or_default();
    let of = Condition::all().add_option((!admin).then(|| Column::ProjectId.eq(own)));
    let db = volumes.db().read();
    let marker = match &asked.marker {
        None => None,
        Some(id) => Some(seen(&volumes, cx, id).await?),
    };
    let found = pages::page(db, Entity::find().filter(of), &asked, marker.as_ref()).await?;
    let last = found.last().map(|row| row.id.as_str());
    let next = next_links(&call, "messages", asked.limit, found.len(), last);
    call.render(&MessagePage {
        messages: found.iter().map(|row| view(&call, row)).collect(),
        next: next.filter(|_| has(&call, PAGES)),
    })
}

async fn seen(volumes: &Volumes, cx: &Cx, id: &str) -> Result<Model, Fault> {
    let found = store::find::<Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    found.ok_or_else(|| Fault::NotFound(format!("Message {id} could not be found.")))
}

async fn find(volumes: &Volumes, call: &Call) -> Result<Model, Fault> {
    call.cx.guard.note();
    let row = seen(volumes, &call.cx, call.path("id")).await?;
    let target = policy::target(&row.project_id, "");
    volumes.allow(&call.cx, &target)?;
    Ok(row)
}

/// `GET /messages/{id}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call).await?;
    call.render_under("message", &view(&call, &row))
}

/// `DELETE /messages/{id}`.
pub async fn delete(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let row = find(&volumes, &call).await?;
    store::remove::<Entity>(volumes.db().write(), &row.id).await?;
    Ok(Answer::empty())
}
