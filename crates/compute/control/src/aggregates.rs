//! Aggregates: groups of hosts, some of which are availability zones.
//!
//! A host is in at most one zone, and does not change it while it carries servers.

use std::collections::BTreeMap;

use compute_db::{DbError, aggregates, hosts, servers};
use compute_model::aggregate::{Aggregate, ZONE};
use sql::sea_orm::DatabaseTransaction;

use crate::{Context, Control, ControlError, Result, policy};

/// What is being done, for the words of a refusal.
#[derive(Clone, Copy)]
enum Doing {
    Add,
    Remove,
    Update,
    UpdateMetadata,
}

/// All aggregates.
///
/// # Errors
/// Denied.
pub async fn list(control: &Control, cx: &Context) -> Result<Vec<Aggregate>> {
    policy::allow(control, cx)?;
    Ok(aggregates::list(control.db.read()).await?)
}

/// One aggregate.
///
/// # Errors
/// 404; 400 for what is no number.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<Aggregate> {
    policy::allow(control, cx)?;
    let found = aggregates::find(control.db.read(), number(id)?).await;
    found.map_err(|error| missing(error, id))
}

/// Makes an aggregate without hosts.
///
/// # Errors
/// 409 when the name is taken; 400 for a zone without name.
pub async fn create(
    control: &Control,
    cx: &Context,
    name: &str,
    zone: Option<&str>,
) -> Result<Aggregate> {
    policy::allow(control, cx)?;
    let new = Aggregate {
        seq: 0,
        id: uuid::Uuid::new_v4().to_string(),
        name: name.trim().to_owned(),
        hosts: Vec::new(),
        metadata: zone
            .map(|zone| (ZONE.to_owned(), zone.trim().to_owned()))
            .into_iter()
            .collect(),
        created_at: sql::micros(chrono::Utc::now()),
        updated_at: None,
    };
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let made = aggregates::insert(&tx, &new).await.map_err(taken)?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(made)
    })
    .await
}

/// Changes the name, the zone or both.
///
/// # Errors
/// 404; 409 when the name is taken; 400 when hosts cannot change their zone, and for none (the inner `None`): as in
/// Nova, a zone has a name.
pub async fn update(
    control: &Control,
    cx: &Context,
    id: &str,
    name: Option<&str>,
    zone: Option<Option<&str>>,
) -> Result<Aggregate> {
    policy::allow(control, cx)?;
    let wanted = zone.map(|zone| (ZONE.to_owned(), zone.map(str::to_owned)));
    let wanted = wanted.into_iter().collect();
    edit(control, id, name, &wanted, Doing::Update).await
}

/// Merges metadata; a key without value is taken away, but for the zone.
///
/// # Errors
/// 404; 400 when hosts cannot change their zone.
pub async fn set_metadata(
    control: &Control,
    cx: &Context,
    id: &str,
    metadata: &BTreeMap<String, Option<String>>,
) -> Result<Aggregate> {
    policy::allow(control, cx)?;
    edit(control, id, None, metadata, Doing::UpdateMetadata).await
}

/// Removes an aggregate that has no hosts.
///
/// # Errors
/// 404; 400 while it has hosts.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    policy::allow(control, cx)?;
    let seq = number(id)?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let found = aggregates::lock(&tx, seq).await;
        let aggregate = found.map_err(|error| missing(error, id))?;
        if !aggregate.hosts.is_empty() {
            let why = refusal(Doing::Remove, seq, "Host aggregate is not empty");
            return Err(ControlError::Invalid { why });
        }
        aggregates::delete(&tx, seq).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(())
    })
    .await
}

/// Puts a host into an aggregate.
///
/// # Errors
/// 404 for an unknown aggregate or host; 409 when it is in it, or in another zone, or carries
/// servers of another zone.
pub async fn add_host(control: &Control, cx: &Context, id: &str, host: &str) -> Result<Aggregate> {
    policy::allow(control, cx)?;
    let seq = number(id)?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let found = aggregates::lock(&tx, seq).await;
        let aggregate = found.map_err(|error| missing(error, id))?;
        let known = hosts::services(&tx).await?;
        if !known
            .iter()
            .any(|service| service.host == host && service.binary == hosts::COMPUTE)
        {
            return Err(ControlError::NotFound {
                why: format!("Compute host {host} could not be found."),
            });
        }
        if let Some(zone) = aggregate.zone() {
            let only = [host.to_owned()];
            in_no_other_zone(&tx, &aggregate, &only, zone)
                .await?
                .map_or(Ok(()), |reason| {
                    Err(ControlError::Conflict {
                        why: refusal(Doing::Add, seq, &reason),
                    })
                })?;
            let old = aggregates::zones(&tx).await?.remove(host);
            zone_stays(&tx, Doing::Add, seq, host, (old.as_deref(), Some(zone))).await?;
        }
        aggregates::add_host(&tx, seq, host)
            .await
            .map_err(|error| match error {
                DbError::Duplicate(_) => ControlError::Conflict {
                    why: format!("Aggregate {seq} already has host {host}."),
                },
                other => other.into(),
            })?;
        let now = aggregates::find(&tx, seq).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(now)
    })
    .await
}

/// Takes a host out of an aggregate.
///
/// # Errors
/// 404 for an unknown aggregate, and for a host that is not in it; 409 when it carries servers and would leave its
/// zone.
pub async fn remove_host(
    control: &Control,
    cx: &Context,
    id: &str,
    host: &str,
) -> Result<Aggregate> {
    policy::allow(control, cx)?;
    let seq = number(id)?;
    let absent = |error| match error {
        DbError::NotFound(_) => ControlError::NotFound {
            why: format!("Cannot remove host {host} in aggregate {id}"),
        },
        other => ControlError::from(other),
    };
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let aggregate = aggregates::lock(&tx, seq).await.map_err(absent)?;
        if let Some(zone) = aggregate.zone() {
            let all = aggregates::list(&tx).await?;
            let left = all
                .iter()
                .filter(|other| other.seq != seq && other.hosts.iter().any(|one| one == host))
                .find_map(Aggregate::zone);
            zone_stays(&tx, Doing::Remove, seq, host, (Some(zone), left)).await?;
        }
        aggregates::remove_host(&tx, seq, host)
            .await
            .map_err(absent)?;
        let now = aggregates::find(&tx, seq).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(now)
    })
    .await
}

/// Refuses to put a host that carries servers into another zone.
async fn zone_stays(
    tx: &DatabaseTransaction,
    doing: Doing,
    id: i64,
    host: &str,
    (old, new): (Option<&str>, Option<&str>),
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let carried = servers::on_host(tx, host).await?.len();
    if carried == 0 {
        return Ok(());
    }
    let how = match doing {
        Doing::Remove => "removed from",
        _ => "added to",
    };
    let (old, new) = (old.unwrap_or("None"), new.unwrap_or("None"));
    let reason = format!(
        "The host cannot be {how} the aggregate as the availability zone of the host would change from '{old}' to \
         '{new}' but the host already has {carried} instance(s). Changing the AZ of an existing instance is not \
         supported by this action. Move the instances away from this host then try again. If you need to move the \
         instances between AZs then you can use shelve_offload and unshelve to achieve this."
    );
    Err(ControlError::Conflict {
        why: refusal(doing, id, &reason),
    })
}

/// Gives an aggregate a name and merges its metadata, in one transaction.
async fn edit(
    control: &Control,
    id: &str,
    name: Option<&str>,
    wanted: &BTreeMap<String, Option<String>>,
    doing: Doing,
) -> Result<Aggregate> {
    let seq = number(id)?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let found = aggregates::lock(&tx, seq).await;
        let mut aggregate = found.map_err(|error| missing(error, id))?;
        if let Some(name) = name {
            name.trim().clone_into(&mut aggregate.name);
        }
        merge(&tx, &mut aggregate, wanted, doing).await?;
        aggregates::save(&tx, &aggregate).await.map_err(taken)?;
        let now = aggregates::find(&tx, seq).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(now)
    })
    .await
}

async fn merge(
    tx: &DatabaseTransaction,
    aggregate: &mut Aggregate,
    wanted: &BTreeMap<String, Option<String>>,
    doing: Doing,
) -> Result<()> {
    if let Some(zone) = wanted.get(ZONE)
        && let Some(reason) = why_not_zone(tx, aggregate, zone.as_deref()).await?
    {
        return Err(ControlError::Invalid {
            why: refusal(doing, aggregate.seq, &reason),
        });
    }
    for (key, value) in wanted {
        match value {
            Some(value) => aggregate.metadata.insert(key.clone(), value.clone()),
            None => aggregate.metadata.remove(key),
        };
    }
    Ok(())
}

/// Why the hosts of an aggregate cannot all be in `zone`.
async fn why_not_zone(
    tx: &DatabaseTransaction,
    aggregate: &Aggregate,
    zone: Option<&str>,
) -> Result<Option<String>> {
    let Some(zone) = zone.filter(|zone| !zone.is_empty()) else {
        let name = &aggregate.name;
        return Ok(Some(format!(
            "Aggregate {name} does not support empty named availability zone"
        )));
    };
    if let Some(reason) = in_no_other_zone(tx, aggregate, &aggregate.hosts, zone).await? {
        return Ok(Some(reason));
    }
    if aggregate.zone() != Some(zone) {
        for host in &aggregate.hosts {
            if !servers::on_host(tx, host).await?.is_empty() {
                let reason = "One or more hosts contain instances in this zone";
                return Ok(Some(reason.to_owned()));
            }
        }
    }
    Ok(None)
}

/// The refusal where another aggregate puts one of the hosts into another zone.
async fn in_no_other_zone(
    tx: &DatabaseTransaction,
    aggregate: &Aggregate,
    hosts: &[String],
    zone: &str,
) -> Result<Option<String>> {
    let all = aggregates::list(tx).await?;
    let others: Vec<&str> = all
        .iter()
        .filter(|other| other.seq != aggregate.seq)
        .filter(|other| other.hosts.iter().any(|host| hosts.contains(host)))
        .filter_map(|other| other.zone())
        .filter(|other| *other != zone)
        .collect();
    Ok((!others.is_empty()).then(|| {
        let quoted: Vec<String> = others.iter().map(|zone| format!("'{zone}'")).collect();
        let quoted = quoted.join(", ");
        format!("One or more hosts already in availability zone(s) [{quoted}]")
    }))
}

fn refusal(doing: Doing, id: i64, reason: &str) -> String {
    let what = match doing {
        Doing::Add => "add host to",
        Doing::Remove => "remove host from",
        Doing::Update => "update",
        Doing::UpdateMetadata => "update metadata of",
    };
    format!("Cannot {what} aggregate {id}. Reason: {reason}.")
}

fn number(id: &str) -> Result<i64> {
    id.parse().map_err(|_| ControlError::Invalid {
        why: "Invalid input received: id must be an integer".to_owned(),
    })
}

fn taken(error: DbError) -> ControlError {
    match error {
        DbError::Duplicate(name) => ControlError::Conflict {
            why: format!("Aggregate {name} already exists."),
        },
        other => other.into(),
    }
}

fn missing(error: DbError, id: &str) -> ControlError {
    match error {
        DbError::NotFound(_) => ControlError::NotFound {
            why: format!("Aggregate {id} could not be found."),
        },
        other => other.into(),
    }
}
