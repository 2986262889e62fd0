//! `POST /os-server-external-events`: what other services tell of servers.

use std::sync::Arc;

use compute_control::servers::events::{self, Event, Taken};
use http::StatusCode;
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Id;

/// The code of a request of which some events were not taken.
const SOME: StatusCode = StatusCode::MULTI_STATUS;

pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: TellEvents = call.admit()?;
    let told: Vec<Event> = request
        .events
        .iter()
        .map(|event| Event {
            name: event.name.as_str().to_owned(),
            server_id: event.server_uuid.0.clone(),
            tag: event.tag.clone(),
        })
        .collect();
    let taken = events::take(&api.control, &call.cx, &told).await?;
    let views = request.events.iter().zip(&taken).map(|(event, taken)| {
        let (status, code) = match taken {
            Taken::Yes => (Status::Completed, 200),
            Taken::NoTag => (Status::Failed, 400),
            Taken::NoServer => (Status::Failed, 404),
            Taken::NoHost => (Status::Failed, 422),
        };
        EventView {
            name: event.name,
            server_uuid: &event.server_uuid.0,
            status,
            tag: event.tag.as_deref(),
            code,
        }
    });
    let events = Events {
        events: views.collect(),
    };
    let answer = call.render::<_, Fault>(&events)?;
    match taken.iter().all(|taken| *taken == Taken::Yes) {
        true => Ok(answer),
        false => Ok(answer.with_code(SOME)),
    }
}

#[derive(Debug, Deserialize, Versioned)]
pub struct TellEvents {
    #[mv(min_items = 1)]
    pub events: Vec<NewEvent>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewEvent {
    pub name: Name,
    pub server_uuid: Id,
    /// Checked and not read: an answer says what became of the event.
    pub status: Option<Status>,
    /// What the event is about: a port, a volume.
    #[mv(max_length = 255)]
    pub tag: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Versioned)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    NetworkChanged,
    NetworkVifPlugged,
    NetworkVifUnplugged,
    NetworkVifDeleted,
    #[mv(since = "2.51")]
    VolumeExtended,
    #[mv(since = "2.76")]
    PowerUpdate,
    #[mv(since = "2.82")]
    AcceleratorRequestBound,
    #[mv(since = "2.93")]
    VolumeReimaged,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Name::NetworkChanged => "network-changed",
            Name::NetworkVifPlugged => "network-vif-plugged",
            Name::NetworkVifUnplugged => "network-vif-unplugged",
            Name::NetworkVifDeleted => "network-vif-deleted",
            Name::VolumeExtended => "volume-extended",
            Name::PowerUpdate => "power-update",
            Name::AcceleratorRequestBound => "accelerator-request-bound",
            Name::VolumeReimaged => "volume-reimaged",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Versioned)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Failed,
    Completed,
    InProgress,
}

#[derive(Serialize, Versioned)]
pub struct Events<'v> {
    pub events: Vec<EventView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct EventView<'v> {
    pub name: Name,
    pub server_uuid: &'v str,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<&'v str>,
    pub code: u16,
}
