//! How long a change takes until everybody who watches has heard of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use crate::cloud::Bench;
use crate::servers::User;

/// Streams that are opened at once.
const OPENING: usize = 64;

/// How long everybody may take to hear of something.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many may watch on this machine, at most `wanted`: both ends of a connection are open files, and the front door
/// takes a quarter of those that it may have.
pub fn watchers(wanted: usize) -> Result<usize> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(wanted.min(usize::try_from(hard / 8).unwrap_or(usize::MAX)))
}

/// Opens streams and changes a server: of each change, the milliseconds from the request until 99 of 100 streams had its
/// event.
pub async fn delays(
    bench: &Bench,
    user: &User,
    server: &str,
    watchers: usize,
    changes: usize,
) -> Result<Vec<f64>> {
    let request = format!(
        "GET /compute/v2.1/servers/events HTTP/1.1\r\nHost: bench\r\nX-Auth-Token: {}\r\n\r\n",
        user.token
    );
    let request: Arc<str> = Arc::from(request);
    let (tell, mut told) = mpsc::unbounded_channel();
    let door = Arc::new(Semaphore::new(OPENING));
    let mut streams = JoinSet::new();
    for _ in 0..watchers {
        let (request, door, tell) = (request.clone(), door.clone(), tell.clone());
        let port = bench.port;
        streams.spawn(async move { watch(port, &request, &door, &tell).await });
    }
    all(&mut told, watchers).await.context("opening streams")?;
    let mut delays = Vec::new();
    for change in 0..changes {
        let path = format!("/compute/v2.1/servers/{server}/metadata");
        let body = json!({"metadata": {"change": change.to_string()}});
        let started = Instant::now();
        user.post(&path, &body).await?;
        let mut moments = all(&mut told, watchers).await.context("an event")?;
        moments.sort();
        let late = moments[watchers.saturating_sub(1 + watchers / 100)];
        delays.push(late.duration_since(started).as_secs_f64() * 1000.0);
    }
    Ok(delays)
}

/// The moments at which each said something.
async fn all(told: &mut UnboundedReceiver<Instant>, count: usize) -> Result<Vec<Instant>> {
    let mut moments = Vec::with_capacity(count);
    let some = async {
        while moments.len() < count {
            moments.push(told.recv().await.context("nobody is left")?);
        }
        Ok::<(), anyhow::Error>(())
    };
    let ended = tokio::time::timeout(PATIENCE, some).await;
    match ended {
        Ok(ended) => ended.map(|()| moments),
        Err(_) => bail!("{} of {count} within {PATIENCE:?}", moments.len()),
    }
}

/// Opens a stream, and says when it is open and when an event came.
async fn watch(
    port: u16,
    request: &str,
    door: &Semaphore,
    tell: &UnboundedSender<Instant>,
) -> Result<()> {
    let place = door.acquire().await?;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut text = Vec::with_capacity(4096);
    until(&mut stream, &mut text, b"retry: ").await?;
    drop(place);
    tell.send(Instant::now())?;
    loop {
        until(&mut stream, &mut text, b"event: server.update").await?;
        tell.send(Instant::now())?;
    }
}

/// Reads until these bytes came, and forgets them and what was before.
async fn until(stream: &mut TcpStream, text: &mut Vec<u8>, wanted: &[u8]) -> Result<()> {
    loop {
        let found = text.windows(wanted.len()).position(|some| some == wanted);
        if let Some(at) = found {
            text.drain(..at + wanted.len());
            return Ok(());
        }
        if stream.read_buf(text).await? == 0 {
            bail!("a stream ended: {}", String::from_utf8_lossy(text));
        }
    }
}
