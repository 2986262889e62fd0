//! The wire over RabbitMQ.
//!
//! Connections are supervised here, not by the client library: after any loss there is a new one,
//! everything is declared and consumed anew, and calls that waited fail, or are sent again when
//! their message says [`crate::Message::IDEMPOTENT`]. One connection sends (see `supervisor`), and
//! each served address has one of its own (see `consume`).
//!
//! Publishes are confirmed by the broker. Answers come by direct reply-to, so they cost no queue.
//! Casts are acknowledged after their handler, so they are handled at least once; calls before it,
//! so they are handled at most once, unless they are idempotent.

mod consume;
mod link;
mod place;
mod supervisor;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::WireError;
use crate::message::Options;
use crate::service::Table;
use crate::{Address, ConnectError, TransportError};
use consume::Registration;
use link::{Link, Trouble};
pub use place::Place;

/// How long the first connection is tried.
const FIRST_CONNECT: Duration = Duration::from_secs(30);
/// How long leaving the broker may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// How long serving waits for the broker before it goes on trying on its own.
const SERVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The sending half; what is served has connections of its own.
pub struct Rabbit {
    place: Arc<Place>,
    /// The connection of the moment; none while it is being made anew.
    link: watch::Receiver<Option<Arc<Link>>>,
    closed: CancellationToken,
    supervisor: TaskTracker,
}

/// A request with what the broker and the consumer want to know about it.
pub struct Parcel<'a> {
    pub name: &'static str,
    pub request: &'a [u8],
    pub expires: Instant,
}

impl Rabbit {
    /// Connects, or says why it could not for half a minute.
    pub async fn connect(place: Place) -> Result<Arc<Rabbit>, ConnectError> {
        let closed = CancellationToken::new();
        let first = supervisor::open_first(&place, FIRST_CONNECT).await?;
        let (links, link) = watch::channel(Some(Arc::clone(&first)));
        let place = Arc::new(place);
        let supervisor = TaskTracker::new();
        supervisor.spawn(supervisor::supervise(
            Arc::clone(&place),
            first,
            links,
            closed.clone(),
        ));
        supervisor.close();
        Ok(Arc::new(Rabbit {
            place,
            link,
            closed,
            supervisor,
        }))
    }

    /// Sends a request and waits for the answer; sends it again after a lost connection if `repeat`.
    pub async fn call(
        &self,
        address: &Address,
        parcel: &Parcel<'_>,
        repeat: bool,
    ) -> Result<Vec<u8>, WireError> {
        loop {
            let link = self.live(parcel.expires).await?;
            let outcome = timeout_at(parcel.expires, link.ask(address, parcel)).await;
            match outcome.unwrap_or(Err(Trouble::Final(WireError::Deadline))) {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::NotSent) => link.lose(),
                Err(Trouble::Lost) if repeat => link.lose(),
                Err(Trouble::Lost) => {
                    return Err(WireError::Transport(TransportError::Disconnected));
                }
            }
        }
    }

    /// Sends a request to be handled later. Returns when the broker has stored it.
    pub async fn cast(&self, address: &Address, parcel: &Parcel<'_>) -> Result<(), WireError> {
        let patience = patience(parcel.expires);
        loop {
            let link = self.live(patience).await?;
            let outcome = timeout_at(patience, link.store(address, parcel)).await;
            match outcome.unwrap_or(Err(Trouble::Final(WireError::Deadline))) {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(error)) => return Err(error),
                // It may have been stored: casts are handled at least once.
                Err(Trouble::NotSent | Trouble::Lost) => link.lose(),
            }
        }
    }

    /// Sends a request to everyone who serves the topic now.
    pub async fn fanout(&self, topic: &str, parcel: &Parcel<'_>) -> Result<(), WireError> {
        let patience = patience(parcel.expires);
        loop {
            let link = self.live(patience).await?;
            let outcome = timeout_at(patience, link.spread(topic, parcel)).await;
            match outcome.unwrap_or(Err(Trouble::Final(WireError::Deadline))) {
                Ok(()) => return Ok(()),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::NotSent | Trouble::Lost) => link.lose(),
            }
        }
    }

    /// Consumes from the address until `stop`. Returns when messages are taken; when the broker is
    /// not ready for that within ten seconds, messages are taken later.
    pub async fn serve(
        &self,
        address: &Address,
        table: Table,
        concurrency: usize,
        stop: CancellationToken,
        running: &TaskTracker,
    ) -> Result<(), TransportError> {
        // Present until the stop even while there is no connection.
        running.spawn(stop.clone().cancelled_owned());
        let registration =
            Registration::new(address.clone(), table, concurrency, stop, running.clone());
        let (done, ready) = oneshot::channel();
        running.spawn(consume::run(
            Arc::clone(&self.place),
            Arc::new(registration),
            done,
        ));
        match timeout(SERVE_TIMEOUT, ready).await {
            Ok(Ok(outcome)) => outcome.map_err(TransportError::Broker),
            Ok(Err(_)) => Err(TransportError::Closed),
            Err(_) => {
                tracing::warn!(%address, "the broker does not let us serve yet; trying on");
                Ok(())
            }
        }
    }

    /// Leaves the broker; whoever still waits for an answer gets [`TransportError::Closed`].
    pub async fn close(&self) {
        self.closed.cancel();
        // A broker that does not answer the goodbye is left anyway.
        let _ = timeout(GOODBYE, self.supervisor.wait()).await;
    }

    /// The connection of the moment, waiting for one until `until`.
    async fn live(&self, until: Instant) -> Result<Arc<Link>, WireError> {
        let mut links = self.link.clone();
        let alive = links.wait_for(|link| link.as_ref().is_some_and(|link| !link.is_lost()));
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(WireError::Transport(TransportError::Closed)),
            found = timeout_at(until, alive) => match found {
                Ok(Ok(link)) => link.clone().ok_or(WireError::Transport(TransportError::Disconnected)),
                Ok(Err(_)) => Err(WireError::Transport(TransportError::Closed)),
                Err(_) => Err(WireError::Transport(TransportError::Disconnected)),
            },
        }
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

/// A cast may be kept long, but its sender does not wait longer for the broker than for a call.
fn patience(expires: Instant) -> Instant {
    expires.min(Instant::now() + Options::CALL_DEADLINE)
}
