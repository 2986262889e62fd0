//! PostgreSQL, careless about power cuts. It refuses to run as root, so it runs as user `postgres` then.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::{Server, free_ports, prepare, program, run_as};

/// Where Debian keeps the programs, the newest first.
const HIDDEN: [&str; 5] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/14/bin",
];

/// What will run where.
pub struct Plan {
    folder: PathBuf,
    port: u16,
    initdb: PathBuf,
    postgres: PathBuf,
    pg_isready: PathBuf,
}

impl Plan {
    pub fn new(folder: &Path) -> Result<Self> {
        let folder = folder.join("postgres");
        std::fs::create_dir(&folder)?;
        let [port] = free_ports()?;
        Ok(Plan {
            folder,
            port,
            initdb: program("initdb", &HIDDEN, "postgresql")?,
            postgres: program("postgres", &HIDDEN, "postgresql")?,
            pg_isready: program("pg_isready", &HIDDEN, "postgresql")?,
        })
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes the data folder.
    pub fn prepare(&self) -> Result<()> {
        let mut command = Command::new(&self.initdb);
        command
            .args([
                "--auth=trust",
                "--no-sync",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "-D",
            ])
            .arg(self.folder.join("data"));
        run_as("postgres", &self.folder, &mut [&mut command])?;
        prepare(&mut command)
    }

    pub fn start(&self, running: &mut Vec<Server>) -> Result<()> {
        let mut command = Command::new(&self.postgres);
        command
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(&self.folder);
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-F"]);
        // Each test binary brings pools of its own.
        for setting in [
            "max_connections=500",
            "synchronous_commit=off",
            "full_page_writes=off",
        ] {
            command.args(["-c", setting]);
        }
        run_as("postgres", &self.folder, &mut [&mut command])?;
        let (asker, port) = (self.pg_isready.clone(), self.port.to_string());
        let ready = move || {
            let mut ask = Command::new(&asker);
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            ask.status().is_ok_and(|status| status.success())
        };
        let log = self.folder.join("log");
        // SIGQUIT: end at once, but remove the shared memory.
        running.push(Server::start(
            "postgres",
            &mut command,
            log,
            Signal::SIGQUIT,
            ready,
        )?);
        Ok(())
    }
}
