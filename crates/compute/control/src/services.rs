//! The services of the cloud: which there are, how they are, and what operators say about them.

use chrono::{DateTime, TimeDelta, Utc};
use compute_db::hosts::{self, COMPUTE};
use compute_db::{DbError, aggregates, servers};
use compute_model::host::Service;

use crate::zones::Zones;
use crate::{Context, Control, ControlError, Result, policy};

/// A service as it is now.
#[derive(Debug, Clone)]
pub struct ServiceStatus {
    pub service: Service,
    pub zone: String,
    /// Heard of lately, and not declared down.
    pub up: bool,
}

/// How a request names a service.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    Id(&'a str),
    /// As until 2.52.
    Number(&'a str),
}

/// What an operator says about a service; nothing stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Update {
    pub enabled: Option<bool>,
    pub disabled_reason: Option<String>,
    pub forced_down: Option<bool>,
}

/// The services, those of a host or of a kind only.
///
/// # Errors
/// Denied.
pub async fn list(
    control: &Control,
    cx: &Context,
    host: Option<&str>,
    binary: Option<&str>,
) -> Result<Vec<ServiceStatus>> {
    policy::allow(control, cx)?;
    let zones = Zones::read(control).await?;
    let found = hosts::services(control.db.read()).await?;
    let of =
        |wanted: Option<&str>, is: &str| wanted.is_none_or(|name| name.is_empty() || name == is);
    let now = compute_db::now(control.db.read()).await?;
    let wanted = found
        .into_iter()
        .filter(|service| of(host, &service.host) && of(binary, &service.binary));
    Ok(wanted
        .map(|service| status_of(control, &zones, service, now))
        .collect())
}

/// Changes a service.
///
/// # Errors
/// 404; 400 for a service that is no agent, for a reason without need, and for no change at all.
pub async fn update(
    control: &Control,
    cx: &Context,
    id: &str,
    update: &Update,
) -> Result<ServiceStatus> {
    must_be_uuid(id)?;
    policy::allow(control, cx)?;
    let missing = || not_found(format!("Service {id} could not be found."));
    let service = find(control, |service| service.id == id)
        .await?
        .ok_or_else(missing)?;
    must_be_agent(&service.binary)?;
    match update.enabled {
        Some(true) if update.disabled_reason.is_some() => {
            let why = "Specifying 'disabled_reason' with status 'enabled' is invalid.";
            return Err(invalid(why.to_owned()));
        }
        None if update.forced_down.is_none() => {
            let why =
                "No updates were requested. Fields 'status' or 'forced_down' should be specified.";
            return Err(invalid(why.to_owned()));
        }
        _ => {}
    }
    let service = change(control, &service.id, update, missing).await?;
    let zones = Zones::read(control).await?;
    let now = compute_db::now(control.db.read()).await?;
    Ok(status_of(control, &zones, service, now))
}

/// Changes a service that is named by its host, as until 2.52.
///
/// # Errors
/// 404; 400 for a service that is no agent.
pub async fn update_on(
    control: &Control,
    cx: &Context,
    host: &str,
    binary: &str,
    update: &Update,
) -> Result<()> {
    policy::allow(control, cx)?;
    must_be_agent(binary)?;
    let missing = || not_found(format!("Could not find binary {binary} on host {host}."));
    let service = find(control, |service| {
        service.host == host && service.binary == binary
    })
    .await?
    .ok_or_else(missing)?;
    change(control, &service.id, update, missing).await?;
    Ok(())
}

/// Forgets a service, and an agent's hypervisors with it.
///
/// # Errors
/// 404; 400 for what is no id; 409 for an agent that still carries servers.
pub async fn delete(control: &Control, cx: &Context, named: Named<'_>) -> Result<()> {
    policy::allow(control, cx)?;
    let name = match named {
        Named::Id(id) => must_be_uuid(id).map(|()| id)?,
        Named::Number(number) if number.parse::<i64>().is_ok() => number,
        Named::Number(_) => {
            return Err(invalid(
                "Invalid input received: id must be an integer".to_owned(),
            ));
        }
    };
    let missing = || not_found(format!("Service {name} not found."));
    let service = find(control, |service| match named {
        Named::Id(id) => service.id == id,
        Named::Number(number) => number.parse() == Ok(service.seq),
    })
    .await?
    .ok_or_else(missing)?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        if service.binary == COMPUTE {
            hosts::close_to_claims(&tx, &service.host).await?;
            let carries = !servers::on_host(&tx, &service.host).await?.is_empty();
            if carries || hosts::has_claims(&tx, &service.host).await? {
                return Err(ControlError::Conflict {
                    why: "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."
                        .to_owned(),
                });
            }
            aggregates::forget_host(&tx, &service.host).await?;
        }
        match hosts::delete_service(&tx, &service.id).await {
            Err(DbError::NotFound(_)) => return Err(missing()),
            other => other?,
        }
        tx.commit().await.map_err(DbError::from)?;
        Ok(())
    })
    .await
}

/// Whether a service is up at `now`, by the database's clock.
pub(crate) fn is_up(control: &Control, service: &Service, now: DateTime<Utc>) -> bool {
    let down_time = TimeDelta::from_std(control.settings.service_down_time);
    service.is_up(now, down_time.unwrap_or(TimeDelta::MAX))
}

/// Refuses work for a host that is down: it would be accepted and fail later. As Nova's `check_instance_host`.
///
/// # Errors
/// 409.
pub(crate) async fn must_be_up(control: &Control, host: Option<&str>) -> Result<()> {
    let Some(host) = host else { return Ok(()) };
    let agent = hosts::agent(control.db.read(), host).await?;
    let now = compute_db::now(control.db.read()).await?;
    match agent.is_some_and(|agent| is_up(control, &agent, now)) {
        true => Ok(()),
        false => Err(ControlError::Conflict {
            why: "Service is unavailable at this time.".to_owned(),
        }),
    }
}

fn status_of(
    control: &Control,
    zones: &Zones,
    service: Service,
    now: DateTime<Utc>,
) -> ServiceStatus {
    ServiceStatus {
        zone: zones.of(&service).to_owned(),
        up: is_up(control, &service, now),
        service,
    }
}

async fn find(control: &Control, is: impl Fn(&Service) -> bool) -> Result<Option<Service>> {
    let all = hosts::services(control.db.read()).await?;
    Ok(all.into_iter().find(is))
}

/// Enabling takes a reason away; disabling without one too.
fn apply(service: &mut Service, update: &Update) {
    if let Some(enabled) = update.enabled {
        service.disabled = !enabled;
        service.disabled_reason.clone_from(&update.disabled_reason);
    }
    if let Some(forced_down) = update.forced_down {
        service.forced_down = forced_down;
    }
}

/// Applies `update` to the service as it is now, and gives it back.
async fn change(
    control: &Control,
    id: &str,
    update: &Update,
    missing: impl Fn() -> ControlError + Send + Sync,
) -> Result<Service> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut service = match hosts::lock_service(&tx, id).await {
            Err(DbError::NotFound(_)) => return Err(missing()),
            found => found?,
        };
        apply(&mut service, update);
        hosts::save_service(&tx, &service).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(service)
    })
    .await
}

fn must_be_agent(binary: &str) -> Result<()> {
    match binary {
        COMPUTE => Ok(()),
        _ => Err(invalid(format!(
            "Updating a {binary} service is not supported. Only nova-compute services can be updated."
        ))),
    }
}

pub(crate) fn must_be_uuid(id: &str) -> Result<()> {
    match uuid::Uuid::try_parse(id) {
        Ok(_) => Ok(()),
        Err(_) => Err(invalid(format!("Invalid uuid {id}"))),
    }
}

fn invalid(why: String) -> ControlError {
    ControlError::Invalid { why }
}

fn not_found(why: String) -> ControlError {
    ControlError::NotFound { why }
}
