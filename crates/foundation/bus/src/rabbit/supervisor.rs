//! Keeps one connection alive and everything served over it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::consume::{self, Registration};
use super::link::Link;
use super::place::Place;
use crate::ConnectError;

/// The wait between attempts to connect doubles from here ...
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// ... to here: quick enough to be back soon after a broker that restarts in seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A service to consume for; `done` hears whether the broker let us.
pub struct Command {
    pub registration: Arc<Registration>,
    pub done: oneshot::Sender<lapin::Result<()>>,
}

/// The first connection, so that a wrong URL or a missing broker is told at start.
pub async fn open_first(place: &Place, patience: Duration) -> Result<Arc<Link>, ConnectError> {
    let until = Instant::now() + patience;
    let mut wait = FIRST_WAIT;
    loop {
        match open_any(place, false).await {
            Ok(link) => return Ok(link),
            Err(source) if Instant::now() + wait >= until || !is_worth_retrying(&source) => {
                return Err(ConnectError::Broker {
                    host: place.label(),
                    source,
                });
            }
            Err(error) => {
                tracing::warn!(%error, broker = place.label(), "cannot reach the message broker yet")
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Runs until `closed`: serves over the connection, and makes another one whenever it is lost.
pub async fn supervise(
    place: Place,
    first: Arc<Link>,
    links: watch::Sender<Option<Arc<Link>>>,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    closed: CancellationToken,
) {
    let mut served: Vec<Arc<Registration>> = Vec::new();
    let mut link = first;
    loop {
        served.retain(|registration| !registration.stop.is_cancelled());
        for registration in &served {
            consume::keep(&link, registration, None);
        }
        links.send_replace(Some(Arc::clone(&link)));
        loop {
            tokio::select! {
                () = closed.cancelled() => {
                    links.send_replace(None);
                    link.close().await;
                    return;
                }
                () = link.lost() => break,
                Some(Command { registration, done }) = inbox.recv() => {
                    served.retain(|registration| !registration.stop.is_cancelled());
                    consume::keep(&link, &registration, Some(done));
                    served.push(registration);
                }
            }
        }
        links.send_replace(None);
        tracing::warn!(
            broker = place.label(),
            "lost the connection to the message broker"
        );
        // Never wait for a goodbye to a connection that may hang.
        let old = link;
        tokio::spawn(async move { old.close().await });
        match reopen(&place, &closed).await {
            Some(new) => link = new,
            None => return,
        }
        tracing::info!(
            broker = place.label(),
            "connected to the message broker again"
        );
    }
}

/// A new connection, however long it takes; `None` when the bus is closed meanwhile.
async fn reopen(place: &Place, closed: &CancellationToken) -> Option<Arc<Link>> {
    let mut wait = FIRST_WAIT;
    loop {
        let attempt = async {
            let opened = open_any(place, true).await;
            if opened.is_err() {
                sleep(wait).await;
            }
            opened
        };
        tokio::select! {
            () = closed.cancelled() => return None,
            opened = attempt => match opened {
                Ok(link) => return Some(link),
                Err(error) => tracing::debug!(%error, "cannot reach the message broker"),
            },
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// The first broker of the list that answers; else what the last one said.
async fn open_any(place: &Place, again: bool) -> lapin::Result<Arc<Link>> {
    let (last, others) = place
        .brokers
        .split_last()
        .expect("a place has at least one broker");
    for uri in others {
        if let Ok(link) = Link::open(uri, again).await {
            return Ok(link);
        }
    }
    Link::open(last, again).await
}

/// Wrong credentials or a missing virtual host do not get better.
fn is_worth_retrying(error: &lapin::Error) -> bool {
    !matches!(error.kind(), lapin::ErrorKind::ProtocolError(_))
}
