//! One running guest: its process, its QMP connection, and what its end means.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hypervisor::{DriverError, EventKind, PowerState, Result};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use crate::layout::Layout;
use crate::process::Process;
use crate::qmp::{During, Event, Qmp, QmpError};

/// QEMU ends within some 20 ms of `quit`; with dirty disks on a slow host it may take a while.
const QUIT_WAIT: Duration = Duration::from_secs(5);
/// A state asked for a list of all guests: one that hangs must not hold up the others for long.
const STATUS_WAIT: Duration = Duration::from_secs(3);
/// How much of QEMU's own words goes into an error.
const STDERR_TAIL: u64 = 2048;

/// A guest we are connected to. Dropping it lets go of the connection; the guest runs on.
#[derive(Debug)]
pub(crate) struct Guest {
    pub qmp: Qmp,
    pub process: Arc<Process>,
    /// A command is about to end it: its end is no news.
    ending: AtomicBool,
    /// It stands still since its disk could not grow: it is to go on when there is room.
    starved: AtomicBool,
    /// Task that listens to it, once there is one.
    watcher: std::sync::OnceLock<AbortHandle>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.get() {
            watcher.abort();
        }
    }
}

/// The mark that a command ends a guest. Dropped before the guest ended, as when the command is given up, it takes the mark
/// away: what becomes of the guest then is told as its own doing.
pub struct Ending<'g>(Option<&'g Guest>);

impl Ending<'_> {
    /// The guest ended by the command.
    pub fn came(mut self) {
        self.0 = None;
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(guest) = self.0 {
            guest.expect_no_end();
        }
    }
}

impl Guest {
    /// From now on its end is what a command wanted, until the command is given up.
    pub fn ending(&self) -> Ending<'_> {
        self.expect_end();
        Ending(Some(self))
    }

    pub fn watched_by(&self, watcher: AbortHandle) {
        if let Err(second) = self.watcher.set(watcher) {
            second.abort();
        }
    }

    fn expect_end(&self) {
        self.ending.store(true, Ordering::SeqCst);
    }

    fn expect_no_end(&self) {
        self.ending.store(false, Ordering::SeqCst);
    }

    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Whether it stood still for lack of room when last heard of.
    pub fn is_starved(&self) -> bool {
        self.starved.load(Ordering::SeqCst)
    }

    pub fn note_starved(&self, starved: bool) {
        self.starved.store(starved, Ordering::SeqCst);
    }

    /// QEMU's word for the state: `running`, `paused`, `postmigrate`, ...
    pub async fn status(&self) -> std::result::Result<String, QmpError> {
        let status = self.qmp.execute("query-status", json!({})).await?;
        match status.get("status").and_then(Value::as_str) {
            Some(word) => Ok(word.to_owned()),
            None => Err(QmpError::Protocol(
                status.to_string().chars().take(200).collect(),
            )),
        }
    }

    /// The state now. `NoState` when it lives but does not answer.
    pub async fn power(&self) -> PowerState {
        let status = tokio::time::timeout(STATUS_WAIT, self.status()).await;
        match status.unwrap_or_else(|_| Err(QmpError::Timeout("query-status".to_owned()))) {
            Ok(word) => power(&word),
            Err(_) if !self.process.alive() => PowerState::Shutdown,
            Err(error) => {
                tracing::warn!(pid = self.process.pid, %error, "a guest does not answer");
                PowerState::NoState
            }
        }
    }

    /// Asks for a shutdown by the power button and waits; true when the guest ended.
    pub async fn power_button(&self, limit: Duration) -> bool {
        let ask = async {
            // A guest that is still booting misses the first press.
            loop {
                if let Err(error) = self.qmp.execute("system_powerdown", json!({})).await {
                    tracing::debug!(pid = self.process.pid, %error, "the power button does not work");
                }
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        };
        tokio::select! {
            () = self.process.exited() => true,
            () = ask => false,
            () = tokio::time::sleep(limit) => !self.process.alive(),
        }
    }

    /// Ends it now: by command, so that disks are flushed, else by signal.
    pub async fn end(&self) -> Result<()> {
        self.expect_end();
        if self.process.alive() {
            // The connection may close before the answer, and a QEMU that hangs never answers.
            let quit = async {
                let _ = self.qmp.execute("quit", json!({})).await;
                self.process.exited().await;
            };
            if tokio::time::timeout(QUIT_WAIT, quit).await.is_err() {
                crate::process::kill(&self.process).await?;
            }
        }
        Ok(())
    }
}

/// A listening QMP socket, made before QEMU starts: connecting to it needs no waiting and no polling.
pub(crate) fn listen(path: &Path) -> Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    UnixListener::bind(path).map_err(DriverError::io(format!("bind {}", path.display())))
}

/// Waits until a QEMU that was just started is ready.
///
/// # Errors
/// `GuestFailed` with its last words when it ended instead, `Hypervisor` when it says nothing.
pub(crate) async fn connect(
    process: Arc<Process>,
    layout: &Layout,
    limit: Duration,
) -> Result<(Guest, broadcast::Receiver<Event>)> {
    let path = layout.qmp();
    let answer = tokio::select! {
        biased;
        answer = tokio::time::timeout(limit, Qmp::connect(&path)) => answer,
        () = process.exited() => Ok(Err(QmpError::Closed)),
    };
    if let Ok(Ok(_)) = answer {
        publish(layout)?;
    }
    match answer {
        Ok(Ok((qmp, events))) => Ok((
            Guest {
                qmp,
                process,
                ending: AtomicBool::new(false),
                starved: AtomicBool::new(false),
                watcher: std::sync::OnceLock::new(),
            },
            events,
        )),
        Ok(Err(_)) if process.exits_within(Duration::from_secs(1)).await => {
            Err(DriverError::GuestFailed {
                stderr: last_words(layout),
            })
        }
        Ok(Err(error)) => Err(error.during("connect to the guest")),
        Err(_) => Err(QmpError::Timeout("the start".to_owned()).during("start the guest")),
    }
}

/// Moves the sockets that QEMU made out of the folder that it can write: a name in there may lead anywhere, for
/// instance to the console of another server.
fn publish(layout: &Layout) -> Result<()> {
    use std::os::unix::fs::FileTypeExt;
    for (from, to) in [
        (layout.inner_vnc(), layout.vnc()),
        (layout.inner_serial(), layout.serial()),
    ] {
        let fail = || DriverError::io(format!("take {}", from.display()));
        match std::fs::rename(&from, &to) {
            // Moved before, or made in place by a version that did not confine guests.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            moved => moved.map_err(fail())?,
        }
        let kind = std::fs::symlink_metadata(&to).map_err(fail())?.file_type();
        if !kind.is_socket() {
            std::fs::remove_file(&to).map_err(fail())?;
            return Err(fail()(std::io::Error::other("it is no socket")));
        }
    }
    Ok(())
}

/// The end of what QEMU wrote to its log.
pub(crate) fn last_words(layout: &Layout) -> String {
    let bytes = crate::console_log::read_end(&layout.qemu_log(), STDERR_TAIL).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    if text.is_empty() {
        "QEMU ended without a word".to_owned()
    } else {
        text
    }
}

/// QEMU's run states as ours.
fn power(status: &str) -> PowerState {
    match status {
        "running" | "colo" => PowerState::Running,
        "guest-panicked" | "internal-error" => PowerState::Crashed,
        "shutdown" => PowerState::Shutdown,
        // S3: the guest put itself to sleep; any key wakes it.
        "suspended" => PowerState::Suspended,
        // paused, prelaunch, inmigrate, postmigrate, finish-migrate, save-vm, restore-vm, debug, io-error, and watchdog,
        // where its action is to pause
        _ => PowerState::Paused,
    }
}

/// What a watcher heard so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    panicked: bool,
    /// QEMU's reason for a shutdown.
    shutdown: Option<String>,
}

impl Heard {
    /// Takes an event in; the change to report, if it is one that nobody commanded.
    pub fn take(&mut self, event: &Event) -> Option<EventKind> {
        match event.name.as_str() {
            "GUEST_PANICKED" => self.panicked = true,
            "SHUTDOWN" => {
                let reason = event
                    .data
                    .get("reason")
                    .and_then(Value::as_str)
                    .unwrap_or("unknown");
                self.shutdown = Some(reason.to_owned());
            }
            "RESET" => self.panicked = false,
            // QEMU then ends without a word of a shutdown.
            "WATCHDOG" if event.data.get("action").and_then(Value::as_str) == Some("poweroff") => {
                self.shutdown = Some("watchdog".to_owned());
            }
            "STOP" if !event.commanded && self.shutdown.is_none() => {
                return Some(EventKind::Paused);
            }
            "RESUME" if !event.commanded => return Some(EventKind::Resumed),
            _ => {}
        }
        None
    }

    /// What it means that the process ended.
    pub fn verdict(&self) -> (PowerState, EventKind, String) {
        match (&self.shutdown, self.panicked) {
            (_, true) => (
                PowerState::Crashed,
                EventKind::Crashed,
                "the guest's kernel panicked".to_owned(),
            ),
            (Some(reason), false) => (PowerState::Shutdown, EventKind::Stopped, reason.clone()),
            (None, false) => (
                PowerState::Crashed,
                EventKind::Crashed,
                "QEMU ended unexpectedly".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: Value, commanded: bool) -> Event {
        Event {
            name: name.to_owned(),
            data,
            commanded,
        }
    }

    #[test]
    fn what_a_guest_leaves_in_its_folder_is_taken_only_if_it_is_a_socket() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        std::fs::create_dir_all(layout.io()).unwrap();
        let _serial = UnixListener::bind(layout.inner_serial()).unwrap();
        publish(&layout).unwrap();
        publish(&layout).unwrap();
        assert!(layout.serial().exists() && !layout.inner_serial().exists());
        // The screen is a link to the console of another server.
        let _other = UnixListener::bind(dir.path().join("other")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("other"), layout.inner_vnc()).unwrap();
        let refused = publish(&layout).unwrap_err();
        assert!(refused.to_string().contains("io/vnc"), "{refused}");
        assert!(layout.vnc().symlink_metadata().is_err());
    }

    #[test]
    fn the_end_of_a_guest_is_read_from_what_it_said_before() {
        let mut heard = Heard::default();
        assert_eq!(heard.verdict().1, EventKind::Crashed, "killed from outside");
        assert_eq!(
            heard.take(&event(
                "SHUTDOWN",
                json!({"guest": true, "reason": "guest-shutdown"}),
                false
            )),
            None
        );
        assert_eq!(
            heard.take(&event("STOP", Value::Null, false)),
            None,
            "the stop before the end is no pause"
        );
        assert_eq!(
            heard.verdict(),
            (
                PowerState::Shutdown,
                EventKind::Stopped,
                "guest-shutdown".to_owned()
            )
        );
        heard.take(&event("GUEST_PANICKED", json!({"action": "pause"}), false));
        assert_eq!(heard.verdict().0, PowerState::Crashed);
    }

    #[test]
    fn a_watchdog_that_turns_its_guest_off_is_no_crash() {
        let mut heard = Heard::default();
        heard.take(&event("WATCHDOG", json!({"action": "reset"}), false));
        assert_eq!(heard.verdict().0, PowerState::Crashed);
        heard.take(&event("WATCHDOG", json!({"action": "poweroff"}), false));
        let (power, kind, why) = heard.verdict();
        assert_eq!(
            (power, kind, why.as_str()),
            (PowerState::Shutdown, EventKind::Stopped, "watchdog")
        );
    }

    #[test]
    fn only_uncommanded_changes_are_news() {
        let mut heard = Heard::default();
        assert_eq!(heard.take(&event("STOP", Value::Null, true)), None);
        assert_eq!(heard.take(&event("RESUME", Value::Null, true)), None);
        assert_eq!(
            heard.take(&event("STOP", Value::Null, false)),
            Some(EventKind::Paused)
        );
        assert_eq!(
            heard.take(&event("RESUME", Value::Null, false)),
            Some(EventKind::Resumed)
        );
    }

    #[test]
    fn run_states_become_power_states() {
        for (word, state) in [
            ("running", PowerState::Running),
            ("paused", PowerState::Paused),
            ("io-error", PowerState::Paused),
            ("watchdog", PowerState::Paused),
            ("guest-panicked", PowerState::Crashed),
            ("shutdown", PowerState::Shutdown),
        ] {
            assert_eq!(power(word), state, "{word}");
        }
    }
}
