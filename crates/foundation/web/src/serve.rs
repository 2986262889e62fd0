//! Serving a listener until told to stop: with TLS or without, so many connections and no more.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tower_http::catch_panic::CatchPanicLayer;

use crate::client::Peer;
use crate::tls::Tls;

/// How long a client may take to send the head of a request, counted from when the connection is
/// ready for one: a connection that sends half a head, or nothing between two requests, is closed
/// then. nginx's default (`client_header_timeout`). Bodies are not bound by it; see
/// [`body::read`](crate::body::read) for those that are read whole, uploads have their own limits.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may take to shake hands when the listener speaks TLS. nginx gives as long as for a head; a
/// handshake is four small packets.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what it is sent: its connection is closed then. nginx gives a minute
/// (`send_timeout`); a client that pauses a download has longer here. Connections that became another protocol are not
/// bound by it.
pub const TAKE_TIMEOUT: Duration = Duration::from_secs(300);

/// The same once the listener ends, which waits for its connections.
pub const LAST_TAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take for what.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// For the head of a request.
    head: Duration,
    /// To take something of what it is sent.
    taken: Duration,
    /// The same once the listener ends.
    at_end: Duration,
}

const WAITS: Waits = Waits {
    head: HEAD_TIMEOUT,
    taken: TAKE_TIMEOUT,
    at_end: LAST_TAKE_TIMEOUT,
};

/// What a client hears who is one too many, where there is no TLS to say it in.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Wait after a connection could not be accepted: out of file descriptors, most likely.
const BREATH: Duration = Duration::from_millis(100);

/// A listener and how it takes its clients.
pub struct Door {
    pub listener: TcpListener,
    /// None: plain HTTP.
    pub tls: Option<Tls>,
    pub limits: Limits,
}

impl From<TcpListener> for Door {
    /// Plain and without limits.
    fn from(listener: TcpListener) -> Self {
        Door {
            listener,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// Answers requests at `door` until `stop` is cancelled, then finishes those under way.
///
/// A handler that panics answers 500 and costs only its own request. A client that is slow to say
/// what it wants loses its connection after [`HEAD_TIMEOUT`]. A head that is no HTTP, or too large, is answered with a
/// fault that says why.
///
/// # Errors
/// None today: a connection that cannot be accepted is logged, and the next one is waited for.
pub async fn serve(
    door: impl Into<Door>,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_within(door.into(), router, stop, WAITS).await
}

async fn serve_within(
    door: Door,
    router: Router,
    stop: CancellationToken,
    waits: Waits,
) -> io::Result<()> {
    let router = guarded(router);
    let Door {
        listener,
        tls,
        limits,
    } = door;
    let (connections, connected) = (TaskTracker::new(), Connected::new(limits));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match connected.enter(peer.ip()) {
                Some(place) => {
                    let (router, stop, tls) = (router.clone(), stop.clone(), tls.clone());
                    connections.spawn(async move {
                        welcome(stream, Peer(peer), tls, router, stop, waits).await;
                        drop(place);
                    });
                }
                None => turn_away(&stream, peer.ip(), tls.is_some()),
            },
            // The client gave up first: nothing is wrong here.
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Answers what comes on one stream that is no socket, as [`serve`] does on each of its connections, until the stream
/// ends. `peer` is who its requests are said to come from.
pub async fn serve_stream<S>(stream: S, peer: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (router, stop) = (guarded(router), CancellationToken::new());
    connection(stream, Peer(peer), router, stop, WAITS).await;
}

/// The router, with an answer for requests whose handler panics.
fn guarded(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(panicked))
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Closes a connection that is one too many.
fn turn_away(stream: &TcpStream, client: IpAddr, tls: bool) {
    metrics::counter!("kilonova_connections_refused_total").increment(1);
    tracing::debug!(%client, "a connection too many");
    if !tls {
        // A courtesy: who does not take it sees the connection closed.
        let _ = stream.try_write(FULL);
    }
}

/// Takes a client in: shakes hands where there is TLS, then answers its requests.
async fn welcome(
    stream: TcpStream,
    peer: Peer,
    tls: Option<Tls>,
    router: Router,
    stop: CancellationToken,
    waits: Waits,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let Some(tls) = tls else {
        return connection(stream, peer, router, stop, waits).await;
    };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => shaken,
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, peer, router, stop, waits).await,
        Ok(Err(error)) => tracing::debug!(%error, client = %peer.0, "no TLS with a client"),
        Err(_) => tracing::debug!(client = %peer.0, "a client was too slow to shake hands"),
    }
}

async fn connection<S>(stream: S, peer: Peer, router: Router, stop: CancellationToken, waits: Waits)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (turn, back) = (Turn::default(), Back::<S>::default());
    let stall = Stall::new(waits, stop.clone());
    let front = Front::new(stream, turn.clone(), back.clone(), stall);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let (mut router, turn) = (router.clone(), turn.clone());
        turn.asked();
        let answer = router.call(request);
        async move { answer.await.map(|response| turn.answered(response)) }
    });
    let ended = {
        let mut served = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(waits.head)
                .serve_connection(TokioIo::new(front), service)
                .with_upgrades()
        );
        tokio::select! {
            ended = served.as_mut() => ended,
            () = stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        }
    };
    let Err(error) = ended else {
        return;
    };
    tracing::debug!(%error, "a client's connection ended");
    let kept = back.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((stream, status)) = kept {
        refused::answer(stream, status, &error, peer.0).await;
    }
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(what, "a request handler panicked");
    let body = serde_json::json!({
        "computeFault": {"code": 500, "message": "Unexpected API Error."}
    });
    (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(body)).into_response()
}

mod limits;
mod refused;
mod stall;
use limits::Connected;
pub use limits::Limits;
use refused::{Back, Front, Turn};
use stall::Stall;

#[cfg(test)]
mod tests;
