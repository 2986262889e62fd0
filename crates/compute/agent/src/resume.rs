//! Guests that ran until their host lost its power run again, a few at a time: when all read their disks at once, none
//! gets on.

use std::sync::Arc;
use std::time::Duration;

use bus::Failure;
use compute_model::Server;
use compute_model::fault::Kind;
use compute_rpc::{code, failure};
use hypervisor::GuestFacts;
use tokio::sync::Semaphore;

use crate::Host;
use crate::description::described;
use crate::failure::facts_of;

/// So many guests are being started.
pub const AT_ONCE: usize = 4;

/// A guest that was started reads most of its disk in this time; then the next one's turn comes.
const BOOTING: Duration = Duration::from_secs(2);

/// Starts a guest again. One that runs goes on.
///
/// # Errors
/// `busy` while it is not this one's turn: its operation asks again.
pub async fn resume(host: &Host, server: &Server) -> Result<GuestFacts, Failure> {
    let turn = turn(&host.resumed).ok_or_else(|| {
        let text = "other guests of this host are being started";
        failure(code::BUSY, Kind::Busy, text)
    })?;
    let (described, _holds) = described(host, server).await?;
    let facts = facts_of(host.driver.ensure_running(&described).await)?;
    tokio::spawn(async move {
        tokio::time::sleep(BOOTING).await;
        drop(turn);
    });
    Ok(facts)
}

fn turn(turns: &Arc<Semaphore>) -> Option<tokio::sync::OwnedSemaphorePermit> {
    turns.clone().try_acquire_owned().ok()
}
