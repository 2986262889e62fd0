//! Taking a cloud off a machine: process, guests, networks. Its data stays.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hypervisor::StopHow;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::Config;
use crate::drivers;
use crate::state::State;

/// How long a process may take to end before it is killed: longer than its own grace.
const PATIENCE: Duration = Duration::from_secs(45);

/// Ends the process that works in the cloud's folder, stops its guests and removes its networks.
pub async fn run(config: &Config) -> Result<()> {
    end_process(&config.place.state_path).await?;
    let state = State::open(&config.place.state_path)?;
    for hosted in drivers::open(config, &state).await? {
        for guest in hosted.driver.list().await? {
            let how = StopHow::Graceful {
                timeout: Duration::from_secs(10),
            };
            hosted
                .driver
                .ensure_stopped(&guest.id, guest.epoch, how)
                .await
                .with_context(|| format!("cannot stop server {}", guest.id))?;
        }
    }
    crate::cloud::open::networks(config, &state)
        .await?
        .down()
        .await?;
    Ok(())
}

async fn end_process(state: &Path) -> Result<()> {
    let Some(pid) = holder(state) else {
        return Ok(());
    };
    // The lock file names the last process that held the folder: only a kilonova is ended.
    if !is_kilonova(pid) {
        return Ok(());
    }
    kill(pid, Signal::SIGTERM).context("cannot end the running kilonova")?;
    let started = Instant::now();
    while is_kilonova(pid) {
        if started.elapsed() > PATIENCE {
            kill(pid, Signal::SIGKILL).context("cannot kill the running kilonova")?;
        }
        if started.elapsed() > PATIENCE * 2 {
            bail!("process {pid} does not end");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn holder(state: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(state.join("kilonova.lock")).ok()?;
    text.trim().parse().ok().map(Pid::from_raw)
}

fn is_kilonova(pid: Pid) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = Path::new(std::ffi::OsStr::new(
        std::str::from_utf8(program).unwrap_or_default(),
    ));
    name.file_name().is_some_and(|name| name == "kilonova")
}
