//! Requests whose head hyper refuses, answered as every other refusal is.
//!
//! hyper shows such a request to no service and has no hook for its answer: it writes a bare head (400, 414 or 431, see
//! `on_error` in its `proto/h1/role.rs`) in one piece, and the connection ends with the error. [`Front`] stands between
//! hyper and the stream: it keeps that head back, and gives the stream back when hyper drops it. Who serves the
//! connection then writes the fault ([`answer`]).
//!
//! Only what hyper writes while no answer of ours is under way ([`Turn`]) is looked at: neither bodies nor another
//! protocol that took a connection over can be mistaken for a refusal.
//!
//! HTTP/2 is not spoken: TLS offers `http/1.1` alone, and a connection that begins with the preface of HTTP/2 is closed
//! without an answer, which that client could not read.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::stall::Stall;
use crate::body;
use crate::request_id::{self, HEADER};

/// How long the answer to a refused head may take, with what the client still sends: a connection that is closed on
/// unread bytes is reset, and the client then never sees the answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How many bytes of that are read and thrown away.
const DISCARDED: u64 = 64 << 20;

/// Whose turn it is on a connection: whether what hyper writes may be an answer of ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<AtomicU8>);

/// Nothing of ours is to be written: the next head is awaited.
const QUIET: u8 = 0;
/// A request is with the router, or its answer is being written.
const ASKED: u8 = 1;
/// hyper has all of the answer, but may not have written it yet.
const SAID: u8 = 2;
/// Another protocol has the connection, for good.
const PASSED: u8 = 3;

impl Turn {
    /// A request came.
    pub fn asked(&self) {
        self.0.store(ASKED, Ordering::Relaxed);
    }

    /// Its answer; the turn ends with its body. A connection that becomes another protocol never becomes quiet again.
    pub fn answered(self, response: Response) -> http::Response<Followed> {
        let (head, body) = response.into_parts();
        let turn = match head.status {
            StatusCode::SWITCHING_PROTOCOLS => {
                self.0.store(PASSED, Ordering::Relaxed);
                None
            }
            _ => Some(self),
        };
        http::Response::from_parts(head, Followed { body, turn })
    }

    fn said(&self) {
        self.0.store(SAID, Ordering::Relaxed);
    }

    /// hyper flushes a stream only when it has written all that it had.
    fn flushed(&self) {
        let (order, same) = (Ordering::Relaxed, Ordering::Relaxed);
        // Another state stays what it is.
        let _ = self.0.compare_exchange(SAID, QUIET, order, same);
    }

    fn is_quiet(&self) -> bool {
        self.0.load(Ordering::Relaxed) == QUIET
    }

    fn is_passed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == PASSED
    }
}

/// The body of an answer, whose end is noted. hyper drops a body when it has buffered all of it.
pub(super) struct Followed {
    body: Body,
    turn: Option<Turn>,
}

impl hyper::body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(turn) = &self.turn {
            turn.said();
        }
    }
}

/// Where the stream of a connection is found again when hyper refused a head on it, with the status that it answers.
pub(super) type Back<S> = Arc<Mutex<Option<(S, StatusCode)>>>;

/// A connection's stream, as hyper sees it.
pub(super) struct Front<S> {
    /// None only while it is dropped.
    stream: Option<S>,
    turn: Turn,
    /// The status of the refusal that was kept back.
    kept: Option<StatusCode>,
    back: Back<S>,
    stall: Stall,
}

impl<S> Front<S> {
    pub fn new(stream: S, turn: Turn, back: Back<S>, stall: Stall) -> Self {
        let (stream, kept) = (Some(stream), None);
        Front {
            stream,
            turn,
            kept,
            back,
            stall,
        }
    }

    /// What became of an attempt to write: a failure when the client of an answer has taken nothing for too long.
    fn taken<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.turn.is_passed() {
            true => written,
            false => self.stall.watch(cx, written),
        }
    }

    /// Whether `bytes` are a refusal of hyper's own; it is kept back then.
    fn keeps(&mut self, bytes: &[u8]) -> bool {
        if !self.turn.is_quiet() {
            return false;
        }
        let status = refusal(bytes);
        self.kept = self.kept.or(status);
        status.is_some()
    }
}

impl<S: Unpin> Front<S> {
    fn inner(&mut self) -> Pin<&mut S> {
        let stream = self.stream.as_mut();
        Pin::new(stream.expect("the stream stays until the drop"))
    }
}

impl<S> Drop for Front<S> {
    fn drop(&mut self) {
        if let (Some(status), Some(stream)) = (self.kept, self.stream.take()) {
            let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
            *back = Some((stream, status));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Front<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().inner().poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Front<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.keeps(bytes) {
            true => Poll::Ready(Ok(bytes.len())),
            false => {
                let written = this.inner().poll_write(cx, bytes);
                this.taken(cx, written)
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut full = parts.iter().filter(|part| !part.is_empty());
        // A head is one part, and a refusal is nothing but a head.
        if let (Some(head), None) = (full.next(), full.next())
            && this.keeps(head)
        {
            return Poll::Ready(Ok(head.len()));
        }
        let written = this.inner().poll_write_vectored(cx, parts);
        this.taken(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = this.inner().poll_flush(cx);
        ready!(this.taken(cx, flushed))?;
        this.turn.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.kept {
            // The answer is still to be written.
            Some(_) => Poll::Ready(Ok(())),
            None => {
                let ended = this.inner().poll_shutdown(cx);
                this.taken(cx, ended)
            }
        }
    }
}

/// The status of a refusal as hyper writes it: nothing but a head, with no other header than these three.
fn refusal(bytes: &[u8]) -> Option<StatusCode> {
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.strip_prefix("HTTP/1.")?.split(' ');
    let status: StatusCode = words.nth(1)?.parse().ok()?;
    let of_hyper = matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    let bare = lines.all(|line| {
        line == "content-length: 0"
            || line.starts_with("connection: ")
            || line.starts_with("date: ")
    });
    (of_hyper && bare).then_some(status)
}

/// Answers a request whose head hyper refused with `error`, takes in what the client still sends, and closes.
pub(super) async fn answer<S>(
    mut stream: S,
    status: StatusCode,
    error: &hyper::Error,
    client: SocketAddr,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let id = request_id::of(&HeaderMap::new()).local;
    tracing::info!(%id, %client, status = status.as_u16(), %error, "the head of a request was refused");
    let bytes = written(status, &error.to_string(), &id);
    let said = async {
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        let mut unread = (&mut stream).take(DISCARDED);
        tokio::io::copy(&mut unread, &mut tokio::io::sink()).await
    };
    match tokio::time::timeout(ANSWER_TIME, said).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client did not take its refusal"),
        Err(_) => tracing::debug!("a client went on sending after its refusal"),
    }
}

/// What hyper says of a head, and what its sender is told.
const MESSAGES: &[(&str, &str)] = &[
    (
        "invalid HTTP method parsed",
        "The request line begins with no method of HTTP.",
    ),
    (
        "invalid URI",
        "The URI in the request line is not valid. Characters that a URI cannot hold, as the quotation mark in a query, \
         must be percent-encoded (%22).",
    ),
    (
        "invalid HTTP version parsed",
        "The request line must end with HTTP/1.1 or HTTP/1.0. A space within the URI must be percent-encoded (%20).",
    ),
    (
        "invalid HTTP header parsed",
        "A header of the request is not valid: its name may hold letters, digits and hyphens, its value no control \
         characters.",
    ),
    (
        "invalid content-length parsed",
        "The header Content-Length must be one number of bytes.",
    ),
    (
        "invalid transfer-encoding parsed",
        "The header Transfer-Encoding of a request must end with chunked.",
    ),
    (
        "unexpected transfer-encoding parsed",
        "A request of HTTP/1.0 cannot have the header Transfer-Encoding.",
    ),
    (
        "URI too long",
        "The URI in the request line is too long. At most 65534 bytes are taken.",
    ),
    (
        "message head is too large",
        "The request has too many headers (at most 100 are taken), its head is too large, or its Content-Length is \
         beyond what a body can have.",
    ),
];

/// The whole answer, in the form of the identity service, as to a path that no service has: which service the request
/// was meant for is not known.
fn written(status: StatusCode, error: &str, id: &str) -> Vec<u8> {
    let known = MESSAGES.iter().find(|(said, _)| *said == error);
    let message = known.map_or_else(
        || format!("The head of the request could not be read: {error}."),
        |(_, message)| (*message).to_owned(),
    );
    let (code, title) = (status.as_u16(), body::title(status));
    let body = body::fault(status, &message).to_string();
    let (length, date) = (body.len(), chrono::Utc::now());
    let date = date.format("%a, %d %b %Y %H:%M:%S GMT");
    let answer = format!(
        "HTTP/1.1 {code} {title}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         {HEADER}: {id}\r\nconnection: close\r\ndate: {date}\r\n\r\n{body}"
    );
    answer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_heads_with_the_codes_of_hyper_are_refusals() {
        let date = "date: Mon, 30 Nov 2026 16:00:00 GMT\r\n\r\n";
        let bare =
            format!("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n{date}");
        assert_eq!(refusal(bare.as_bytes()), Some(StatusCode::BAD_REQUEST));
        let old = format!("HTTP/1.0 414 URI Too Long\r\ncontent-length: 0\r\n{date}");
        assert_eq!(refusal(old.as_bytes()), Some(StatusCode::URI_TOO_LONG));
        for other in [
            bare.replace("400 Bad Request", "404 Not Found"),
            bare.replace("content-length: 0", "content-length: 2") + "{}",
            bare.replace("date", "x-openstack-request-id: req-1\r\ndate"),
            format!("{bare}{bare}"),
            bare.replace("\r\n\r\n", "\r\n"),
        ] {
            assert_eq!(refusal(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_connection_is_quiet_after_the_flush_of_a_whole_answer_and_never_after_an_upgrade() {
        let turn = Turn::default();
        turn.asked();
        let answer = turn.clone().answered(Response::new(Body::from("hello")));
        turn.flushed();
        assert!(!turn.is_quiet(), "the body is not ended");
        drop(answer);
        assert!(!turn.is_quiet(), "its end is not flushed");
        turn.flushed();
        assert!(turn.is_quiet());

        turn.asked();
        let mut upgrade = Response::new(Body::empty());
        *upgrade.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        drop(turn.clone().answered(upgrade));
        turn.flushed();
        assert!(!turn.is_quiet());
    }
}
