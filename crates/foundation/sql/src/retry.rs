//! The one place where a transaction that lost a race is tried again.

use std::future::Future;
use std::time::Duration;

use crate::SqlError;

/// How often a transaction is tried before its conflict is reported: with doubling waits from
/// 5 ms this is about 300 ms, longer than any transaction of ours holds its locks.
const ATTEMPTS: u32 = 7;

/// Runs `transaction` until it ends otherwise than by a conflict; every other error passes through at once.
///
pub async fn retry<T, E, F, Fut>(mut transaction: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: AsConflict,
{
    let mut wait = Duration::from_millis(5);
    for _ in 1..ATTEMPTS {
        match transaction().await {
            Err(error) if error.as_conflict() => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            ended => return ended,
        }
    }
    transaction().await
}

/// An error that can say whether it is a database conflict.
pub trait AsConflict {
    /// True when the same transaction may succeed when tried again.
    fn as_conflict(&self) -> bool;
}

impl AsConflict for SqlError {
    fn as_conflict(&self) -> bool {
        self.is_conflict()
    }
}
