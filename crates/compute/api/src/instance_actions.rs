//! What was done to a server, by whom, and how it went.

use std::sync::Arc;

use compute_control::servers::actions::{self, Action, Page};
use compute_model::action::{ActionEvent, ActionRecord};
use compute_model::host;
use microversion::{Patch, Version, Versioned, parse_time};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::ACTIONS_OF_DELETED;
use crate::paging;
use crate::servers::shown::micros;
use crate::words::{Limit, Link, NoQuery};

/// Owners see events.
const EVENTS_FOR_ALL: Version = Version::new(2, 51);
/// Lists come in pages.
const PAGED: Version = Version::new(2, 58);

/// `GET …/os-instance-actions`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListActions = call.admit_query()?;
    let since = asked.changes_since.as_deref().and_then(parse_time);
    let before = asked.changes_before.as_deref().and_then(parse_time);
    if since
        .zip(before)
        .is_some_and(|(since, before)| since > before)
    {
        return Err(Fault::bad_request(
            "The value of changes-since must be less than or equal to changes-before.",
        ));
    }
    let size = paging::size(&api, asked.limit);
    let paged = call.version.at_least(PAGED);
    let page = Page {
        limit: paged.then_some(size),
        marker: asked.marker,
        changes_since: since,
        changes_before: before,
    };
    let id = call.path("server_id");
    let deleted_too = call.version.at_least(ACTIONS_OF_DELETED);
    let found = actions::list(&api.control, &call.cx, id, &page, deleted_too).await?;
    let path = format!("servers/{id}/os-instance-actions");
    let last = found.last().map(|record| record.request_id.as_str());
    let next = paging::next(&call, &path, size, found.len(), last);
    call.render(&Actions {
        actions: found.iter().map(|record| view(record, None)).collect(),
        links: next.filter(|_| paged),
    })
}

/// `GET …/os-instance-actions/{request id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let (id, request) = (call.path("server_id"), call.path("id"));
    let deleted_too = call.version.at_least(ACTIONS_OF_DELETED);
    let found = actions::show(&api.control, &call.cx, id, request, deleted_too).await?;
    let with_events = found.sight.tracebacks || call.version.at_least(EVENTS_FOR_ALL);
    let events = found.events.iter().map(|event| event_view(&found, event));
    let events = with_events.then(|| events.collect());
    call.render_under("instanceAction", &view(&found.record, events))
}

fn view<'v>(record: &'v ActionRecord, events: Option<Vec<EventView<'v>>>) -> ActionView<'v> {
    ActionView {
        action: &record.action,
        instance_uuid: &record.server_id,
        request_id: &record.request_id,
        user_id: record.user_id.as_deref(),
        project_id: record.project_id.as_deref(),
        start_time: micros(record.start_time),
        message: record.message.as_deref(),
        updated_at: record.updated_at.map(micros),
        events,
    }
}

fn event_view<'v>(found: &'v Action, event: &'v ActionEvent) -> EventView<'v> {
    let shown = |visible, text: Option<&'v str>| match (visible, text) {
        (false, _) => Patch::Absent,
        (true, None) => Patch::Null,
        (true, Some(text)) => Patch::Value(text),
    };
    let tracebacks = found.sight.tracebacks;
    EventView {
        event: &event.event,
        start_time: micros(event.start_time),
        finish_time: event.finish_time.map(micros),
        result: event.result.as_deref(),
        traceback: shown(tracebacks, event.traceback.as_deref()),
        host_id: host::opaque_id(&found.server.project_id, event.host.as_deref()),
        host: event.host.as_deref().filter(|_| tracebacks),
        details: shown(found.sight.details, event.details.as_deref()),
    }
}

#[derive(Serialize, Versioned)]
pub struct Actions<'v> {
    #[mv(wire = "instanceActions")]
    pub actions: Vec<ActionView<'v>>,
    /// Where the next page is, after a full one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Link>>,
}

/// An action. In a list without its events.
#[derive(Serialize, Versioned)]
pub struct ActionView<'v> {
    pub action: &'v str,
    pub instance_uuid: &'v str,
    pub request_id: &'v str,
    pub user_id: Option<&'v str>,
    pub project_id: Option<&'v str>,
    pub start_time: String,
    /// `Error` when it failed.
    pub message: Option<&'v str>,
    #[mv(since = "2.58")]
    pub updated_at: Option<String>,
    /// Until 2.50 for administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventView<'v>>>,
}

/// A step of an action.
#[derive(Serialize, Versioned)]
pub struct EventView<'v> {
    pub event: &'v str,
    pub start_time: String,
    pub finish_time: Option<String>,
    /// `Success` or `Error`, once finished.
    pub result: Option<&'v str>,
    /// For administrators.
    #[serde(skip_serializing_if = "microversion::Patch::is_absent")]
    pub traceback: microversion::Patch<&'v str>,
    #[mv(since = "2.62", wire = "hostId")]
    pub host_id: String,
    /// For administrators.
    #[mv(since = "2.62")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<&'v str>,
    /// For those who may see them.
    #[mv(since = "2.84")]
    #[serde(skip_serializing_if = "microversion::Patch::is_absent")]
    pub details: microversion::Patch<&'v str>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.58")]
pub struct ListActions {
    #[mv(since = "2.58", max_items = 1)]
    pub limit: Option<Limit>,
    #[mv(since = "2.58", max_items = 1)]
    pub marker: Option<String>,
    #[mv(
        since = "2.58",
        wire = "changes-since",
        format = "date_time",
        max_items = 1
    )]
    pub changes_since: Option<String>,
    #[mv(
        since = "2.66",
        wire = "changes-before",
        format = "date_time",
        max_items = 1
    )]
    pub changes_before: Option<String>,
}
