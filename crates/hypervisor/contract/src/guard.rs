//! Two things every driver needs to keep the contract: one command at a time per server, and memory of the epochs of
//! servers that are gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedMutexGuard, watch};

use crate::{DeviceCommand, DriverError, Result};

/// How many deleted servers are remembered: enough for every message that can still be on its way.
const REMEMBERED: usize = 10_000;

/// Hands out one lock per server id; locks nobody holds or waits for take no memory for long.
#[derive(Debug, Default)]
pub struct ServerLocks {
    locks: Mutex<HashMap<String, Weak<Lock>>>,
}

#[derive(Debug, Default)]
struct Lock {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Commands that wait for their turn and cannot wait for a guest.
    urgent: watch::Sender<usize>,
}

/// The right to work on one server, until it is dropped.
#[derive(Debug)]
pub struct Held {
    _turn: OwnedMutexGuard<()>,
    /// Keeps the lock findable for those who wait.
    _lock: Arc<Lock>,
}

/// Counts as urgent while it lives, however its command ends.
struct Urgent<'a>(&'a Lock);

impl<'a> Urgent<'a> {
    fn new(lock: &'a Lock) -> Self {
        lock.urgent.send_modify(|count| *count += 1);
        Urgent(lock)
    }
}

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        self.0.urgent.send_modify(|count| *count -= 1);
    }
}

impl ServerLocks {
    /// Waits until no other command works on the server.
    pub async fn lock(&self, id: &str) -> Held {
        take(self.find(id)).await
    }

    /// Like [`ServerLocks::lock`], for a command that makes waiting for the guest pointless: who
    /// [listens](ServerLocks::urgent) hears of it.
    pub async fn lock_urgently(&self, id: &str) -> Held {
        let lock = self.find(id);
        let _urgent = Urgent::new(&lock);
        take(lock.clone()).await
    }

    /// The lock, if no command works on the server or waits for it.
    pub fn try_lock(&self, id: &str) -> Option<Held> {
        let lock = self.find(id);
        let turn = lock.turn.clone().try_lock_owned().ok()?;
        Some(Held {
            _turn: turn,
            _lock: lock,
        })
    }

    /// Ends when an urgent command waits for the server: for the `select!` of whoever holds the lock
    /// and waits for the guest.
    pub async fn urgent(&self, id: &str) {
        let lock = self.find(id);
        let mut urgent = lock.urgent.subscribe();
        // The sender lives in `lock`, so this cannot end without an urgent command.
        let _ = urgent.wait_for(|count| *count > 0).await;
    }

    fn find(&self, id: &str) -> Arc<Lock> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(id).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= 64 && locks.len().is_power_of_two() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(Lock::default());
        locks.insert(id.to_owned(), Arc::downgrade(&lock));
        lock
    }

    /// Is a command at work on the server right now?
    pub fn is_locked(&self, id: &str) -> bool {
        let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks
            .get(id)
            .and_then(Weak::upgrade)
            .is_some_and(|lock| lock.turn.try_lock().is_err())
    }
}

async fn take(lock: Arc<Lock>) -> Held {
    Held {
        _turn: lock.turn.clone().lock_owned().await,
        _lock: lock,
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

/// Refuses a command about devices when `current` came first: the same epoch, and a greater number.
///
/// # Errors
/// [`DriverError::StaleEpoch`], [`DriverError::StaleCommand`].
pub fn admit_device(id: &str, command: DeviceCommand, current: DeviceCommand) -> Result<()> {
    admit(id, command.epoch, Some(current.epoch))?;
    if command.epoch == current.epoch && command.number < current.number {
        return Err(DriverError::StaleCommand {
            id: id.to_owned(),
            number: command.number,
            current: current.number,
        });
    }
    Ok(())
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
        assert!(locks.try_lock("a").is_none());
        assert!(locks.try_lock("b").is_some());
        locks.lock("b").await;
        let waiting = locks.lock("a");
        tokio::pin!(waiting);
        assert!(futures_poll_once(&mut waiting).await.is_none());
        drop(held);
        waiting.await;
        assert!(!locks.is_locked("a"));
    }

    #[tokio::test]
    async fn an_urgent_command_is_heard_of_by_whoever_works_on_its_server() {
        let locks = ServerLocks::default();
        let held = locks.lock("a").await;
        let (mut heard, mut other) = (Box::pin(locks.urgent("a")), Box::pin(locks.urgent("b")));
        assert!(futures_poll_once(&mut heard).await.is_none());
        let mut waiting = Box::pin(locks.lock_urgently("a"));
        assert!(futures_poll_once(&mut waiting).await.is_none());
        heard.await;
        assert!(futures_poll_once(&mut other).await.is_none());
        drop(held);
        let held = waiting.await;
        let mut heard = Box::pin(locks.urgent("a"));
        assert!(futures_poll_once(&mut heard).await.is_none(), "it has come");
        drop(held);
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
