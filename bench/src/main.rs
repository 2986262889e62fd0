//! `cargo run --release -p bench`: how fast and how large the binary is, on the simulated
//! hypervisor, as its users would notice it: over HTTP, from another process.
//!
//! Machines are noisy: every figure is the median of several runs with the least and the most
//! beside it. Nothing here passes or fails.

#![allow(clippy::disallowed_methods)] // it starts the binary as people do

mod cloud;
mod load;
mod servers;
mod volumes;
mod watch;

use std::time::Duration;

use anyhow::Result;

use cloud::Bench;

/// Starts measured for the first figure.
const STARTS: usize = 5;

/// Servers built one after the other.
const SERIAL: usize = 40;

/// Servers built together, and how many requests are under way at once.
const TOGETHER: (usize, usize) = (200, 16);

/// Volumes made one after the other, each plugged into a server and out again.
const VOLUMES: usize = 40;

/// How long reading is measured, and over how many connections.
const READING: (Duration, usize) = (Duration::from_secs(5), 16);

/// Streams of events that are open while a server changes, and how often it does.
const WATCHING: (usize, usize) = (10_000, 40);

#[tokio::main]
async fn main() -> Result<()> {
    println!("| what | target | median | least | most |\n|---|---|---|---|---|");
    let mut starts = Vec::new();
    let mut again = Vec::new();
    for _ in 0..STARTS {
        let mut bench = Bench::new()?;
        starts.push(millis(bench.start().await?));
        bench.stop().await?;
        again.push(millis(bench.start().await?));
        bench.stop().await?;
    }
    row("first start until it answers, ms", "< 1,000", &mut starts);
    row("later start until it answers, ms", "< 1,000", &mut again);

    let mut bench = Bench::new()?;
    bench.start().await?;
    // The service user logs in after the start; what it leaves behind belongs to the idle process.
    tokio::time::sleep(Duration::from_secs(2)).await;
    row("idle memory, MiB", "< 64", &mut [bench.memory_mib()?]);

    let user = servers::prepare(&bench).await?;
    let mut one_by_one = Vec::new();
    for number in 0..SERIAL {
        let (id, took) = user.boot(&format!("serial-{number}")).await?;
        one_by_one.push(millis(took));
        user.delete(&id).await?;
    }
    row("POST /servers to ACTIVE, ms", "< 50", &mut one_by_one);

    let (server, _) = user.boot("with-volumes").await?;
    let (mut made, mut attached, mut detached) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..VOLUMES {
        let (volume, took) = user.volume(&format!("volume-{number}")).await?;
        made.push(millis(took));
        attached.push(millis(user.attach(&server, &volume).await?));
        detached.push(millis(user.detach(&server, &volume).await?));
    }
    row("POST /volumes to available, ms", "< 10", &mut made);
    row("volume into a server until in-use, ms", "", &mut attached);
    row(
        "volume out of a server until available, ms",
        "",
        &mut detached,
    );

    let (count, at_once) = TOGETHER;
    let mut together = Vec::new();
    let mut last = Vec::new();
    for round in 0..3 {
        let (ids, took) = user
            .boot_many(&format!("round-{round}"), count, at_once)
            .await?;
        together.push(took.as_secs_f64());
        last = ids;
    }
    row("200 servers, 16 at once, s", "< 4", &mut together);

    let (length, connections) = READING;
    let path = format!("/compute/v2.1/servers/{}", last[0]);
    let mut reads = Vec::new();
    for _ in 0..3 {
        reads.push(load::reads_per_second(&bench, &user.token, &path, length, connections).await?);
    }
    row("GET /servers/{id} per second", "> 3,000", &mut reads);
    let mut lists = vec![
        load::reads_per_second(
            &bench,
            &user.token,
            "/compute/v2.1/servers/detail?limit=100",
            length,
            connections,
        )
        .await?,
    ];
    row("GET /servers/detail?limit=100 per second", "", &mut lists);
    row(
        "memory with 600 servers, MiB",
        "",
        &mut [bench.memory_mib()?],
    );
    bench.stop().await?;

    let mut bench = Bench::new()?;
    bench.start().await?;
    let user = servers::prepare(&bench).await?;
    let (server, _) = user.boot("watched").await?;
    // What its host says of it after the start is none of the changes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (wanted, changes) = WATCHING;
    let watchers = watch::watchers(wanted)?;
    let mut delays = watch::delays(&bench, &user, &server, watchers, changes).await?;
    let what = format!("a change until 99 % of {watchers} streams have it, ms");
    row(&what, "<= 100", &mut delays);
    bench.stop().await
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

fn row(what: &str, target: &str, values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    println!(
        "| {what} | {target} | {:.1} | {least:.1} | {most:.1} |",
        values[values.len() / 2]
    );
}
