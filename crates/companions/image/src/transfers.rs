//! How many uploads, imports and downloads may be under way, and the threads that do their work.
//!
//! Data is written, hashed and inspected on threads of its own, so that a slow client or disk never
//! keeps one of the threads that all services of a process share. Their number is bounded by the
//! permits that are handed out here.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::fault::Fault;

/// Counts what is under way, in all and for each project.
#[derive(Debug)]
pub struct Transfers {
    what: &'static str,
    in_all: usize,
    per_project: usize,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    in_all: usize,
    of: HashMap<String, usize>,
}

/// One transfer that may run. Ends with the value.
#[derive(Debug)]
pub struct Permit {
    transfers: Arc<Transfers>,
    project: String,
}

impl Transfers {
    /// `what` completes "too many … at once".
    pub fn new(what: &'static str, in_all: usize, per_project: usize) -> Arc<Self> {
        Arc::new(Transfers {
            what,
            in_all,
            per_project,
            running: Mutex::default(),
        })
    }

    /// Lets another one run.
    ///
    /// # Errors
    /// 429 when the project has as many as it may; 503 when the service has.
    pub fn begin(self: &Arc<Self>, project: &str) -> Result<Permit, Fault> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let own = running.of.get(project).copied().unwrap_or_default();
        if own >= self.per_project {
            return Err(Fault::TooMany(format!(
                "The project has {own} {} under way, and may not have more at once.",
                self.what
            )));
        }
        if running.in_all >= self.in_all {
            return Err(Fault::Busy(format!(
                "The image service has too many {} under way.",
                self.what
            )));
        }
        running.in_all += 1;
        running.of.insert(project.to_owned(), own + 1);
        Ok(Permit {
            transfers: self.clone(),
            project: project.to_owned(),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let running = &self.transfers.running;
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        running.in_all -= 1;
        if let Some(own) = running.of.get_mut(&self.project) {
            *own -= 1;
            if *own == 0 {
                running.of.remove(&self.project);
            }
        }
    }
}

/// Runs blocking work on a thread of its own. The caller holds a [`Permit`], or bounds its number in
/// another way.
///
/// # Errors
/// No thread can be started, or the work panicked.
pub async fn apart<T, F>(work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    started(work)?
        .await
        .map_err(|_| io::Error::other("file work ended abnormally"))
}

/// Starts blocking work on a thread of its own; what it gives is received when it ends.
pub fn started<T, F>(work: F) -> io::Result<oneshot::Receiver<T>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("image-data".to_owned())
        .spawn(move || {
            // Nobody waits any more when the service ends.
            drop(sender.send(work()));
        })?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_and_the_service_have_only_so_many_and_those_that_end_make_room() {
        let transfers = Transfers::new("uploads", 3, 2);
        let first = transfers.begin("one").expect("the first");
        let _second = transfers.begin("one").expect("the second");
        assert!(matches!(transfers.begin("one"), Err(Fault::TooMany(_))));
        let _third = transfers.begin("two").expect("another project's");
        assert!(matches!(transfers.begin("two"), Err(Fault::Busy(_))));
        drop(first);
        let again = transfers.begin("two").expect("room was made");
        drop(again);
        let running = transfers.running.lock().expect("lock");
        assert_eq!((running.in_all, running.of.len()), (2, 2));
    }
}
