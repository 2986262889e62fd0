//! Clusters of back ends, of which there are none: each back end is reached through its own host. And work that services
//! left behind, of which there is none either: the journal continues all of it.

use microversion::{Version, Versioned};
use rest::Answer;
use serde::Deserialize;
use serde_json::json;

use super::words::Flag;
use super::{Call, has};
use crate::fault::Fault;
use crate::policy::{self, version};
use crate::service::Volumes;

/// What the list may be filtered by.
pub const FILTERS: [&str; 6] = [
    "name",
    "binary",
    "is_up",
    "disabled",
    "num_hosts",
    "num_down_hosts",
];
/// What it may be filtered by since it says so much.
pub const REPLICATION: [&str; 3] = ["replication_status", "frozen", "active_backend_id"];

/// The version since when it does.
pub const REPLICATED: Version = version(26);

/// `GET /clusters` and `GET /clusters/detail`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let replicated = has(&call, REPLICATED);
    let known = |key: &str| FILTERS.contains(&key) || (replicated && REPLICATION.contains(&key));
    let query = call.pairs();
    let keys = query.0.iter().map(|(key, _)| key.as_str());
    let wrong: Vec<&str> = keys.filter(|key| !known(key)).collect();
    match wrong.is_empty() {
        true => Ok(Answer::of(&json!({"clusters": []}))),
        false => Err(Fault::InvalidInput(format!(
            "Invalid filter keys: {}",
            wrong.join(", ")
        ))),
    }
}

fn missing(name: &str) -> Fault {
    Fault::NotFound(format!("Cluster {name} could not be found."))
}

/// `GET /clusters/{name}`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    Err(missing(call.path("name")))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Enable {
    #[mv(min_length = 1, max_length = 255)]
    pub name: String,
    #[mv(nullable, max_length = 255)]
    pub binary: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Disable {
    #[mv(min_length = 1, max_length = 255)]
    pub name: String,
    #[mv(nullable, max_length = 255)]
    pub binary: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub disabled_reason: Option<String>,
}

/// `PUT /clusters/enable`.
pub async fn enable(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let wish: Enable = call.admit()?;
    tracing::debug!(
        name = wish.name,
        binary = wish.binary,
        "a cluster is to be enabled, and there is none"
    );
    Err(missing(&wish.name))
}

/// `PUT /clusters/disable`.
pub async fn disable(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let wish: Disable = call.admit()?;
    tracing::debug!(
        name = wish.name,
        binary = wish.binary,
        reason = wish.disabled_reason,
        "a cluster is to be disabled, and there is none"
    );
    Err(missing(&wish.name))
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct Cleanup {
    #[mv(nullable, max_length = 255)]
    pub cluster_name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub host: Option<String>,
    #[mv(nullable, lenient)]
    pub service_id: Option<i64>,
    #[mv(one_of("cinder-volume", "cinder-scheduler"))]
    pub binary: Option<String>,
    pub is_up: Option<Flag>,
    pub disabled: Option<Flag>,
    #[mv(nullable, max_length = 40)]
    pub resource_type: Option<String>,
    #[mv(nullable, format = "uuid")]
    pub resource_id: Option<String>,
}

/// `POST /workers/cleanup`.
pub async fn cleanup(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let wish: Cleanup = call.admit()?;
    tracing::debug!(
        binary = wish.binary,
        up = wish.is_up.map(|flag| flag.0),
        disabled = wish.disabled.map(|flag| flag.0),
        "services are asked to clean up"
    );
    if let Some(kind) = &wish.resource_type
        && !["volume", "snapshot"].contains(&kind.to_lowercase().as_str())
    {
        return Err(Fault::InvalidInput(format!(
            "Resource type {kind} not valid, must be Volume or Snapshot"
        )));
    }
    let somewhere = wish.cluster_name.is_some() || wish.host.is_some() || wish.service_id.is_some();
    match wish.resource_id.filter(|_| !somewhere) {
        Some(id) => Err(Fault::InvalidInput(format!(
            "There is no resource with UUID {id} pending cleanup."
        ))),
        None => Ok(Answer::of(&json!({"cleaning": [], "unavailable": []}))),
    }
}
