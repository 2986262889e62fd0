//! The binary under measurement, in a folder of its own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One installation.
pub struct Bench {
    folder: tempfile::TempDir,
    binary: PathBuf,
    pub port: u16,
    child: Option<Child>,
}

impl Bench {
    /// A fresh folder; nothing runs yet.
    pub fn new() -> Result<Self> {
        let own = std::env::current_exe().context("our own path")?;
        let binary = own.with_file_name("kilonova");
        if !binary.exists() {
            bail!(
                "{} is missing: cargo build --release -p kilonova",
                binary.display()
            );
        }
        let free = TcpListener::bind("127.0.0.1:0").context("a free port")?;
        let port = free.local_addr()?.port();
        let bench = Bench {
            folder: tempfile::tempdir()?,
            binary,
            port,
            child: None,
        };
        std::fs::write(bench.folder.path().join("settings.conf"), bench.settings())?;
        Ok(bench)
    }

    fn settings(&self) -> String {
        let state = self.folder.path().join("state");
        format!(
            "[DEFAULT]\ncompute_driver = fake\nstate_path = {}\nlog_levels = warn\n\
             [api]\nbind = 127.0.0.1:{}\nmetadata_bind =\nmax_connections_per_address = 100000\n\
             [events]\nmax_watches = 100000\nmax_watches_per_user = 100000\n[console]\nbind = 127.0.0.1:0\n\
             [network]\nplane = none\n[quota]\ninstances = -1\ncores = -1\nram = -1\n",
            state.display(),
            self.port
        )
    }

    /// Starts the binary; how long until it answered.
    pub async fn start(&mut self) -> Result<Duration> {
        let started = Instant::now();
        let child = Command::new(&self.binary)
            .arg("--config-file")
            .arg(self.folder.path().join("settings.conf"))
            .arg("up")
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", self.binary.display()))?;
        self.child = Some(child);
        let client = reqwest::Client::new();
        let url = format!("{}/identity/v3", self.url());
        loop {
            if let Ok(answer) = client.get(&url).send().await
                && answer.status().is_success()
            {
                return Ok(started.elapsed());
            }
            if started.elapsed() > Duration::from_secs(60) {
                bail!("the cloud does not answer");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Ends it in order.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
            tokio::task::spawn_blocking(move || child.wait()).await??;
        }
        Ok(())
    }

    /// The front door.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A generated file of the cloud.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("state").join(name)
    }

    /// Memory that the process holds now.
    pub fn memory_mib(&self) -> Result<f64> {
        let id = self.child.as_ref().context("it does not run")?.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line
            .and_then(|line| line.split_whitespace().next()?.parse().ok())
            .context("no VmRSS")?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // After an error: nothing may outlive the measurement.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
