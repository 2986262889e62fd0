//! Limits of a project, as clients read them before they create something.

use rest::Answer;
use serde_json::{Map, json};

use super::{Call, has};
use crate::db::usage;
use crate::fault::Fault;
use crate::policy::{self, version};
use crate::quota::{self, NO_LIMIT, Resource};
use crate::service::Volumes;

/// Names of limits and of what is used of them.
const NAMES: [(Resource, &str, &str); 5] = [
    (Resource::Volumes, "maxTotalVolumes", "totalVolumesUsed"),
    (
        Resource::Gigabytes,
        "maxTotalVolumeGigabytes",
        "totalGigabytesUsed",
    ),
    (
        Resource::Snapshots,
        "maxTotalSnapshots",
        "totalSnapshotsUsed",
    ),
    (Resource::Backups, "maxTotalBackups", "totalBackupsUsed"),
    (
        Resource::BackupGigabytes,
        "maxTotalBackupGigabytes",
        "totalBackupGigabytesUsed",
    ),
];

/// `GET /limits`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let cx = &call.cx;
    let query = call.pairs();
    let asked = query.last("project_id").or_else(|| query.last("tenant_id"));
    let asked = asked.filter(|_| has(&call, version(39)) && volumes.is_admin(&cx.caller));
    let own = cx.caller.project_id.as_deref().unwrap_or_default();
    let project = asked.unwrap_or(own);
    let db = volumes.db().read();
    let limits = quota::of_project(volumes.settings(), db, &[], project).await?;
    let rule = "limits_extension:used_limits";
    let usage = match volumes.may(rule, &cx.caller, &policy::own(&cx.caller)) {
        true => Some(usage::of(db, project, volumes.settings().snapshots_count).await?),
        false => None,
    };
    let mut absolute = Map::new();
    for (resource, most, used) in NAMES {
        let limit = limits.get(resource.name()).copied().unwrap_or(NO_LIMIT);
        absolute.insert(most.to_owned(), json!(limit));
        if let Some(usage) = &usage {
            absolute.insert(used.to_owned(), json!(usage.used(resource)));
        }
    }
    Ok(Answer::of(
        &json!({"limits": {"rate": [], "absolute": absolute}}),
    ))
}
