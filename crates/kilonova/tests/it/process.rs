//! `kilonova up` as a child.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use testing::{User, until};

/// A cloud in a process of its own; killed when dropped.
pub struct Process {
    folder: tempfile::TempDir,
    /// As on machines that allow few open files unless asked for more.
    limits: &'static str,
    child: Option<Child>,
    http: reqwest::Client,
    pub url: String,
}

impl Process {
    /// Starts with these settings beside the common ones of tests.
    pub async fn start(settings: &str) -> Self {
        Self::limited(settings, "ulimit -Sn 256", tempfile::tempdir().unwrap()).await
    }

    /// The same under limits of the shell, in a folder of the test's choice.
    pub async fn limited(settings: &str, limits: &'static str, folder: tempfile::TempDir) -> Self {
        let mut process = Process::prepare_in(settings, limits, folder);
        process.up().await;
        process
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Runs a command of several words to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut command = self.command(words[0]);
        command.args(&words[1..]).output().unwrap()
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{}; exec \"$0\" \"$@\"", self.limits)])
            .arg(env!("CARGO_BIN_EXE_kilonova"))
            .arg(verb)
            .arg("--config-file")
            .arg(self.folder.path().join("kilonova.conf"));
        command
    }

    /// Starts it, again on the same folder, and waits until it answers.
    pub async fn up(&mut self) {
        // It says where it listens in this file; the ports are free ones, others each time.
        let openrc = self.state().join("openrc");
        let _ = std::fs::remove_file(&openrc);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"));
        let log = log.unwrap();
        let child = self
            .command("up")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        self.url = until("it says where it listens", || async {
            let text = std::fs::read_to_string(&openrc).ok()?;
            let line = text.lines().find(|line| line.contains("OS_AUTH_URL="))?;
            let url = line.split_once('=')?.1.trim_end_matches("/identity");
            Some(url.to_owned())
        })
        .await;
        until("it answers", || async {
            let asked = self
                .http
                .get(format!("{}/healthcheck", self.url))
                .send()
                .await;
            asked
                .is_ok_and(|answer| answer.status() == 200)
                .then_some(())
        })
        .await;
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.id()).unwrap())
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(self.pid(), signal).unwrap();
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// As a power failure, or the kernel short of memory.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A fresh folder in which nothing was started yet.
    pub fn prepare(settings: &str) -> Self {
        Self::prepare_in(settings, "ulimit -Sn 256", tempfile::tempdir().unwrap())
    }

    fn prepare_in(settings: &str, limits: &'static str, folder: tempfile::TempDir) -> Self {
        let text = testing::cloud::text(&folder.path().join("state"), settings);
        std::fs::write(folder.path().join("kilonova.conf"), text).unwrap();
        Process {
            folder,
            limits,
            child: None,
            http: reqwest::Client::new(),
            url: String::new(),
        }
    }

    /// Starts it and kills it after so long, whatever it is doing then.
    pub fn die_after(&self, life: Duration) {
        let mut child = self
            .command("up")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(life);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it in order.
    pub async fn stop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let mut child = self.child.take().unwrap();
        let child = until("it ends", || {
            let ended = child.try_wait().unwrap();
            async move { ended }
        })
        .await;
        assert!(child.success(), "{child}");
    }

    pub async fn log_in(&self, name: &str) -> User {
        let text = std::fs::read(self.state().join("keys/secrets.json")).unwrap();
        let secrets: Value = serde_json::from_slice(&text).unwrap();
        let password = secrets[format!("{name}_password")].as_str().unwrap();
        User::log_in(&self.url, name, password, name).await
    }

    /// `kilonova audit`.
    pub fn audit(&self) -> Output {
        self.run(&["audit"])
    }

    /// What a verb says when it is ended after so long, if it has not ended by itself.
    pub async fn say_within(&self, verb: &str, limit: Duration) -> String {
        let file = self.folder.path().join("said");
        let said = File::create(&file).unwrap();
        let mut command = self.command(verb);
        command.stdout(said.try_clone().unwrap()).stderr(said);
        let mut child = command.spawn().unwrap();
        let begin = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begin.elapsed() > limit {
                child.kill().unwrap();
            }
            after(10).await;
        }
        std::fs::read_to_string(file).unwrap()
    }

    /// The most files that the process may have open: for now, and at most.
    pub fn open_files(&self) -> (String, String) {
        let pid = self.child.as_ref().unwrap().id();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let mut words = line.unwrap().split_whitespace().skip(3).map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            // Not every test has one.
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let from = log.len().saturating_sub(8000);
            eprintln!("{}", log.get(from..).unwrap_or(&log));
        }
    }
}

/// A pause: the moment at which a test hits.
pub async fn after(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
