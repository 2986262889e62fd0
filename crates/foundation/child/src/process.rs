//! Processes that outlive who started them: held by a pidfd, found again by their command line, ended for certain. A
//! process number that is used again is never taken for what it was.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::run::Started;

/// A process cannot outlive SIGKILL for long, unless it hangs in the kernel on a dead disk.
const KILL_WAIT: Duration = Duration::from_secs(15);

/// A process of this machine, whoever started it.
#[derive(Debug)]
pub struct Process {
    /// Its number in this process's own table.
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

    /// Takes hold of the process with this number when its command line, whose words end with a zero byte each, is
    /// `ours`. None: it is another's, or there is none. Called within a Tokio runtime, which watches what is held.
    pub fn take(pid: u32, ours: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let cmdline = |pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !ours(&cmdline(pid)) {
            return None;
        }
        // Held first, looked at then: in this order the answer stays true.
        let process = Self::open(pid).ok()?;
        (ours(&cmdline(pid)) && process.alive()).then_some(process)
    }

    /// The same by looking at every process: for one whose starter died before it noted the number.
    pub fn search(ours: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let pids = std::fs::read_dir("/proc").ok()?.flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find_map(|pid| Self::take(pid, &ours))
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

    fn send(&self, signal: libc::c_int) -> Result<()> {
        // SAFETY: a valid pidfd, a signal number, no siginfo, no flags.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal,
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

    /// Kills it, and does not wait.
    ///
    /// # Errors
    /// It may not be killed by this process.
    pub fn send_kill(&self) -> Result<()> {
        self.send(libc::SIGKILL)
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// It may not be killed, or does not end: `TimedOut`.
    pub async fn kill(&self) -> Result<()> {
        self.send_kill()?;
        if self.exits_within(KILL_WAIT).await {
            return Ok(());
        }
        let why = format!("process {} does not end although killed", self.pid);
        Err(Error::new(ErrorKind::TimedOut, why))
    }

    /// Asks it to end (SIGTERM); kills it when it has not done so within the limit.
    ///
    /// # Errors
    /// As [`Process::kill`].
    pub async fn end(&self, limit: Duration) -> Result<()> {
        self.send(libc::SIGTERM)?;
        match self.exits_within(limit).await {
            true => Ok(()),
            false => self.kill().await,
        }
    }
}

impl Started {
    /// The program as a process to hold. Its end is collected when it comes, so that it does not stay as a zombie.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn watched(self) -> Result<Process> {
        let own = self.pidfd.try_clone();
        let own = own.and_then(|fd| Process::of(self.pid, fd));
        tokio::spawn(collect(self.pid, self.pidfd));
        own
    }
}

async fn collect(pid: u32, pidfd: OwnedFd) {
    let ended = match Process::of(pid, pidfd) {
        Ok(process) => {
            process.exited().await;
            Started::collect(process.fd.get_ref())
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(ended) => tracing::debug!(pid, ?ended, "a program ended"),
        Err(error) => tracing::warn!(pid, %error, "cannot collect a program's exit status"),
    }
}

/// Whether a command line has this option with that value as its next word.
pub fn has_option(cmdline: &[u8], option: &str, value: &[u8]) -> bool {
    let words: Vec<&[u8]> = cmdline.split(|byte| *byte == 0).collect();
    words
        .windows(2)
        .any(|pair| pair[0] == option.as_bytes() && pair[1] == value)
}
