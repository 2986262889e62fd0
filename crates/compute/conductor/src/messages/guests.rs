//! What happens to guests without anybody having asked: they stop, crash, or turn up unwanted.
//!
//! A host is believed only about servers that are its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Context, Failure};
use chrono::{DateTime, TimeDelta, Utc};
use compute_db::{Database, DbError, servers};
use compute_model::{PowerState, Server, VmState};
use compute_rpc::conductor::{GuestChanged, GuestReport, StillWanted, Unwanted};

use super::{Desk, database};

/// A guest changed its state.
pub async fn changed(
    desk: Arc<Desk>,
    _context: Context,
    message: GuestChanged,
) -> Result<(), Failure> {
    let seen = Seen {
        power: message.power_state,
        epoch: Some(message.epoch),
    };
    observe(&desk.db, &message.host, &message.server_id, seen)
        .await
        .map_err(database)
}

/// All guests of a host: rows follow what is seen, and the host hears whom nobody wants.
pub async fn report(
    desk: Arc<Desk>,
    _context: Context,
    message: GuestReport,
) -> Result<Unwanted, Failure> {
    let db = &desk.db;
    let own = servers::on_host(db.read(), &message.host)
        .await
        .map_err(database)?;
    let own: BTreeMap<&str, &Server> = own
        .iter()
        .map(|server| (server.id.as_str(), server))
        .collect();
    let mut unwanted = Unwanted::default();
    for guest in &message.guests {
        match own.get(guest.server_id.as_str()) {
            Some(server) if server.power_state != guest.power_state => {
                let seen = Seen {
                    power: guest.power_state,
                    epoch: Some(guest.epoch),
                };
                observe(db, &message.host, &guest.server_id, seen)
                    .await
                    .map_err(database)?;
            }
            Some(_) => {}
            None => {
                // Deleted, or elsewhere by now. A build that is about to choose this host has
                // claimed it in the row before the agent hears of it.
                let epoch = match servers::find_any(db.read(), &guest.server_id).await {
                    Ok(server) => server.epoch,
                    Err(DbError::NotFound(_)) => guest.epoch,
                    Err(error) => return Err(database(error)),
                };
                tracing::warn!(
                    server = guest.server_id,
                    host = message.host,
                    "a guest that nobody wants"
                );
                unwanted
                    .servers
                    .push((guest.server_id.clone(), epoch.max(guest.epoch)));
            }
        }
    }
    for (id, server) in own {
        let seen = message.guests.iter().any(|guest| guest.server_id == id);
        if !seen && server.power_state != PowerState::NoState {
            let vanished = Seen {
                power: PowerState::NoState,
                epoch: None,
            };
            observe(db, &message.host, id, vanished)
                .await
                .map_err(database)?;
        }
    }
    Ok(unwanted)
}

/// Whether the operation that sent a command is still under way and still means this host.
pub async fn still_wanted(
    desk: Arc<Desk>,
    _context: Context,
    message: StillWanted,
) -> Result<bool, Failure> {
    match servers::find(desk.db.read(), &message.server_id).await {
        Ok(server) => Ok(server.host.as_ref() == Some(&message.host)
            && server.epoch == message.epoch
            && server.task_state.is_some()),
        Err(DbError::NotFound(_)) => Ok(false),
        Err(error) => Err(database(error)),
    }
}

/// How long after an operation an observation may still tell of the time before it: longer than a
/// report takes on its way.
const FRESH: TimeDelta = TimeDelta::seconds(30);

/// What was seen of a guest.
#[derive(Clone, Copy)]
struct Seen {
    power: PowerState,
    /// The last operation that the host had heard of then; none for a guest that was not there.
    epoch: Option<i64>,
}

/// Whether an observation may be older than what the row says. Some operations never reach the
/// host, so a lower epoch alone does not make one old.
fn may_be_old(server: &Server, seen: Seen, now: DateTime<Utc>) -> bool {
    seen.epoch.is_none_or(|epoch| epoch < server.epoch) && now - server.updated_at < FRESH
}

/// Writes what was seen of a guest, and what follows from it (see [`follows`]).
async fn observe(db: &Database, host: &str, id: &str, seen: Seen) -> Result<(), DbError> {
    let power = seen.power;
    sql::retry(|| async {
        let tx = db.begin().await?;
        let mut server = match servers::lock(&tx, id).await {
            Err(DbError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        // While an operation is under way, the operation says how it ends.
        if server.host.as_deref() != Some(host)
            || server.task_state.is_some()
            || may_be_old(&server, seen, Utc::now())
        {
            return Ok(());
        }
        let vm_state = follows(server.vm_state, power);
        if server.power_state == power && vm_state == server.vm_state {
            return Ok(());
        }
        tracing::info!(server = id, host, power = power.number(), vm = %vm_state, "a guest changed by itself");
        server.power_state = power;
        server.vm_state = vm_state;
        servers::save(&tx, &mut server).await?;
        tx.commit().await?;
        Ok(())
    })
    .await
}

/// The vm state that follows when a guest in `vm` is seen in `power`, nothing being under way.
///
/// As Nova's power synchronisation: a guest that shut down by itself is stopped; one that vanished
/// keeps its state, since the host may have been asked too early.
fn follows(vm: VmState, power: PowerState) -> VmState {
    match (vm, power) {
        (VmState::Active | VmState::Paused, PowerState::Shutdown | PowerState::Crashed) => {
            VmState::Stopped
        }
        (VmState::Active, PowerState::Suspended) => VmState::Stopped,
        (other, _) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_powered_itself_off_is_stopped_and_one_that_vanished_is_not() {
        assert_eq!(
            follows(VmState::Active, PowerState::Shutdown),
            VmState::Stopped
        );
        assert_eq!(
            follows(VmState::Active, PowerState::NoState),
            VmState::Active
        );
        assert_eq!(
            follows(VmState::Error, PowerState::Shutdown),
            VmState::Error
        );
        assert_eq!(
            follows(VmState::Suspended, PowerState::Shutdown),
            VmState::Suspended
        );
    }
}
