//! What happens to guests without anybody having asked: they stop, crash, or turn up unwanted.
//!
//! A host is believed only about servers that are its own. What becomes of the others:
//! [`super::quarantine`].

use std::sync::Arc;

use bus::{Context, Failure};
use chrono::{DateTime, TimeDelta, Utc};
use compute_db::{Database, DbError, hosts, servers};
use compute_model::{PowerState, Server, VmState};
use compute_rpc::conductor::{
    GuestChanged, GuestReport, GuestSeen, GuestsGone, StillWanted, Unwanted,
};

use super::{Desk, database, own_cloud, quarantine};
use crate::workflows::resume_guest::{begin, ran};

/// A guest changed its state.
pub async fn changed(
    desk: Arc<Desk>,
    _context: Context,
    message: GuestChanged,
) -> Result<(), Failure> {
    own_cloud(&desk, &message.cloud_id, &message.host)?;
    let seen = Seen {
        power: message.power_state,
        epoch: Some(message.epoch),
    };
    observe(&desk.db, &message.host, &message.server_id, seen)
        .await
        .map_err(database)
}

/// All guests of a host: rows follow what is seen, and the host hears which are to go. What nobody
/// accounts for is doubtful first, and quarantined when a second look finds it again.
pub async fn report(
    desk: Arc<Desk>,
    _context: Context,
    message: GuestReport,
) -> Result<Unwanted, Failure> {
    own_cloud(&desk, &message.cloud_id, &message.host)?;
    let db = &desk.db;
    own_node(db, &message).await?;
    let own = servers::on_host(db.read(), &message.host)
        .await
        .map_err(database)?;
    for server in &own {
        let guest = message
            .guests
            .iter()
            .find(|guest| guest.server_id == server.id);
        if let Some(guest) = guest.filter(|guest| message.resume && ran(server, guest.power_state))
        {
            begin(db, &message.host, &server.id, guest.power_state)
                .await
                .map_err(database)?;
            continue;
        }
        compare(db, &message.host, server, guest)
            .await
            .map_err(database)?;
    }
    quarantine::sort(db, &message, &own).await.map_err(database)
}

/// Servers that a host let go: the words about them are fulfilled.
pub async fn gone(desk: Arc<Desk>, _context: Context, message: GuestsGone) -> Result<(), Failure> {
    own_cloud(&desk, &message.cloud_id, &message.host)?;
    quarantine::gone(&desk.db, &message).await.map_err(database)
}

/// Refuses a report under another name than the node's. A node that nobody heard of yet is asked to
/// report its guests again: its host report is on its way.
async fn own_node(db: &Database, message: &GuestReport) -> Result<(), Failure> {
    let (node_id, host) = (&message.node_id, &message.host);
    match hosts::host_of_node(db.read(), node_id)
        .await
        .map_err(database)?
    {
        Some(known) if known == host.as_str() => Ok(()),
        Some(known) => {
            let text = format!("node {node_id} is known as host {known}, but reports as {host}");
            Err(Failure::new("node_mismatch", text))
        }
        None => {
            let text = format!("node {node_id} of {host} has not reported itself yet");
            Err(Failure::new("unknown_node", text).retryable())
        }
    }
}

/// Compares the row of a server with what its host says of it.
async fn compare(
    db: &Database,
    host: &str,
    server: &Server,
    guest: Option<&GuestSeen>,
) -> Result<(), DbError> {
    let seen = match guest {
        Some(guest) if same(server, guest) => return Ok(()),
        Some(guest) => Seen {
            power: guest.power_state,
            epoch: Some(guest.epoch),
        },
        None if server.power_state == PowerState::NoState => return Ok(()),
        // It vanished.
        None => Seen {
            power: PowerState::NoState,
            epoch: None,
        },
    };
    observe(db, host, &server.id, seen).await
}

fn same(server: &Server, guest: &GuestSeen) -> bool {
    server.power_state == guest.power_state && guest.epoch <= server.epoch
}

/// Whether the operation that sent a command is still under way and still means this host.
pub async fn still_wanted(
    desk: Arc<Desk>,
    _context: Context,
    message: StillWanted,
) -> Result<bool, Failure> {
    match servers::find(desk.db.read(), &message.server_id).await {
        Ok(server) => Ok(server.host.as_deref() == Some(message.host.as_str())
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
        // A guest that obeyed a later operation than the row knows of: the database is an older copy.
        // The next operation must not come too late.
        let epoch = seen.epoch.unwrap_or_default().max(server.epoch);
        if server.power_state == power && vm_state == server.vm_state && epoch == server.epoch {
            return Ok(());
        }
        tracing::info!(server = id, host, power = power.number(), vm = %vm_state, "a guest changed by itself");
        server.power_state = power;
        server.vm_state = vm_state;
        server.epoch = epoch;
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
