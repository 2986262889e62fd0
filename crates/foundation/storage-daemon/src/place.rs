//! The files of a daemon's folder. Nobody but this process writes there.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use child::{Process, has_option};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, name_of};

/// What a daemon that serves its volume was started for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Served {
    pub mark: Value,
    pub bytes: u64,
    pub address: Option<SocketAddr>,
}

pub(crate) struct Place<'a> {
    folder: &'a Path,
}

impl<'a> Place<'a> {
    pub fn new(folder: &'a Path) -> Self {
        Self { folder }
    }

    pub fn pid(&self) -> PathBuf {
        self.folder.join("pid")
    }

    pub fn qmp(&self) -> PathBuf {
        self.folder.join("qmp")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn served(&self) -> PathBuf {
        self.folder.join("served.json")
    }

    pub fn make(&self) -> Result<(), Error> {
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.folder);
        made.map_err(Error::io(format!("create {}", self.folder.display())))
    }

    /// The daemon of the folder, whether or not its number was noted; None when it does not run.
    pub fn process(&self) -> Option<Process> {
        let name = name_of(self.folder);
        let ours = |cmdline: &[u8]| has_option(cmdline, "--monitor", monitor(&name).as_bytes());
        let noted = std::fs::read_to_string(self.pid()).ok();
        let noted = noted.and_then(|text| text.trim().parse().ok());
        noted
            .and_then(|pid| Process::take(pid, ours))
            .or_else(|| Process::search(ours))
    }

    /// What it serves, when it came so far. What is half written serves nothing.
    pub fn read(&self) -> Option<Served> {
        serde_json::from_slice(&std::fs::read(self.served()).ok()?).ok()
    }

    /// Removes what only a running daemon needs.
    pub fn clear(&self) -> Result<(), Error> {
        for path in [self.served(), self.pid(), self.qmp()] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(Error::io(format!("remove {}", path.display())))?,
            }
        }
        Ok(())
    }
}

/// The option by which a daemon of this name is known.
pub(crate) fn monitor(name: &str) -> String {
    format!("chardev={name}")
}

/// The folders of daemons in this one, sorted by name: whoever is responsible ends those that nobody needs.
///
/// # Errors
/// It cannot be read. One that is not there has none.
pub fn folders(parent: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = || Error::io(format!("read {}", parent.display()));
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail())?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fail())?;
        if entry.file_type().map_err(fail())?.is_dir() {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}
