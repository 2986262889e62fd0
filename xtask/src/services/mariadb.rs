//! MariaDB, careless about power cuts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::{Server, free_ports, prepare, program, speaks};

/// Where Debian keeps the server.
const HIDDEN: [&str; 2] = ["/usr/sbin", "/usr/libexec"];

/// What will run where.
pub struct Plan {
    folder: PathBuf,
    port: u16,
    install: PathBuf,
    server: PathBuf,
}

impl Plan {
    pub fn new(folder: &Path) -> Result<Self> {
        let folder = folder.join("mariadb");
        std::fs::create_dir(&folder)?;
        let [port] = free_ports()?;
        Ok(Plan {
            folder,
            port,
            install: program("mariadb-install-db", &HIDDEN, "mariadb-server")?,
            server: program("mariadbd", &HIDDEN, "mariadb-server")?,
        })
    }

    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/mysql", self.port)
    }

    /// Options of both programs.
    fn common(&self, command: &mut Command) {
        command.arg("--no-defaults");
        command.arg(format!("--datadir={}", self.folder.join("data").display()));
        if nix::unistd::geteuid().is_root() {
            command.arg("--user=root");
        }
    }

    /// Makes the data folder.
    pub fn prepare(&self) -> Result<()> {
        let mut command = Command::new(&self.install);
        self.common(&mut command);
        command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        prepare(&mut command)
    }

    pub fn start(&self, running: &mut Vec<Server>) -> Result<()> {
        let mut command = Command::new(&self.server);
        self.common(&mut command);
        command.arg(format!("--socket={}", self.folder.join("socket").display()));
        command.arg(format!("--pid-file={}", self.folder.join("pid").display()));
        command.arg(format!("--port={}", self.port));
        command.args([
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=0",
        ]);
        // Each test binary brings pools of its own.
        command.arg("--max-connections=500");
        let (log, port) = (self.folder.join("log"), self.port);
        let ready = move || speaks(port, b"");
        running.push(Server::start(
            "mariadbd",
            &mut command,
            log,
            Signal::SIGKILL,
            ready,
        )?);
        Ok(())
    }
}
