//! Keeps one connection for publishing alive.

use std::sync::Arc;
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::place::Place;
use crate::ConnectError;

/// The wait between attempts to connect doubles from here ...
pub const FIRST_WAIT: Duration = Duration::from_millis(100);
/// ... to here: quick enough to be back soon after a broker that restarts in seconds.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The first connection, so that a wrong URL or a missing broker is told at start.
pub async fn open_first(place: &Place, patience: Duration) -> Result<Arc<Link>, ConnectError> {
    let until = Instant::now() + patience;
    let mut wait = FIRST_WAIT;
    loop {
        match open(place, false).await {
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

/// Runs until `closed`: makes another connection whenever the last one is lost.
pub async fn supervise(
    place: Arc<Place>,
    first: Arc<Link>,
    links: watch::Sender<Option<Arc<Link>>>,
    closed: CancellationToken,
) {
    let mut link = first;
    loop {
        links.send_replace(Some(Arc::clone(&link)));
        tokio::select! {
            () = closed.cancelled() => {
                links.send_replace(None);
                link.close().await;
                return;
            }
            () = link.lost() => {}
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
            let opened = open(place, true).await;
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

async fn open(place: &Place, again: bool) -> lapin::Result<Arc<Link>> {
    Link::open(dial(place, "sender").await?, again).await
}

/// A connection to the first broker of the list that answers; else what the last one said. The name
/// is for the people who look at the broker.
pub async fn dial(place: &Place, name: &str) -> lapin::Result<Connection> {
    let name = format!("kilonova {} {name}", std::process::id());
    let connect = |uri: &AMQPUri| {
        let properties = ConnectionProperties::default().with_connection_name(name.clone().into());
        Connection::connect_uri(uri.clone(), properties)
    };
    let (last, others) = place
        .brokers
        .split_last()
        .expect("a place has at least one broker");
    for uri in others {
        if let Ok(connection) = connect(uri).await {
            return Ok(connection);
        }
    }
    connect(last).await
}

/// Wrong credentials or a missing virtual host do not get better.
fn is_worth_retrying(error: &lapin::Error) -> bool {
    !matches!(error.kind(), lapin::ErrorKind::ProtocolError(_))
}
