//! A guest as its user reaches it: SSH.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::cloud::{TIMEOUT, eventually};

/// Where and with which key.
pub struct Guest {
    pub address: IpAddr,
    key: PathBuf,
}

impl Guest {
    pub fn new(address: IpAddr, key: &Path) -> Self {
        Guest {
            address,
            key: key.to_owned(),
        }
    }

    /// A command line of the system's client.
    pub fn ssh(&self, command: &str) -> Command {
        let mut line = Command::new("ssh");
        line.args(["-F", "/dev/null", "-i"]).arg(&self.key);
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=3",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            line.args(["-o", option]);
        }
        line.arg(format!("root@{}", self.address)).arg(command);
        line.stdin(Stdio::null()).kill_on_drop(true);
        line
    }

    /// What a command prints, if the guest is reached and the command succeeds.
    pub async fn try_run(&self, command: &str) -> Option<String> {
        let run = self.ssh(command).output();
        let output = tokio::time::timeout(Duration::from_secs(15), run)
            .await
            .ok()?
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    pub async fn run(&self, command: &str) -> String {
        self.try_run(command)
            .await
            .unwrap_or_else(|| panic!("{} does not run {command:?}", self.address))
    }

    /// Waits until the guest lets us in, and answers which boot of it this is.
    pub async fn answers(&self) -> String {
        eventually("SSH answers", TIMEOUT, async || self.boot().await).await
    }

    /// Different after each start of the guest's kernel.
    pub async fn boot(&self) -> Option<String> {
        // Asked first, as a client waits for seconds on packets that nobody answers yet.
        if !self.port_is_open().await {
            return None;
        }
        self.try_run("cat /proc/sys/kernel/random/boot_id").await
    }

    /// Whether something at the SSH port says its name within two seconds.
    pub async fn port_is_open(&self) -> bool {
        let banner = async {
            let mut stream = TcpStream::connect((self.address, 22)).await?;
            let mut start = [0; 4];
            stream.read_exact(&mut start).await.map(|_| ())
        };
        matches!(
            tokio::time::timeout(Duration::from_secs(2), banner).await,
            Ok(Ok(()))
        )
    }

    /// Whether packets to the SSH port get no answer at all, as a firewall without courtesy does it.
    pub async fn port_is_silent(&self) -> bool {
        let connect = TcpStream::connect((self.address, 22));
        tokio::time::timeout(Duration::from_secs(2), connect)
            .await
            .is_err()
    }
}
