//! What an operator decides about quarantined guests.
//!
//! These use cases need nothing but the database, and no caller: who may open the database is the
//! operator.

use chrono::TimeDelta;
use compute_db::{Database, DbError, claims, hosts, letting_go, quarantine, servers};
use compute_model::quarantine::Quarantined;
use compute_model::{PowerState, Server, VmState, request};
use sql::sea_orm::DatabaseTransaction;

/// How an operator names a quarantined guest.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub server_id: &'a str,
    /// Needed where several hosts have a guest of the server.
    pub host: Option<&'a str>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("no guest of server {0} is quarantined: `kilonova guests list` shows those that are")]
    NoSuchGuest(String),
    #[error("several hosts have a guest of server {server}: say --host with one of {hosts}")]
    SeveralHosts { server: String, hosts: String },
    #[error(
        "the database has no server {0}: restore a copy of the database that has it, or remove the guest"
    )]
    NoServer(String),
    #[error("server {server} is being worked on ({what}): try again when that has ended")]
    Busy { server: String, what: String },
    #[error(
        "server {server} is on host {host}, which reported a guest of it: one of the two is not the \
         server. Stop and look at both; then remove the one that is wrong"
    )]
    AlsoElsewhere { server: String, host: String },
    #[error("host {host} is not known any more: start it, so that it reports itself")]
    NoNode { host: String },
    #[error("host {host} cannot carry server {server}: {why}")]
    NoRoom {
        host: String,
        server: String,
        why: String,
    },
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<sql::SqlError> for Refused {
    fn from(error: sql::SqlError) -> Self {
        Refused::Database(error.into())
    }
}

impl sql::AsConflict for Refused {
    fn as_conflict(&self) -> bool {
        matches!(self, Refused::Database(error) if error.as_conflict())
    }
}

/// What the settings say of hosts.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The availability zone of hosts in no aggregate.
    pub default_zone: &'a str,
    /// A host that has not reported for so long is down.
    pub down_time: TimeDelta,
}

/// Makes the guest the server's own: its row names this host, which claims what the flavor needs.
///
/// The host that the row named gets no word to let the server go: should it have a guest too, that one
/// is quarantined when it reports.
///
/// # Errors
/// The guest or the server is not there, something is being done with it, the host that its row names
/// has it too, or this one has no room.
pub async fn adopt(db: &Database, named: Named<'_>, rules: Rules<'_>) -> Result<Server, Refused> {
    sql::retry(|| async {
        let guest = find(db, named).await?;
        let tx = db.begin().await.map_err(DbError::from)?;
        let mut server = match servers::lock(&tx, &guest.server_id).await {
            Err(DbError::NotFound(id)) => return Err(Refused::NoServer(id)),
            other => other?,
        };
        idle(&tx, &server).await?;
        elsewhere(&tx, &server, &guest, rules.down_time).await?;
        let known = hosts::host_of_node(&tx, &guest.node_id).await?;
        let Some(host) = known else {
            return Err(Refused::NoNode { host: guest.host });
        };
        claims::release(&tx, &server.id).await?;
        let amounts = request::of_flavor(&server.flavor, false);
        match claims::claim(&tx, &server.id, &guest.node_id, &amounts).await {
            Err(error @ DbError::NoRoom { .. }) => {
                return Err(Refused::NoRoom {
                    host,
                    server: server.id,
                    why: error.to_string(),
                });
            }
            other => other?,
        }
        let zones = compute_db::aggregates::zones(&tx).await?;
        let zone = zones.get(&host).map_or(rules.default_zone, String::as_str);
        settle(&mut server, &guest, &host, zone);
        servers::save(&tx, &mut server).await?;
        letting_go::take_back(&tx, &server.id, &guest.node_id).await?;
        quarantine::forget(&tx, &server.id, &guest.node_id).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(server)
    })
    .await
}

/// Has the guest removed with its disks: the recorded word that its host acts upon.
///
/// # Errors
/// It is not there, or something is being done with its server.
pub async fn remove(db: &Database, named: Named<'_>) -> Result<Quarantined, Refused> {
    sql::retry(|| async {
        let guest = find(db, named).await?;
        let tx = db.begin().await.map_err(DbError::from)?;
        match servers::lock(&tx, &guest.server_id).await {
            Ok(server) => idle(&tx, &server).await?,
            Err(DbError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let Quarantined {
            server_id,
            host,
            node_id,
            epoch,
            ..
        } = &guest;
        letting_go::note_for(&tx, server_id, host, node_id, *epoch).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(guest)
    })
    .await
}

async fn find(db: &Database, named: Named<'_>) -> Result<Quarantined, Refused> {
    let mut found = quarantine::list(db.read()).await?;
    found.retain(|guest| {
        guest.server_id == named.server_id && named.host.is_none_or(|host| host == guest.host)
    });
    match found.len() {
        0 => Err(Refused::NoSuchGuest(named.server_id.to_owned())),
        1 => Ok(found.remove(0)),
        _ => {
            let hosts: Vec<String> = found.into_iter().map(|guest| guest.host).collect();
            Err(Refused::SeveralHosts {
                server: named.server_id.to_owned(),
                hosts: hosts.join(", "),
            })
        }
    }
}

async fn idle(tx: &DatabaseTransaction, server: &Server) -> Result<(), Refused> {
    let busy = |what: String| Refused::Busy {
        server: server.id.clone(),
        what,
    };
    if let Some(task) = server.task_state {
        return Err(busy(task.as_str().to_owned()));
    }
    let running = workflow::find(tx, &server.id).await;
    let running = running.map_err(|error| match error {
        workflow::WorkflowError::Sql(error) => Refused::Database(error.into()),
        other => busy(other.to_string()),
    })?;
    match running.first() {
        Some(record) => Err(busy(record.kind.clone())),
        None => Ok(()),
    }
}

/// The host that the row names keeps its server while it is up and reports a guest of it.
async fn elsewhere(
    tx: &DatabaseTransaction,
    server: &Server,
    guest: &Quarantined,
    down_time: TimeDelta,
) -> Result<(), Refused> {
    let Some(host) = server.host.as_ref().filter(|host| **host != guest.host) else {
        return Ok(());
    };
    let agent = hosts::agent(tx, host).await?;
    let now = compute_db::now(tx).await.map_err(DbError::from)?;
    let up = agent.is_some_and(|agent| agent.is_up(now, down_time));
    match up && server.power_state != PowerState::NoState {
        true => Err(Refused::AlsoElsewhere {
            server: server.id.clone(),
            host: host.clone(),
        }),
        false => Ok(()),
    }
}

fn settle(server: &mut Server, guest: &Quarantined, host: &str, zone: &str) {
    server.host = Some(host.to_owned());
    server.node = Some(host.to_owned());
    server.node_id = Some(guest.node_id.clone());
    server.availability_zone = Some(zone.to_owned());
    server.epoch = server.epoch.max(guest.epoch) + 1;
    server.power_state = guest.power_state;
    server.vm_state = match guest.power_state {
        PowerState::Running => VmState::Active,
        PowerState::Paused => VmState::Paused,
        PowerState::Suspended => VmState::Suspended,
        PowerState::Shutdown | PowerState::Crashed => VmState::Stopped,
        PowerState::NoState => server.vm_state,
    };
    server.launched_at = server.launched_at.or(Some(guest.first_seen));
    server.fault = None;
}

#[cfg(test)]
mod tests;
