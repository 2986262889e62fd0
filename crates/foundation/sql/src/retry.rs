//! The one place where a transaction that lost a race is tried again.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::SqlError;

/// How often a transaction is tried before its conflict is reported: with doubling waits from
/// 5 ms this is about 300 ms, longer than any transaction of ours holds its locks.
const ATTEMPTS: u32 = 7;

/// After so long a conflict is reported, however few attempts there were: attempts that waited for
/// a lock until its limit took long enough.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// Longest that one attempt may take: far more than the limits that the database keeps by itself.
/// Only a server that hangs, or a network that swallows everything, comes here.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(120);

/// A transaction on its way. One type for all of them: what waits for it is compiled once for each result, not once
/// for each transaction.
type Attempt<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Runs `transaction` until it ends otherwise than by a conflict; every other error passes through at
/// once. It always ends: an attempt without an answer is [`SqlError::Timeout`].
pub async fn retry<T, E, F, Fut>(mut transaction: F) -> Result<T, E>
where
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = Result<T, E>> + Send,
    E: AsConflict + From<SqlError>,
{
    retry_within(ATTEMPT_LIMIT, &mut || Box::pin(transaction())).await
}

async fn retry_within<'a, T, E>(
    limit: Duration,
    transaction: &mut (dyn FnMut() -> Attempt<'a, T, E> + Send),
) -> Result<T, E>
where
    E: AsConflict + From<SqlError>,
{
    let begun = Instant::now();
    let mut wait = Duration::from_millis(5);
    let mut attempt = 1;
    loop {
        match within_limit(limit, transaction()).await {
            Err(error)
                if error.as_conflict() && attempt < ATTEMPTS && begun.elapsed() < RETRY_FOR =>
            {
                tokio::time::sleep(wait).await;
                wait *= 2;
                attempt += 1;
            }
            ended => return ended,
        }
    }
}

/// One attempt at a transaction, for those who retry by a rule of their own: it always ends.
///
/// # Errors
/// [`SqlError::Timeout`] when the database does not answer, and the transaction's own.
pub async fn attempt<T, E: From<SqlError>>(
    transaction: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    within_limit(ATTEMPT_LIMIT, Box::pin(transaction)).await
}

async fn within_limit<T, E: From<SqlError>>(
    limit: Duration,
    transaction: Attempt<'_, T, E>,
) -> Result<T, E> {
    tokio::time::timeout(limit, transaction)
        .await
        .unwrap_or_else(|_| Err(SqlError::Timeout(limit).into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_transaction_that_never_answers_is_given_up() {
        let limit = Duration::from_secs(1);
        let ended = retry_within(limit, &mut || {
            Box::pin(std::future::pending::<Result<(), SqlError>>())
        })
        .await;
        assert!(matches!(ended, Err(SqlError::Timeout(_))), "{ended:?}");
    }
}
