//! A reconciler: what is older than the operator keeps it is forgotten, by one conductor at a time.
//!
//! It looks for deleted servers (with their actions and tokens), for actions of living servers, for the sequence of
//! events, and for tokens of consoles that expired. The runner forgets ended workflows itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use compute_db::{Database, DbError, purge};
use tokio_util::sync::CancellationToken;

use crate::settings::Keep;

/// How often it looks, and how long the one who looks has the turn.
const EVERY: Duration = Duration::from_secs(600);

/// Looks until `stop`; the first time after one period, since a start is busy enough.
pub async fn run(db: &Database, keep: &Keep, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        match once(db, keep, EVERY, &stop).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgot what was kept long enough"),
            Err(error) => tracing::warn!(%error, "cannot forget old rows; tried again later"),
        }
    }
}

/// Forgets all that is old enough, if it is this process's turn; gives how many rows.
pub async fn once(
    db: &Database,
    keep: &Keep,
    turn: Duration,
    stop: &CancellationToken,
) -> Result<u64, DbError> {
    let turn = TimeDelta::from_std(turn).unwrap_or(TimeDelta::MAX);
    // Ends a little before the next look, so that this process may have it again.
    if !purge::take_turn(db, "purge", turn - TimeDelta::seconds(5)).await? {
        return Ok(0);
    }
    let now = sql::now(db.read()).await?;
    let mut all = purge::console_tokens(db).await?;
    for (what, keep) in [
        (Old::DeletedServers, keep.deleted_servers),
        (Old::Actions, keep.actions),
        (Old::Events, keep.events),
    ] {
        let Some(before) = before(now, keep) else {
            continue;
        };
        loop {
            match what.forget(db, before).await? {
                0 => break,
                count => all += count,
            }
            if stop.is_cancelled() {
                return Ok(all);
            }
        }
    }
    Ok(all)
}

/// What grows old.
#[derive(Clone, Copy)]
enum Old {
    DeletedServers,
    Actions,
    Events,
}

impl Old {
    /// Forgets a slice of what is older than `before`; gives how many rows.
    async fn forget(self, db: &Database, before: DateTime<Utc>) -> Result<u64, DbError> {
        match self {
            Old::DeletedServers => purge::deleted_servers(db, before).await,
            Old::Actions => purge::actions(db, before).await,
            Old::Events => purge::events(db, before).await,
        }
    }
}

/// The moment before which things are too old; none when they are kept for ever.
fn before(now: DateTime<Utc>, keep: Option<Duration>) -> Option<DateTime<Utc>> {
    let keep = TimeDelta::from_std(keep?).ok()?;
    now.checked_sub_signed(keep)
}
