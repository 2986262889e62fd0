//! Reading as fast as the service answers. The client is as plain as can be, since it takes its
//! processor time from the same two cores: fixed requests over kept connections.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cloud::Bench;

/// Answers a second over `connections` connections.
pub async fn reads_per_second(
    bench: &Bench,
    token: &str,
    path: &str,
    length: Duration,
    connections: usize,
) -> Result<f64> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nX-Auth-Token: {token}\r\n\r\n");
    let started = Instant::now();
    let mut readers = JoinSet::new();
    for _ in 0..connections {
        let (request, port) = (request.clone(), bench.port);
        readers.spawn(async move { read(port, request.as_bytes(), started + length).await });
    }
    let mut total = 0u32;
    while let Some(count) = readers.join_next().await {
        total += count??;
    }
    Ok(f64::from(total) / started.elapsed().as_secs_f64())
}

async fn read(port: u16, request: &[u8], until: Instant) -> Result<u32> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut count = 0;
    while Instant::now() < until {
        stream.write_all(request).await?;
        answer(&mut stream, &mut buffer).await?;
        count += 1;
    }
    Ok(count)
}

/// Reads one answer and checks that it is a good one.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    let head = loop {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the connection ended");
        }
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    if !text.starts_with("HTTP/1.1 200") {
        bail!("not a good answer: {text}");
    }
    let length = text
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse::<usize>()
                .ok()
        })
        .context("no content-length")?;
    while buffer.len() < head + length {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the connection ended");
        }
    }
    Ok(())
}
