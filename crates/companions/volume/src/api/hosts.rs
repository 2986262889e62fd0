//! Hosts as operators' older clients ask for them: the services that are enabled, and what projects have on a back end.
//! `os-services` and pools tell more.

use rest::Answer;
use serde_json::{Value, json};

use super::Call;
use crate::db::hosts::{self, Held};
use crate::db::services;
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::Word;
use crate::tables::service::Binary;

/// `GET /os-hosts`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let query = call.pairs();
    let zone = query.last("zone").filter(|zone| !zone.is_empty());
    let db = volumes.db().read();
    let now = sql::now(db).await?;
    let mut all = services::list(db, None, None).await?;
    all.retain(|row| !row.disabled && zone.is_none_or(|zone| row.zone == zone));
    let all = all.iter().map(|row| {
        let status = match services::is_up(row, now) {
            true => "available",
            false => "unavailable",
        };
        json!({
            "host_name": row.host,
            "service": row.binary.word(),
            "zone": row.zone,
            "service-status": status,
            "service-state": "enabled",
            "last-update": web::time::naive_micros(row.seen_at),
        })
    });
    let all: Vec<Value> = all.collect();
    Ok(Answer::of(&json!({"hosts": all})))
}

/// `GET /os-hosts/{host}`: the sum of all projects, then those that have volumes there. Numbers are texts, as with
/// Cinder.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let host = call.path("host");
    let db = volumes.db().read();
    let there = services::list(db, Some(Binary::Volume), Some(host)).await?;
    let service = there.iter().find(|row| !row.disabled);
    let service = service.ok_or_else(|| {
        let binary = Binary::Volume.word();
        Fault::NotFound(format!(
            "Service {binary} could not be found on host {host}."
        ))
    })?;
    let of_projects = hosts::held(db, &service.host).await?;
    let mut total = Held::default();
    for held in of_projects.values() {
        total.volumes.add(held.volumes);
        total.snapshots.add(held.snapshots);
    }
    let first = ("(total)", &total);
    let others = of_projects.iter().map(|(id, held)| (id.as_str(), held));
    let all: Vec<Value> = std::iter::once(first)
        .chain(others)
        .map(|(project, held)| resource(host, project, held))
        .collect();
    Ok(Answer::of(&json!({"host": all})))
}

fn resource(host: &str, project: &str, held: &Held) -> Value {
    json!({"resource": {
        "host": host,
        "project": project,
        "volume_count": held.volumes.count.to_string(),
        "total_volume_gb": held.volumes.gigabytes.to_string(),
        "snapshot_count": held.snapshots.count.to_string(),
        "total_snapshot_gb": held.snapshots.gigabytes.to_string(),
    }})
}
