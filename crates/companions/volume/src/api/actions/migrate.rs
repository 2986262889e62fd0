//! `os-migrate_volume`: to another back end.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;

use crate::api::words::Flag;
use crate::api::{Call, find, has};
use crate::db::services;
use crate::fault::Fault;
use crate::policy::version;
use crate::service::Volumes;
use crate::tables::service::Binary;

#[derive(Debug, Deserialize, Versioned)]
pub struct MigrateBody {
    #[mv(wire = "os-migrate_volume")]
    pub migrate: Wish,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Wish {
    #[mv(nullable, max_length = 255)]
    pub host: Option<String>,
    #[mv(since = "3.16", nullable, max_length = 255)]
    pub cluster: Option<String>,
    pub force_host_copy: Option<Flag>,
    pub lock_volume: Option<Flag>,
}

/// `os-migrate_volume`. A volume that is where it is to go is refused, as in Cinder; nothing moves between back ends yet.
pub async fn migrate(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let MigrateBody { migrate: wish } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let clusters = has(&call, version(16));
    let named = match (wish.host, wish.cluster.filter(|_| clusters)) {
        (Some(name), None) | (None, Some(name)) if !name.is_empty() => name,
        _ if clusters => {
            let why = "One and only one of cluster and host must be set.";
            return Err(Fault::InvalidInput(why.to_owned()));
        }
        _ => return Err(Fault::InvalidInput("Host field is missing.".to_owned())),
    };
    let db = volumes.db().read();
    let back_end = named.split('#').next().unwrap_or_default();
    let service = services::find(db, Binary::Volume, back_end).await?;
    let now = sql::now(db).await?;
    if !service.is_some_and(|one| !one.disabled && services::is_up(&one, now)) {
        return Err(Fault::BadRequest(format!(
            "Invalid host: No available service named '{named}'"
        )));
    }
    let here = seen.host.as_deref().unwrap_or_default();
    if here == named || here.split('#').next() == Some(named.as_str()) {
        return Err(Fault::InvalidVolume(format!(
            "Volume {} status must be available or in-use, must not be migrating, have snapshots, be replicated, be part \
             of a group and destination host/cluster must be different than the current one",
            seen.id
        )));
    }
    tracing::debug!(
        copy = wish.force_host_copy.is_some_and(|flag| flag.0),
        lock = wish.lock_volume.is_some_and(|flag| flag.0),
        "a migration between back ends is refused"
    );
    Err(Fault::NotBuilt(
        "A migration to another back end is not built yet.".to_owned(),
    ))
}
