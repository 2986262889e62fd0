//! Taking a cloud off a machine: process, guests, networks. Its data stays.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hypervisor::{Driver, DriverError, GuestFacts, PowerState, StopHow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::drivers;
use crate::state::State;

/// How long a process may take to end before it is killed: longer than its own grace.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(45);

/// Guests that are stopped at once: each writes out its disks meanwhile.
const STOPPED_AT_ONCE: usize = 16;

/// How long a driver may take beyond a guest's own time: it ends QEMU by command, then by signal.
const CUT_TIMEOUT: Duration = Duration::from_secs(60);

/// Ends the process that works in the cloud's folder, stops its guests and removes its networks. What fails does not
/// keep the rest from being done.
///
/// # Errors
/// Whatever could not be ended, each by name.
pub async fn run(config: &Config) -> Result<()> {
    end_process(&config.place.state_path).await?;
    let state = State::open(&config.place.state_path)?;
    let mut failed = Vec::new();
    let say = |line: String| println!("{line}");
    for hosted in drivers::open(config, &state).await? {
        let timeout = config.compute.shutdown_timeout;
        failed.extend(stop_guests(&hosted.driver, timeout, &say).await);
    }
    let companions = crate::open::companions(config, &state).await;
    match companions {
        Ok(companions) => {
            for one in &companions.0 {
                if let Err(error) = one.companion.down().await {
                    failed.push(format!("{}: {error:#}", one.row.name));
                }
            }
        }
        Err(error) => failed.push(format!("{error:#}")),
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("not everything is down:\n{}", failed.join("\n")),
    }
}

/// Stops the guests that run, several at a time: each may shut down within `timeout`, then its power is cut. Suspended
/// guests keep their memory. Says how it goes; gives what failed.
async fn stop_guests(
    driver: &Arc<dyn Driver>,
    timeout: Duration,
    say: &impl Fn(String),
) -> Vec<String> {
    let guests = match driver.list().await {
        Ok(guests) => guests,
        Err(error) => return vec![format!("the guests cannot be listed: {}", chain(&error))],
    };
    let mut waiting = guests
        .into_iter()
        .filter(|guest| !has_stopped(guest))
        .peekable();
    if waiting.peek().is_none() {
        return Vec::new();
    }
    let (mut stopping, mut failed) = (JoinSet::new(), Vec::new());
    loop {
        while stopping.len() < STOPPED_AT_ONCE
            && let Some(guest) = waiting.next()
        {
            say(format!(
                "stopping server {} ({}): up to {} s",
                guest.id,
                guest.name,
                timeout.as_secs()
            ));
            stopping.spawn(stop(driver.clone(), guest, timeout));
        }
        let Some(ended) = stopping.join_next().await else {
            return failed;
        };
        match ended {
            Ok((id, took, Ok(()))) => {
                say(format!(
                    "server {id} stopped after {:.1} s",
                    took.as_secs_f64()
                ));
            }
            Ok((id, _, Err(why))) => {
                say(format!("server {id} is not stopped: {why}"));
                failed.push(format!("server {id}: {why}"));
            }
            Err(error) => failed.push(format!("a stop broke off: {error}")),
        }
    }
}

fn has_stopped(guest: &GuestFacts) -> bool {
    matches!(
        guest.power_state,
        PowerState::Shutdown | PowerState::Suspended
    )
}

/// Stops one guest; gives its id, and how long it took.
async fn stop(
    driver: Arc<dyn Driver>,
    guest: GuestFacts,
    timeout: Duration,
) -> (String, Duration, Result<(), String>) {
    let began = tokio::time::Instant::now();
    let how = StopHow::Graceful { timeout };
    let stopped = driver.ensure_stopped(&guest.id, guest.epoch, how);
    let ended = match tokio::time::timeout(timeout + CUT_TIMEOUT, stopped).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err("it does not end although its power was cut".to_owned()),
    };
    (guest.id, began.elapsed(), ended)
}

/// An error with its causes.
fn chain(error: &DriverError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
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
        if started.elapsed() > PROCESS_TIMEOUT {
            kill(pid, Signal::SIGKILL).context("cannot kill the running kilonova")?;
        }
        if started.elapsed() > PROCESS_TIMEOUT * 2 {
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use hypervisor::ServerSpec;
    use hypervisor_fake::{FailCall, FakeDriver, FakeSettings, Faults, Verb};

    use super::*;

    /// A host with so many running guests; the one named `deaf` ignores the power button.
    async fn host(guests: usize, faults: Faults) -> FakeDriver {
        let driver = FakeDriver::open(FakeSettings {
            latencies: hypervisor_fake::Latencies {
                stop_ms: 200,
                ..Default::default()
            },
            faults,
            ..FakeSettings::default()
        });
        let driver = driver.unwrap();
        for number in 0..guests {
            let name = if number == 0 { "deaf" } else { "good" };
            let spec = ServerSpec::minimal(uuid::Uuid::new_v4().to_string(), name);
            driver.ensure_running(&spec).await.unwrap();
        }
        driver
    }

    async fn states(driver: &FakeDriver) -> Vec<PowerState> {
        let guests = driver.list().await.unwrap();
        guests.iter().map(|guest| guest.power_state).collect()
    }

    /// What was said and what failed.
    async fn stopped(driver: &FakeDriver, timeout: Duration) -> (Vec<String>, Vec<String>) {
        let said = Mutex::new(Vec::new());
        let shared: Arc<dyn Driver> = Arc::new(driver.clone());
        let failed = stop_guests(&shared, timeout, &|line| said.lock().unwrap().push(line)).await;
        (said.into_inner().unwrap(), failed)
    }

    #[tokio::test(start_paused = true)]
    async fn guests_are_stopped_side_by_side_and_a_deaf_one_holds_nobody_up() {
        let faults = Faults {
            ignore_shutdown_of: Some("deaf".to_owned()),
            ..Faults::default()
        };
        let driver = host(40, faults).await;
        let began = tokio::time::Instant::now();
        let (said, failed) = stopped(&driver, Duration::from_secs(30)).await;
        assert_eq!(failed, Vec::<String>::new());
        // The deaf one has its thirty seconds; the others go in rows beside it.
        let took = began.elapsed();
        assert!((30..32).contains(&took.as_secs()), "{took:?}");
        assert_eq!(states(&driver).await, vec![PowerState::Shutdown; 40]);
        let ended: Vec<_> = said
            .iter()
            .filter(|line| line.contains("stopped after"))
            .collect();
        assert_eq!(ended.len(), 40, "{said:?}");
        assert!(ended[39].contains("after 30.0 s"), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_is_named_and_the_others_are_stopped_all_the_same() {
        let nth = 2;
        let verb = Verb::EnsureStopped;
        let faults = Faults {
            fail_calls: vec![FailCall { verb, nth }],
            ..Faults::default()
        };
        let driver = host(5, faults).await;
        let (said, failed) = stopped(&driver, Duration::from_secs(30)).await;
        let left: Vec<_> = driver.list().await.unwrap();
        let left: Vec<_> = left.iter().filter(|guest| !has_stopped(guest)).collect();
        assert_eq!((left.len(), failed.len()), (1, 1), "{failed:?}");
        assert!(failed[0].contains(&left[0].id), "{failed:?}");
        assert!(failed[0].contains("is configured to fail"), "{failed:?}");
        let not = said
            .iter()
            .filter(|line| line.contains("is not stopped"))
            .count();
        assert_eq!(not, 1, "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn suspended_guests_keep_their_memory() {
        let driver = host(2, Faults::default()).await;
        let id = driver.list().await.unwrap()[0].id.clone();
        driver.suspend().unwrap().suspend(&id, 1).await.unwrap();
        let (_, failed) = stopped(&driver, Duration::from_secs(1)).await;
        assert_eq!(failed, Vec::<String>::new());
        let mut states = states(&driver).await;
        states.sort_by_key(|state| state.number());
        assert_eq!(states, [PowerState::Shutdown, PowerState::Suspended]);
    }
}
