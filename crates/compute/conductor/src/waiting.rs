//! Who waits for a server's ports, in this process.
//!
//! A wake-up may come to another conductor or be lost: whoever waits also looks for itself from
//! time to time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Bells by server.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<HashMap<String, Arc<Notify>>>);

impl Waiting {
    /// The bell of a server; kept until [`Waiting::forget`].
    pub fn bell(&self, server_id: &str) -> Arc<Notify> {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry(server_id.to_owned()).or_default().clone()
    }

    /// Wakes who waits for a server, if anybody.
    pub fn ring(&self, server_id: &str) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(server_id) {
            bell.notify_one();
        }
    }

    /// Nobody waits any more.
    pub fn forget(&self, server_id: &str) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bells.remove(server_id);
    }
}
