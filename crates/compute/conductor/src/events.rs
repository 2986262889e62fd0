//! A reconciler: events that were committed get their numbers, also while nobody watches.
//!
//! Every conductor does so, and every API process that has watchers does it more often: whoever comes first. A lock of
//! the database makes them take turns.

use std::time::Duration;

use compute_db::{Database, events};
use tokio_util::sync::CancellationToken;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(10);

/// Looks again and again, until `stop`.
pub async fn run(db: &Database, stop: CancellationToken) {
    loop {
        let wait = match events::publish(db).await {
            Ok(_) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "events get no numbers; tried again later");
                RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}
