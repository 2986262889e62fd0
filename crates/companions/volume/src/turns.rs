//! Turns of those who work on the same thing in this process.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long a turn is waited for: longer than it takes to end and start what serves a volume (`storage_daemon::Limits`).
const WAIT: Duration = Duration::from_secs(60);

/// Who may work on an export, by its id.
pub struct Turns {
    taken: std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>,
    wait: Duration,
}

/// Whoever has the turn does not end.
#[derive(Debug, thiserror::Error)]
#[error("other work on the export {0} does not end")]
pub struct Busy(String);

impl Default for Turns {
    fn default() -> Self {
        Turns::within(WAIT)
    }
}

impl Turns {
    /// Turns that are waited for that long.
    pub fn within(wait: Duration) -> Self {
        Turns {
            taken: Default::default(),
            wait,
        }
    }

    /// The turn of an export, until it is dropped.
    ///
    /// # Errors
    /// Somebody else has it, and does not end.
    pub async fn of(&self, id: &str) -> Result<OwnedMutexGuard<()>, Busy> {
        let turn = self.turn(id);
        let taken = tokio::time::timeout(self.wait, turn.lock_owned()).await;
        taken.map_err(|_| Busy(id.to_owned()))
    }

    fn turn(&self, id: &str) -> Arc<Mutex<()>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = taken.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        taken.insert(id.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
