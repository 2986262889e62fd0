//! Whether somebody who was let in may stay: looked at again and again while something is open that outlives its
//! request, as a console or a watch of events. It would otherwise outlive its user's right to it.

use std::future::Future;
use std::time::Duration;

use tokio::time;

/// How long those who know may take for one answer.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What nothing was heard of at so many looks in a row ends. One is not enough: those who know may restart.
pub const SILENT_LOOKS: u32 = 3;

/// Why somebody may not stay.
pub trait Ending {
    /// Nobody could be asked; the text is for the log.
    fn silence(why: String) -> Self;

    /// That text, if nobody could be asked.
    fn silent(&self) -> Option<&str>;
}

/// One look. No answer within [`ANSWER_WAIT`] is silence.
///
/// # Errors
/// What the look found, or silence.
pub async fn look<E: Ending>(asked: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    time::timeout(ANSWER_WAIT, asked)
        .await
        .unwrap_or_else(|_| Err(E::silence("no answer in time".to_owned())))
}

/// Looks after each `interval`, and returns when somebody may not stay: at once when that is known, and after
/// [`SILENT_LOOKS`] when nobody can say.
pub async fn lost<E, F>(interval: Duration, mut look: impl FnMut() -> F) -> E
where
    E: Ending,
    F: Future<Output = Result<(), E>>,
{
    let mut silent = 0;
    loop {
        time::sleep(interval).await;
        let Err(ending) = look().await else {
            silent = 0;
            continue;
        };
        let Some(why) = ending.silent() else {
            return ending;
        };
        silent += 1;
        tracing::warn!(why, silent, "nobody knows whether a right still holds");
        if silent == SILENT_LOOKS {
            return ending;
        }
    }
}
