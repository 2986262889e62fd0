//! Services that reported themselves, and what operators decide about them.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, has};
use crate::db::services as rows;
use crate::fault::Fault;
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::Word;
use crate::tables::service::{Binary, Model};

/// `GET /os-services`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let query = call.pairs();
    let db = volumes.db().read();
    let binary = match query.last("binary") {
        None => None,
        Some(word) => match Binary::from_word(word) {
            Some(binary) => Some(binary),
            None => return Ok(Answer::of(&json!({"services": []}))),
        },
    };
    let now = sql::now(db).await?;
    let found = rows::list(db, binary, query.last("host")).await?;
    let all: Vec<Value> = found.iter().map(|row| view(&call, row, now)).collect();
    Ok(Answer::of(&json!({"services": all})))
}

fn view(call: &Call, row: &Model, now: chrono::DateTime<chrono::Utc>) -> Value {
    let mut view = json!({
        "binary": row.binary.word(),
        "host": row.host,
        "zone": row.zone,
        "status": if row.disabled { "disabled" } else { "enabled" },
        "state": if rows::is_up(row, now) { "up" } else { "down" },
        "updated_at": web::time::naive_micros(row.seen_at),
        "disabled_reason": row.disabled_reason,
    });
    if has(call, version(7)) {
        view["cluster"] = Value::Null;
    }
    if row.binary == Binary::Volume {
        view["replication_status"] = json!("disabled");
        view["active_backend_id"] = Value::Null;
        view["frozen"] = json!(row.frozen);
        if has(call, version(49)) {
            let pool: Value = serde_json::from_str(&row.pool).unwrap_or_default();
            view["backend_state"] = pool["backend_state"].clone();
        }
    }
    view
}

/// The host of a service, as Cinder takes it.
#[derive(Debug, Deserialize, Versioned)]
#[mv(
    min_length = 1,
    max_length = 255,
    pattern = r"^[a-zA-Z0-9\-._#@:/+\[\]]*$"
)]
pub struct Host(pub String);

/// A service that is to work or to rest.
#[derive(Debug, Deserialize, Versioned)]
pub struct Switched {
    #[mv(nullable)]
    pub host: Option<Host>,
    #[mv(min_length = 1, max_length = 255)]
    pub service: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub binary: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub cluster: Option<String>,
}

/// A service that is to rest, and why.
#[derive(Debug, Deserialize, Versioned)]
pub struct Resting {
    #[mv(nullable)]
    pub host: Option<Host>,
    #[mv(min_length = 1, max_length = 255)]
    pub service: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub binary: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub cluster: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub disabled_reason: Option<String>,
}

/// A back end that is to be frozen or thawed.
#[derive(Debug, Deserialize, Versioned)]
pub struct Frozen {
    #[mv(nullable)]
    pub host: Option<Host>,
    #[mv(nullable, max_length = 255)]
    pub cluster: Option<String>,
}

/// From here on a cluster may be named instead of a host that is to be frozen or thawed.
const CLUSTERS: microversion::Version = version(26);

/// `PUT /os-services/enable`.
pub async fn enable(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let named: Switched = call.admit()?;
    switch(&volumes, named, false, None).await
}

/// `PUT /os-services/disable`.
pub async fn disable(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let named: Switched = call.admit()?;
    switch(&volumes, named, true, None).await
}

/// `PUT /os-services/disable-log-reason`.
pub async fn disable_with_reason(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let Resting {
        host,
        service,
        binary,
        cluster,
        disabled_reason,
    } = call.admit()?;
    let reason = disabled_reason
        .ok_or_else(|| Fault::BadRequest("'disabled_reason' is a required property".to_owned()))?;
    let named = Switched {
        host,
        service,
        binary,
        cluster,
    };
    switch(&volumes, named, true, Some(reason)).await
}

async fn switch(
    volumes: &Volumes,
    named: Switched,
    disabled: bool,
    reason: Option<String>,
) -> Result<Answer, Fault> {
    let word = named.binary.or(named.service).ok_or_else(|| {
        Fault::BadRequest("'binary' or 'service' is a required property".to_owned())
    })?;
    let host = named.host.map(|host| host.0).ok_or_else(no_host)?;
    // Only hosts have services here, and Cinder looks at no cluster either.
    tracing::debug!(host, word, cluster = named.cluster, "a service is switched");
    let missing = || Fault::NotFound(format!("Service {word} could not be found on host {host}."));
    let binary = Binary::from_word(&word).ok_or_else(missing)?;
    let done = rows::enable(
        volumes.db().write(),
        (binary, &host),
        disabled,
        reason.as_deref(),
    );
    if !done.await? {
        return Err(missing());
    }
    let mut answer = json!({
        "host": host,
        "service": word,
        "binary": word,
        "disabled": disabled,
        "status": if disabled { "disabled" } else { "enabled" },
    });
    if let Some(reason) = reason {
        answer["disabled_reason"] = json!(reason);
    }
    Ok(Answer::of(&answer))
}

/// `PUT /os-services/freeze`: no new volumes and snapshots on a back end.
pub async fn freeze(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    set_frozen(volumes, call, true).await
}

/// `PUT /os-services/thaw`.
pub async fn thaw(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    set_frozen(volumes, call, false).await
}

fn no_host() -> Fault {
    Fault::InvalidInput("Host field is missing.".to_owned())
}

async fn set_frozen(volumes: Volumes, mut call: Call, frozen: bool) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let Frozen { host, cluster } = call.admit()?;
    let host = named(&call, host, cluster)?;
    if rows::freeze(volumes.db().write(), &host, frozen).await? {
        return Ok(Answer::empty());
    }
    let expected = if frozen { "False" } else { "True" };
    Err(unchanged(
        &volumes,
        &host,
        &format!("frozen in ['{host}'] must be {expected}"),
    )
    .await?)
}

/// The host of the back end that is meant. Of clusters, which may be named from [`CLUSTERS`] on, there are none.
fn named(call: &Call, host: Option<Host>, cluster: Option<String>) -> Result<String, Fault> {
    let clusters = has(call, CLUSTERS);
    match (host, cluster.filter(|name| clusters && !name.is_empty())) {
        (Some(Host(host)), None) => Ok(host),
        (None, Some(cluster)) => Err(Fault::InvalidInput(format!(
            "No service found with cluster={cluster}"
        ))),
        _ if clusters => {
            let why = "One and only one of cluster and host must be set.";
            Err(Fault::InvalidInput(why.to_owned()))
        }
        _ => Err(no_host()),
    }
}

/// Why nothing changed on a back end: it is none, or not as it must be.
async fn unchanged(volumes: &Volumes, host: &str, must: &str) -> Result<Fault, Fault> {
    let there = rows::find(volumes.db().read(), Binary::Volume, host).await?;
    Ok(Fault::InvalidInput(match there {
        Some(_) => format!("No service could be changed: {must} to failover."),
        None => format!("No service found with host={host}"),
    }))
}

/// A back end whose copies are to take its place.
#[derive(Debug, Deserialize, Versioned)]
pub struct FailedOver {
    #[mv(nullable)]
    pub host: Option<Host>,
    #[mv(nullable, max_length = 255)]
    pub backend_id: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub cluster: Option<String>,
}

/// `PUT /os-services/failover_host` and `PUT /os-services/failover`: refused as by a Cinder none of whose back ends has
/// copies.
pub async fn fail_over(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let FailedOver {
        host,
        backend_id,
        cluster,
    } = call.admit()?;
    let host = named(&call, host, cluster)?;
    tracing::debug!(
        host,
        backend_id,
        "a back end without copies is to fail over"
    );
    let must = format!(
        "replication_status in ['{host}'] must be ['enabled', 'failed-over'] and must be up"
    );
    Err(unchanged(&volumes, &host, &must).await?)
}
