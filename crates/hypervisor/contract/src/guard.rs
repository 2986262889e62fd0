//! Two things every driver needs to keep the contract: one command at a time per server, and memory of the epochs of
//! servers that are gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::{DriverError, Result};

/// How many deleted servers are remembered: enough for every message that can still be on its way.
const REMEMBERED: usize = 10_000;

/// Hands out one lock per server id; locks nobody holds or waits for take no memory for long.
#[derive(Debug, Default)]
pub struct ServerLocks {
    locks: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl ServerLocks {
    /// Waits until no other command works on the server.
    pub async fn lock(&self, id: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            match locks.get(id).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    if locks.len() >= 64 && locks.len().is_power_of_two() {
                        locks.retain(|_, lock| lock.strong_count() > 0);
                    }
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    locks.insert(id.to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }

    /// Is a command at work on the server right now?
    pub fn is_locked(&self, id: &str) -> bool {
        let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks
            .get(id)
            .and_then(Weak::upgrade)
            .is_some_and(|lock| lock.try_lock().is_err())
    }
}

/// Refuses `epoch` when it is older than `current`.
///
/// # Errors
/// [`DriverError::StaleEpoch`].
pub fn admit(id: &str, epoch: u64, current: Option<u64>) -> Result<()> {
    match current {
        Some(current) if epoch < current => Err(DriverError::StaleEpoch {
            id: id.to_owned(),
            epoch,
            current,
        }),
        _ => Ok(()),
    }
}

/// Epochs of servers that were deleted here, so that a late command cannot bring one back. Lives as long as the
/// driver object; what slips through after a restart is found by the reconciler.
#[derive(Debug, Default)]
pub struct Graves {
    inner: Mutex<(HashMap<String, u64>, VecDeque<String>)>,
}

impl Graves {
    /// Remembers that `id` was deleted by an operation with this epoch.
    pub fn bury(&self, id: &str, epoch: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (epochs, order) = &mut *inner;
        match epochs.get_mut(id) {
            Some(known) => *known = epoch.max(*known),
            None => {
                epochs.insert(id.to_owned(), epoch);
                order.push_back(id.to_owned());
            }
        }
        while order.len() > REMEMBERED {
            if let Some(oldest) = order.pop_front() {
                epochs.remove(&oldest);
            }
        }
    }

    /// The epoch that deleted `id`, if it is remembered.
    pub fn epoch(&self, id: &str) -> Option<u64> {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .get(id)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_for_one_server_wait_for_each_other_and_others_do_not() {
        let locks = ServerLocks::default();
        let held = locks.lock("a").await;
        assert!(locks.is_locked("a"));
        locks.lock("b").await;
        let waiting = locks.lock("a");
        tokio::pin!(waiting);
        assert!(futures_poll_once(&mut waiting).await.is_none());
        drop(held);
        waiting.await;
        assert!(!locks.is_locked("a"));
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[test]
    fn the_last_ten_thousand_deletions_are_remembered() {
        let graves = Graves::default();
        for number in 0..=REMEMBERED {
            graves.bury(&number.to_string(), 5);
        }
        assert_eq!(graves.epoch("0"), None);
        assert_eq!(graves.epoch("1"), Some(5));
        graves.bury("1", 3);
        assert!(admit("1", 4, graves.epoch("1")).is_err());
        assert!(admit("1", 5, graves.epoch("1")).is_ok());
    }
}
