//! Turns of those who work on the same thing in this process.

use tokio::sync::{Mutex, MutexGuard};

/// Who may work on an export: those whose ids fall together wait for each other.
#[derive(Default)]
pub struct Turns([Mutex<()>; 16]);

impl Turns {
    /// The turn of an export, until it is dropped.
    pub async fn of(&self, id: &str) -> MutexGuard<'_, ()> {
        let sum = id.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.0[sum % self.0.len()].lock().await
    }
}
