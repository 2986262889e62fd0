//! Generating key pairs takes a second of processor time or more, and anybody may ask for it: so few
//! are generated at once, and of one user so few wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::{ControlError, Result};

/// Pairs of one user that may be under way or waiting.
const PER_USER: usize = 4;

/// Pairs that may be under way or waiting in all.
const IN_ALL: usize = 64;

/// Where key pairs are generated.
pub struct Generators {
    slots: Arc<Semaphore>,
    waiting: Arc<Mutex<HashMap<String, usize>>>,
}

impl Default for Generators {
    /// Half of the processors, so that requests go on meanwhile.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
        Generators::new(cores.div_ceil(2))
    }
}

impl Generators {
    fn new(slots: usize) -> Self {
        Generators {
            slots: Arc::new(Semaphore::new(slots)),
            waiting: Arc::default(),
        }
    }

    /// Runs `work` for a user when it is its turn.
    ///
    /// # Errors
    /// [`ControlError::TooMany`] when the user waits for enough already,
    /// [`ControlError::Busy`] when everybody together does.
    pub async fn run<T: Send + 'static>(
        &self,
        user: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let place = self.place(user)?;
        let closed = || ControlError::Unavailable {
            why: "Key pairs are not generated any more.".to_owned(),
        };
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.map_err(|_| closed())?;
        // Slot and place go along: they are taken as long as the work lasts, whoever waits for it.
        let run = move || {
            let outcome = work();
            drop((slot, place));
            outcome
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| closed())
    }

    fn place(&self, user: &str) -> Result<Place> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let held = waiting.get(user).copied().unwrap_or_default();
        let all: usize = waiting.values().sum();
        if held >= PER_USER {
            return Err(ControlError::TooMany {
                why: "Too many key pairs of this user are being generated.".to_owned(),
                retry_after: 2,
            });
        }
        if all >= IN_ALL {
            return Err(ControlError::Busy {
                why: "Too many key pairs are being generated.".to_owned(),
                retry_after: 10,
            });
        }
        waiting.insert(user.to_owned(), held + 1);
        Ok(Place {
            waiting: self.waiting.clone(),
            user: user.to_owned(),
        })
    }
}

/// A user's place; given back when dropped.
struct Place {
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    user: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&self.user) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                waiting.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_user_who_asks_for_many_is_refused_and_others_are_served() {
        let generators = Arc::new(Generators::new(2));
        let (release, held) = mpsc::channel::<()>();
        let blocked = {
            let generators = generators.clone();
            tokio::spawn(async move { generators.run("evil", move || held.recv()).await })
        };
        while generators.slots.available_permits() == 2 {
            tokio::task::yield_now().await;
        }
        // What a client does not wait for any more is still counted while it is worked at.
        blocked.abort();
        let places: Vec<_> = (1..PER_USER).map(|_| generators.place("evil")).collect();
        assert!(places.iter().all(Result::is_ok));
        let more = generators.run("evil", || ()).await;
        assert!(matches!(more, Err(ControlError::TooMany { .. })));
        generators.run("good", || ()).await.expect("another user");
        release.send(()).expect("still at work");
        drop(places);
        while generators.slots.available_permits() < 2 {
            tokio::task::yield_now().await;
        }
        generators.run("evil", || ()).await.expect("room again");
        let all: Vec<_> = (0..IN_ALL)
            .map(|number| generators.place(&format!("u{}", number / PER_USER)))
            .collect();
        assert!(all.iter().all(Result::is_ok));
        let more = generators.run("good", || ()).await;
        assert!(matches!(more, Err(ControlError::Busy { .. })));
    }
}
