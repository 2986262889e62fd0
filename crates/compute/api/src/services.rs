//! The compute service's own services.

use std::sync::Arc;

use compute_control::services::{self, Named, ServiceStatus, Update};
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::{FORCE_DOWN, IDS_OF_HOSTS};
use crate::words::{Flag, Fqdn};

/// `GET /os-services`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let ListServices { host, binary } = call.admit_query()?;
    let cx = call.cx.clone();
    let found = services::list(&api.control, &cx, host.as_deref(), binary.as_deref()).await?;
    let views: Vec<_> = found.iter().map(view).collect();
    call.render_under("services", &views)
}

/// `PUT /os-services/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let asked: UpdateService = call.admit()?;
    if !call.version.at_least(IDS_OF_HOSTS) {
        return by_verb(&api, &call, asked).await;
    }
    let update = Update {
        enabled: asked.status.map(|status| status == "enabled"),
        disabled_reason: asked.disabled_reason,
        forced_down: asked.forced_down.map(|Flag(down)| down),
    };
    let seen = services::update(&api.control, &call.cx, call.path("id"), &update).await?;
    call.render_under("service", &view(&seen))
}

/// Until 2.52 the last part of the path is what to do, and the body says to which service.
async fn by_verb(api: &Api, call: &Call, asked: UpdateService) -> Result<Answer, Fault> {
    let (Some(Fqdn(host)), Some(binary)) = (asked.host, asked.binary) else {
        return Err(Fault::malformed());
    };
    let update = match call.path("id") {
        "enable" => Update {
            enabled: Some(true),
            ..Update::default()
        },
        "disable" => Update {
            enabled: Some(false),
            ..Update::default()
        },
        "disable-log-reason" if asked.disabled_reason.is_none() => {
            return Err(Fault::bad_request("Missing disabled reason field"));
        }
        "disable-log-reason" => Update {
            enabled: Some(false),
            disabled_reason: asked.disabled_reason,
            ..Update::default()
        },
        "force-down" if call.version.at_least(FORCE_DOWN) => {
            let Some(Flag(down)) = asked.forced_down else {
                return Err(Fault::bad_request("Missing forced_down field"));
            };
            Update {
                forced_down: Some(down),
                ..Update::default()
            }
        }
        _ => return Err(Fault::not_found("Unknown action")),
    };
    services::update_on(&api.control, &call.cx, &host, &binary, &update).await?;
    let changed = ServiceChanged {
        host: &host,
        binary: &binary,
        status: update.enabled.map(status),
        disabled_reason: update.disabled_reason.as_deref(),
        forced_down: update.forced_down,
    };
    call.render_under("service", &changed)
}

/// `DELETE /os-services/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let id = call.path("id");
    let named = match call.version.at_least(IDS_OF_HOSTS) {
        true => Named::Id(id),
        false => Named::Number(id),
    };
    services::delete(&api.control, &call.cx, named).await?;
    Ok(Answer::empty())
}

fn view(seen: &ServiceStatus) -> ServiceView<'_> {
    let service = &seen.service;
    ServiceView {
        number: service.seq,
        id: &service.id,
        binary: &service.binary,
        host: &service.host,
        zone: &seen.zone,
        status: status(!service.disabled),
        state: state(seen.up),
        updated_at: service
            .last_seen
            .or(service.updated_at)
            .map(web::time::naive_micros),
        disabled_reason: service.disabled_reason.as_deref(),
        forced_down: service.forced_down,
    }
}

pub(crate) fn status(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

pub(crate) fn state(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

/// A service. Counted until 2.52, known by UUID since.
#[derive(Serialize, Versioned)]
pub struct ServiceView<'v> {
    #[mv(wire = "id", until = "2.52")]
    pub number: i64,
    #[mv(since = "2.53")]
    pub id: &'v str,
    pub binary: &'v str,
    pub host: &'v str,
    pub zone: &'v str,
    /// `enabled` or `disabled`.
    pub status: &'static str,
    /// `up` or `down`.
    pub state: &'static str,
    pub updated_at: Option<String>,
    pub disabled_reason: Option<&'v str>,
    #[mv(since = "2.11")]
    pub forced_down: bool,
}

/// The answers to the verbs that changed a service until 2.52.
#[derive(Serialize, Versioned)]
pub struct ServiceChanged<'v> {
    pub host: &'v str,
    pub binary: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<&'v str>,
    #[mv(since = "2.11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced_down: Option<bool>,
}

/// `PUT /os-services/{id}`: until 2.52 the id is a verb and the body names the service.
#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateService {
    #[mv(until = "2.52", required_since = "2.0")]
    pub host: Option<Fqdn>,
    #[mv(
        until = "2.52",
        required_since = "2.0",
        min_length = 1,
        max_length = 255
    )]
    pub binary: Option<String>,
    #[mv(since = "2.53", one_of("enabled", "disabled"))]
    pub status: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub disabled_reason: Option<String>,
    #[mv(since = "2.11")]
    pub forced_down: Option<Flag>,
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ListServices {
    pub host: Option<String>,
    pub binary: Option<String>,
}
