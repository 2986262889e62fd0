//! A program and what it is confined by.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;

use crate::prepared::Prepared;
use crate::root::Root;
use crate::run::{self, Ended, Started};

/// Who the program runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Further groups, as that of `/dev/kvm`.
    pub groups: Vec<u32>,
    /// Numbers of the capabilities (`linux/capability.h`) that it keeps. All others are out of reach for good.
    pub capabilities: Vec<u8>,
}

/// A resource limit, soft and hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Open files.
    Files(u64),
    /// Bytes of the largest file that it may write.
    FileSize(u64),
}

/// What confines a program. The default is what needs no rights: no new privileges, no core files, descriptors closed,
/// a clean environment, a session of its own.
#[derive(Debug, Default)]
pub struct Measures {
    pub user: Option<User>,
    /// A file tree of its own.
    pub root: Option<Root>,
    /// A network of its own, without any way out.
    pub network: bool,
    /// A process table of its own. The program is process 1 in it; [`Started::pid`] is its number here.
    pub processes: bool,
    /// Shared memory, message queues and the host's name of its own.
    pub ipc: bool,
    pub limits: Vec<Limit>,
    /// From -1000 (never killed when memory is short) to 1000 (killed first).
    pub oom_score_adj: Option<i32>,
    /// Files of control groups that the program enters by writing 0 to them.
    pub groups: Vec<File>,
}

/// A program to start.
#[derive(Debug)]
pub struct Confined {
    /// Looked for in [`crate::PATH`] when it has no folder.
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// The folder it starts in, in its own file tree.
    pub folder: PathBuf,
    /// Descriptors that it gets, under the same numbers. All others are closed.
    pub keep: Vec<RawFd>,
    pub measures: Measures,
}

impl Confined {
    /// Starts it, with nothing to read. What it writes goes to the two files.
    ///
    /// # Errors
    /// `NotFound` when the program does not exist; else the text names the step that failed.
    pub fn start(&self, out: OwnedFd, err: OwnedFd) -> Result<Started> {
        let program = crate::find(&self.program).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("{} is not installed", self.program.display()),
            )
        })?;
        let null = File::options().read(true).open("/dev/null")?;
        let prepared = Prepared::new(self, Some(&program))?;
        run::start(prepared, &[null.into(), out, err])
    }

    /// Starts it, waits for its end, and returns that and what it wrote to its error output. Blocking.
    ///
    /// # Errors
    /// As [`Confined::start`].
    pub fn output(&self) -> Result<(Ended, String)> {
        let (mut reader, writer) = std::io::pipe()?;
        let null = File::options().write(true).open("/dev/null")?;
        let started = self.start(null.into(), writer.into())?;
        let mut said = Vec::new();
        reader.read_to_end(&mut said)?;
        let ended = started.wait()?;
        Ok((ended, String::from_utf8_lossy(&said).trim().to_owned()))
    }
}
