//! A client that takes nothing of what it is sent loses its connection.
//!
//! An answer that is never taken, of a stream of events most of all, would otherwise be held as long as the client's
//! machine says that it is there: the connection with all that the answer keeps, and the end of a process.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::Waits;

/// How long a connection has been waiting for its client to take something.
pub(super) struct Stall {
    waits: Waits,
    stop: CancellationToken,
    /// Runs while the client takes nothing.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    pub fn new(waits: Waits, stop: CancellationToken) -> Self {
        Stall {
            waits,
            stop,
            wait: None,
        }
    }

    fn limit(&self) -> Duration {
        match self.stop.is_cancelled() {
            true => self.waits.taken.min(self.waits.at_end),
            false => self.waits.taken,
        }
    }

    /// What became of an attempt to write: a failure once the client has taken nothing for too long.
    pub fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.wait = None;
            return written;
        }
        let limit = self.limit();
        let until = Instant::now() + limit;
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(limit)));
        // The listener ends: it does not wait that long any more.
        if until < wait.deadline() {
            wait.as_mut().reset(until);
        }
        ready!(wait.as_mut().poll(cx));
        let why = "the client takes nothing of its answer";
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, why)))
    }
}
