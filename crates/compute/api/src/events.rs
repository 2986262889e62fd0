//! `GET /servers/events`: the sequence of events of servers, as a stream or in pages. Nova has no such call.
//!
//! A stream is one of server-sent events: each has its number as `id`, so that a client that lost its connection goes
//! on behind the last one it saw (`Last-Event-ID`, which browsers send by themselves, or `after`). Whoever asks for JSON
//! alone is given a page. A stream holds a place in the sequence and what its client is being sent; it ends when its
//! user loses the right to it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use compute_control::events::{self, News, Scope, Watch};
use compute_control::{Context, ControlError};
use compute_model::event::ServerEvent;
use http::{HeaderMap, HeaderName, header};
use microversion::{Patch, Version, Versioned, render_bytes};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use web::AuthError;
use web::rights::{self, Ending};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::servers::list::all_projects;

/// A stream says at least so often that it is there, and up to which number its client has seen everything. Proxies
/// close connections that are silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// After so many milliseconds a client asks again when its connection broke off.
const RETRY_MS: u32 = 2000;

const EVENT_STREAM: &str = "text/event-stream";

/// `GET /servers/events`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: WatchEvents = call.admit_query()?;
    let all = all_projects(asked.all_tenants.as_deref())?;
    let scope = events::scope(&api.control, &call.cx, all)?;
    let place = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let after = last_seen(&call.headers)?.or(asked.after.map(|after| after.0));
    let after = after.map(place);
    if wants_page(&call.headers) {
        let most = api.control.settings.max_limit;
        let limit = asked.limit.map_or(most, |limit| limit.0.min(most));
        let page = events::page(&api.control, &scope, after, limit).await?;
        let events = page.events.iter().map(|event| view(event, scope.hosts));
        return call.render(&EventPage {
            events: events.collect(),
            after: page.upto,
        });
    }
    if asked.limit.is_some() {
        return Err(Fault::bad_request(
            "A stream has no limit: it is for pages.",
        ));
    }
    let watch = events::watch(&api.control, &call.cx, scope, after).await?;
    let buffering = HeaderName::from_static("x-accel-buffering");
    let head = Answer::empty()
        .with_header(header::CONTENT_TYPE, EVENT_STREAM)
        .with_header(header::CACHE_CONTROL, "no-store")
        .with_header(buffering, "no");
    Ok(Answer {
        body: Some(stream(api, call.cx, all, watch, call.version)),
        ..head
    })
}

/// The number of the last event that a client saw before its connection broke off: it is newer than that of the query.
fn last_seen(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get("last-event-id").filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || Fault::bad_request("Last-Event-ID must be the number of an event.");
    number.map(Some).ok_or_else(wrong)
}

/// Whether a client takes JSON and no stream.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let names = |media: &str| accept.is_some_and(|accept| accept.contains(media));
    names("application/json") && !names(EVENT_STREAM)
}

/// Why a stream ends that could go on.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the token of its user was revoked or expired")]
    Token,
    #[error("its user may not see all of this any more")]
    Rule,
    /// Nobody could be asked; the text is for the log.
    #[error("nobody says whether its user still has the right")]
    Silence(String),
}

impl Ending for Lost {
    fn silence(why: String) -> Self {
        Lost::Silence(why)
    }

    fn silent(&self) -> Option<&str> {
        match self {
            Lost::Silence(why) => Some(why),
            Lost::Token | Lost::Rule => None,
        }
    }
}

/// Waits until the user of a stream may not see what it shows.
async fn lost(api: Arc<Api>, cx: Context, all: bool, scope: Scope) -> Lost {
    let interval = api.control.settings.event_check_interval;
    let (api, cx, scope) = (api.as_ref(), &cx, &scope);
    rights::lost(interval, move || rights::look(look(api, cx, all, scope))).await
}

async fn look(api: &Api, cx: &Context, all: bool, scope: &Scope) -> Result<(), Lost> {
    // Without a service's token beside it: one that expired is not good here.
    let asked = api.authenticator.authenticate(cx.token(), None).await;
    let caller = asked.map_err(|error| match error {
        AuthError::Unauthorized => Lost::Token,
        AuthError::Unavailable(why) => Lost::Silence(why),
    })?;
    let now = Context {
        caller,
        ..cx.clone()
    };
    match events::scope(&api.control, &now, all) {
        Ok(seen) if seen == *scope => Ok(()),
        Ok(_) | Err(_) => Err(Lost::Rule),
    }
}

/// An open stream.
struct Open {
    watch: Watch,
    version: Version,
    lost: Pin<Box<dyn Future<Output = Lost> + Send>>,
    begun: bool,
}

/// What a client is sent next.
enum Part {
    More(Vec<u8>),
    Last(Vec<u8>),
}

fn stream(api: Arc<Api>, cx: Context, all: bool, watch: Watch, version: Version) -> Body {
    let open = Open {
        lost: Box::pin(lost(api, cx, all, watch.scope().clone())),
        watch,
        version,
        begun: false,
    };
    let parts = futures::stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        match open.next().await {
            Part::More(text) => Some((Ok::<_, Infallible>(text), Some(open))),
            Part::Last(text) => Some((Ok(text), None)),
        }
    });
    Body::from_stream(parts)
}

impl Open {
    async fn next(&mut self) -> Part {
        if !self.begun {
            self.begun = true;
            let after = self.watch.after();
            return Part::More(format!("retry: {RETRY_MS}\nid: {after}\n\n").into_bytes());
        }
        let until = Instant::now() + HEARTBEAT;
        tokio::select! {
            biased;
            lost = &mut self.lost => ended(&lost.to_string()),
            news = self.watch.next(until) => self.told(news),
        }
    }

    fn told(&self, news: Result<News, ControlError>) -> Part {
        match news {
            Ok(News::Events(events)) => self.written(&events),
            // An id without data moves the place of a client that had nothing to see.
            Ok(News::Quiet) => {
                let after = self.watch.after();
                Part::More(format!(": alive\nid: {after}\n\n").into_bytes())
            }
            Ok(News::Closed) => ended("the service ends: ask again"),
            Err(ControlError::Gone { why }) => ended(&why),
            Err(error) => {
                tracing::warn!(%error, "a stream of events cannot be read on");
                ended("the events cannot be read now: ask again")
            }
        }
    }

    fn written(&self, events: &[Arc<ServerEvent>]) -> Part {
        let hosts = self.watch.scope().hosts;
        let mut text = Vec::new();
        for event in events {
            let head = format!(
                "id: {}\nevent: {}\ndata: ",
                event.number,
                event.kind.as_str()
            );
            text.extend_from_slice(head.as_bytes());
            match render_bytes(&view(event, hosts), self.version) {
                Ok(data) => text.extend_from_slice(&data),
                Err(error) => {
                    tracing::error!(%error, "an event cannot be written as JSON");
                    return ended("the events cannot be written");
                }
            }
            text.extend_from_slice(b"\n\n");
        }
        Part::More(text)
    }
}

/// The last word of a stream.
fn ended(why: &str) -> Part {
    tracing::info!(why, "a stream of events ends");
    let data = serde_json::json!({ "why": why });
    Part::Last(format!("event: end\ndata: {data}\n\n").into_bytes())
}

fn view(event: &ServerEvent, hosts: bool) -> ServerEventView<'_> {
    let old = event.before.zip(event.old_status());
    ServerEventView {
        number: event.number,
        event: event.kind.as_str(),
        time: web::time::micros(event.at),
        server_id: &event.server_id,
        project_id: &event.project_id,
        user_id: &event.user_id,
        status: event.status(),
        vm_state: event.after.vm_state.as_str(),
        task_state: event.after.task_state.map(|task| task.as_str()),
        power_state: event.after.power_state.number(),
        old: old.map(|(states, status)| OldStatesView {
            status,
            vm_state: states.vm_state.as_str(),
            task_state: states.task_state.map(|task| task.as_str()),
            power_state: states.power_state.number(),
        }),
        host: match (hosts, event.host.as_deref()) {
            (false, _) => Patch::Absent,
            (true, None) => Patch::Null,
            (true, Some(host)) => Patch::Value(host),
        },
    }
}

/// Some events, and the number behind which the next page begins.
#[derive(Serialize, Versioned)]
pub struct EventPage<'v> {
    pub events: Vec<ServerEventView<'v>>,
    pub after: i64,
}

/// An event: a server as it is afterwards, and its states before.
#[derive(Serialize, Versioned)]
pub struct ServerEventView<'v> {
    pub number: i64,
    pub event: &'static str,
    pub time: String,
    pub server_id: &'v str,
    pub project_id: &'v str,
    pub user_id: &'v str,
    pub status: &'static str,
    pub vm_state: &'static str,
    pub task_state: Option<&'static str>,
    pub power_state: u8,
    /// None for a new server.
    pub old: Option<OldStatesView>,
    /// For operators.
    #[serde(skip_serializing_if = "microversion::Patch::is_absent")]
    pub host: Patch<&'v str>,
}

/// The states of a server before an event.
#[derive(Serialize, Versioned)]
pub struct OldStatesView {
    pub status: &'static str,
    pub vm_state: &'static str,
    pub task_state: Option<&'static str>,
    pub power_state: u8,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.0")]
pub struct WatchEvents {
    /// The number of the last event already seen; none begins with what comes from now on.
    pub after: Option<After>,
    pub all_tenants: Option<String>,
    pub limit: Option<Most>,
}

/// The number of an event; 0 is before the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(lenient, minimum = 0)]
pub struct After(pub u64);

/// How many events a page may have at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Versioned)]
#[mv(lenient, minimum = 1)]
pub struct Most(pub u64);
