//! QEMU processes: started confined, found again by a later driver, ended for certain. All through
//! pidfds, so that a reused process number is never taken for a guest.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use child::{Confined, Measures, Started};
use hypervisor::DriverError;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::layout::Layout;

/// A process cannot outlive SIGKILL for long, unless it hangs in the kernel on a dead disk.
const KILL_WAIT: Duration = Duration::from_secs(15);

/// A running QEMU.
#[derive(Debug)]
pub(crate) struct Process {
    pub pid: u32,
    fd: AsyncFd<OwnedFd>,
}

impl Process {
    fn open(pid: u32) -> Result<Self> {
        // SAFETY: the call takes two integers and returns a new descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
        let fd = RawFd::try_from(fd).map_err(Error::other)?;
        if fd < 0 {
            return Err(Error::last_os_error());
        }
        // SAFETY: the kernel just gave us this descriptor and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Self::of(pid, fd)
    }

    /// The process that a pidfd names.
    fn of(pid: u32, fd: OwnedFd) -> Result<Self> {
        // SAFETY: an OwnedFd keeps one open descriptor and always names it, until it is dropped with the AsyncFd.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self {
            pid,
            fd: fd.map_err(|error| error.into_parts().1)?,
        })
    }

    /// Waits until the process ended.
    pub async fn exited(&self) {
        // A pidfd becomes readable when its process ends, and stays so.
        if let Err(error) = self.fd.readable().await {
            tracing::warn!(pid = self.pid, %error, "cannot wait for the process");
        }
    }

    /// Waits at most this long; true when it ended.
    pub async fn exits_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.exited()).await.is_ok()
    }

    pub fn alive(&self) -> bool {
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid pollfd is given, with its count.
        unsafe { libc::poll(&mut poll, 1, 0) == 0 }
    }

    fn send_kill(&self) -> Result<()> {
        // SAFETY: a valid pidfd, a signal number, no siginfo, no flags.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                libc::SIGKILL,
                std::ptr::null::<u8>(),
                0,
            )
        };
        match (sent, Error::last_os_error()) {
            (0, _) => Ok(()),
            (_, error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            (_, error) => Err(error),
        }
    }

    /// Kills and waits.
    pub async fn kill(&self) -> hypervisor::Result<()> {
        self.send_kill()
            .map_err(DriverError::io(format!("kill process {}", self.pid)))?;
        if self.exits_within(KILL_WAIT).await {
            return Ok(());
        }
        let why = format!("process {} does not end although killed", self.pid);
        Err(DriverError::Hypervisor {
            what: "stop the guest".to_owned(),
            why,
        })
    }
}

/// The process of a server, by its pid file; None when there is none, or the number belongs to somebody else now.
pub(crate) fn find(layout: &Layout) -> Option<Process> {
    let pid = std::fs::read_to_string(layout.pid())
        .ok()?
        .trim()
        .parse()
        .ok()?;
    take(pid, layout)
}

/// The same by looking at every process: for a QEMU whose starter died before the pid file was there.
pub(crate) fn search(layout: &Layout) -> Option<Process> {
    let pids = std::fs::read_dir("/proc").ok()?.flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find_map(|pid| take(pid, layout))
}

/// The process of a server, whether or not its pid file is there yet, or still.
pub(crate) fn living(layout: &Layout) -> Option<Process> {
    match layout.pid().exists() {
        true => find(layout),
        false if layout.qmp().exists() => search(layout),
        false => None,
    }
}

/// Takes hold of a process, then looks whether it is the server's: in this order the answer stays true.
fn take(pid: u32, layout: &Layout) -> Option<Process> {
    let cmdline = |pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if !belongs(&cmdline(pid), layout) {
        return None;
    }
    let process = Process::open(pid).ok()?;
    (belongs(&cmdline(pid), layout) && process.alive()).then_some(process)
}

/// Is this the command line of the server's QEMU? The pid file's path tells clouds with equal ids apart.
fn belongs(cmdline: &[u8], layout: &Layout) -> bool {
    let words: Vec<&[u8]> = cmdline.split(|byte| *byte == 0).collect();
    let has = |option: &[u8], value: &[u8]| {
        words
            .windows(2)
            .any(|pair| pair[0] == option && pair[1] == value)
    };
    let pid_file = |path: &Path| has(b"-pidfile", path.as_os_str().as_encoded_bytes());
    // The second is what versions gave that did not confine guests.
    has(b"-uuid", layout.id().as_bytes())
        && (pid_file(&layout.inner_pid()) || pid_file(&layout.pid()))
}

/// Starts QEMU with the given descriptors open at the same numbers. What it says goes to `qemu.log`.
pub(crate) fn start(
    program: &Path,
    args: &[String],
    layout: &Layout,
    fds: &[OwnedFd],
    measures: Measures,
) -> hypervisor::Result<Process> {
    let log = layout.qemu_log();
    let fail = || DriverError::io(format!("open {}", log.display()));
    let _ = std::fs::remove_file(&log);
    let out = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&log)
        .map_err(fail())?;
    let err = out.try_clone().map_err(fail())?;
    let confined = Confined {
        program: program.to_owned(),
        args: args.iter().map(Into::into).collect(),
        folder: layout.dir().to_owned(),
        keep: fds.iter().map(AsRawFd::as_raw_fd).collect(),
        measures,
    };
    let started = confined.start(out.into(), err.into());
    let Started { pid, pidfd } = started.map_err(|error| missing(program, error))?;
    let own = pidfd.try_clone().and_then(|fd| Process::of(pid, fd));
    tokio::spawn(collect(pid, pidfd));
    let process = own.map_err(DriverError::io("watch QEMU"))?;
    // QEMU's own pid file holds the number that it has in its own process table.
    if let Err(error) = crate::durable::replace_soon(&layout.pid(), pid.to_string().as_bytes()) {
        if let Err(alive) = process.send_kill() {
            tracing::error!(pid, error = %alive, "a QEMU that failed to start cannot be killed");
        }
        return Err(DriverError::io("write the pid file")(error));
    }
    Ok(process)
}

/// Collects the end of a child, so that it does not stay as a zombie.
async fn collect(pid: u32, pidfd: OwnedFd) {
    let ended = match Process::of(pid, pidfd) {
        Ok(process) => {
            process.exited().await;
            Started::collect(process.fd.get_ref())
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(ended) => tracing::debug!(pid, ?ended, "QEMU ended"),
        Err(error) => tracing::warn!(pid, %error, "cannot collect QEMU's exit status"),
    }
}

fn missing(program: &Path, error: Error) -> DriverError {
    if error.kind() == ErrorKind::NotFound {
        return DriverError::Unsupported {
            what: format!(
                "{} is not installed (package qemu-system-x86)",
                program.display()
            ),
        };
    }
    DriverError::io(format!("start {}", program.display()))(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_a_servers_only_with_its_id_and_its_pid_file() {
        let layout = Layout::new(Path::new("/s"), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        let line =
            |id: &str, pid: &str| format!("qemu\0-uuid\0{id}\0-pidfile\0{pid}\0").into_bytes();
        let pid = layout.inner_pid().display().to_string();
        let earlier = layout.pid().display().to_string();
        assert!(belongs(&line(layout.id(), &earlier), &layout));
        assert!(belongs(&line(layout.id(), &pid), &layout));
        assert!(!belongs(&line(layout.id(), "/other/pid"), &layout));
        assert!(!belongs(
            &line("0d7b1a2c-6a3e-4f0e-9f41-000000000002", &pid),
            &layout
        ));
        assert!(!belongs(b"", &layout), "a zombie has no command line");
    }

    #[tokio::test]
    async fn a_reused_process_number_is_never_taken_for_a_guest() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        std::fs::create_dir_all(layout.dir()).unwrap();
        std::fs::write(layout.pid(), format!("{}\n", std::process::id())).unwrap();
        assert!(find(&layout).is_none());
        assert!(search(&layout).is_none());
    }
}
