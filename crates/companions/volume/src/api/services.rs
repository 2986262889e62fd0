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

#[derive(Debug, Deserialize, Versioned)]
pub struct Named {
    #[mv(
        nullable,
        min_length = 1,
        max_length = 255,
        pattern = r"^[a-zA-Z0-9\-._#@:/+]*$"
    )]
    pub host: Option<String>,
    #[mv(max_length = 255)]
    pub service: Option<String>,
    #[mv(max_length = 255)]
    pub binary: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub disabled_reason: Option<String>,
}

/// `PUT /os-services/enable`.
pub async fn enable(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    switch(volumes, call, false, false).await
}

/// `PUT /os-services/disable`.
pub async fn disable(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    switch(volumes, call, true, false).await
}

/// `PUT /os-services/disable-log-reason`.
pub async fn disable_with_reason(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    switch(volumes, call, true, true).await
}

async fn switch(
    volumes: Volumes,
    mut call: Call,
    disabled: bool,
    with_reason: bool,
) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let named: Named = call.admit()?;
    let host = named.host.unwrap_or_default();
    let word = named
        .binary
        .filter(|binary| !binary.is_empty())
        .or(named.service);
    let word = word.unwrap_or_default();
    if host.is_empty() {
        return Err(Fault::InvalidInput("Host field is missing.".to_owned()));
    }
    let reason = named.disabled_reason.filter(|_| with_reason);
    if with_reason && reason.is_none() {
        return Err(Fault::BadRequest(
            "'disabled_reason' is a required property".to_owned(),
        ));
    }
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

async fn set_frozen(volumes: Volumes, mut call: Call, frozen: bool) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let named: Named = call.admit()?;
    let host = named.host.unwrap_or_default();
    if host.is_empty() {
        return Err(Fault::InvalidInput("Host field is missing.".to_owned()));
    }
    if rows::freeze(volumes.db().write(), &host, frozen).await? {
        return Ok(Answer::empty());
    }
    let there = rows::find(volumes.db().read(), Binary::Volume, &host)
        .await?
        .is_some();
    Err(Fault::InvalidInput(match there {
        true => format!(
            "No service could be changed: frozen in ['{host}'] must be {} to failover.",
            if frozen { "False" } else { "True" }
        ),
        false => format!("No service found with host={host}"),
    }))
}
