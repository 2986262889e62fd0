//! Commands to tgtd, and starting one.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use child::{Confined, Measures, Process, has_option};
use secrecy::{ExposeSecret, SecretString};

use super::shown::{self, Shown};
use super::{Result, TargetError};
use crate::settings;

/// The longest that a command may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether a tgtd that was started answers.
const LOOK: Duration = Duration::from_millis(50);

/// How often in all, before it counts as failed: 10 s.
const LOOKS: usize = 200;

/// What tgtadm ends with when no tgtd listens (`ENOTCONN`).
const NO_DAEMON: i32 = 107;

/// What it ends with when a thing is not there (`TGTADM_NO_USER` and the like, all `EINVAL`).
const REFUSED: i32 = 22;

/// The tgtd that is asked.
pub struct Daemon {
    /// 0 is that of the machine's service; any other is started here.
    control: u16,
    portal: SocketAddr,
    folder: PathBuf,
}

/// How a command ended.
enum Ended {
    Said(String),
    NoDaemon,
    /// Its number and its words.
    Refused(Option<i32>, String),
}

impl Daemon {
    pub fn new(folder: &Path, settings: &settings::Tgt) -> Self {
        Daemon {
            control: settings.control,
            portal: settings.portal,
            folder: folder.to_owned(),
        }
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("tgtd.pid")
    }

    /// What a tgtd that answers serves; one of our own is started.
    pub async fn ensure(&self) -> Result<Vec<Shown>> {
        if let Some(all) = self.targets().await? {
            return Ok(all);
        }
        if self.control == 0 {
            return Err(TargetError::Failed(
                "tgtd does not run: start the service tgt".to_owned(),
            ));
        }
        let process = self
            .start()
            .map_err(|error| TargetError::Failed(format!("tgtd cannot be started: {error}")))?;
        for _ in 0..LOOKS {
            if let Some(all) = self.targets().await? {
                return Ok(all);
            }
            if process.exits_within(LOOK).await {
                break;
            }
        }
        let log = std::fs::read_to_string(self.folder.join("tgtd.log")).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default();
        Err(TargetError::Failed(format!("tgtd does not start: {last}")))
    }

    fn start(&self) -> std::io::Result<Process> {
        // One that listens no more, or not yet, keeps the port.
        if let Some(left) = self.process() {
            left.send_kill()?;
        }
        let out = File::create(self.folder.join("tgtd.log"))?;
        let err = out.try_clone()?;
        let pid_file = self.pid_file().into_os_string();
        let control = self.control.to_string();
        let portal = format!("portal={}", self.portal);
        let confined = Confined {
            program: "tgtd".into(),
            args: vec![
                "-f".into(),
                "-C".into(),
                control.into(),
                "--pid-file".into(),
                pid_file,
                "--iscsi".into(),
                portal.into(),
            ],
            folder: "/".into(),
            keep: Vec::new(),
            measures: Measures::default(),
        };
        confined.start(out.into(), err.into())?.watched()
    }

    /// One that was started here ends.
    pub async fn end(&self) -> Result<()> {
        let Some(process) = self.process() else {
            return Ok(());
        };
        // It ends by command and hears no signal but the last.
        self.run(&["--mode", "system", "--op", "delete"]).await?;
        let ended = match process.exits_within(LIMIT).await {
            true => Ok(()),
            false => process.kill().await,
        };
        ended.map_err(|error| TargetError::Failed(format!("tgtd does not end: {error}")))
    }

    /// The one that was started here, if it runs.
    pub fn process(&self) -> Option<Process> {
        let file = self.pid_file();
        let ours =
            |line: &[u8]| has_option(line, "--pid-file", file.as_os_str().as_encoded_bytes());
        Process::search(ours)
    }

    /// What it serves; none: it does not run.
    pub async fn targets(&self) -> Result<Option<Vec<Shown>>> {
        match self.run(&["--mode", "target", "--op", "show"]).await? {
            Ended::NoDaemon => Ok(None),
            ended => Ok(Some(shown::read(&said("show", ended)?))),
        }
    }

    /// Changes a target.
    pub async fn target(&self, op: &str, args: &[&str]) -> Result<()> {
        let all = [&["--mode", "target", "--op", op][..], args].concat();
        self.said(op, &all).await.map(drop)
    }

    /// Changes a unit of a target.
    pub async fn unit(&self, op: &str, of: &[&str], more: &[&str]) -> Result<()> {
        let all = [&["--mode", "logicalunit", "--op", op][..], of, more].concat();
        self.said(op, &all).await.map(drop)
    }

    /// A new account. tgtadm takes passwords as an argument alone: users of this machine may see it for a moment.
    pub async fn account(&self, user: &str, password: &SecretString) -> Result<()> {
        let password = password.expose_secret();
        let who = ["--user", user, "--password", password];
        let all = [&["--mode", "account", "--op", "new"][..], &who].concat();
        self.said("new account", &all).await.map(drop)
    }

    pub async fn bind_account(&self, tid: &str, user: &str) -> Result<()> {
        let who = ["--tid", tid, "--user", user];
        let all = [&["--mode", "account", "--op", "bind"][..], &who].concat();
        self.said("bind account", &all).await.map(drop)
    }

    /// The account is gone.
    pub async fn forget_account(&self, user: &str) -> Result<()> {
        let args = ["--mode", "account", "--op", "delete", "--user", user];
        match self.run(&args).await? {
            Ended::Refused(Some(REFUSED), why) if why.contains("can't find the account") => Ok(()),
            ended => said("delete account", ended).map(drop),
        }
    }

    async fn said(&self, what: &str, args: &[&str]) -> Result<String> {
        said(what, self.run(args).await?)
    }

    async fn run(&self, args: &[&str]) -> Result<Ended> {
        let failed = |why: String| TargetError::Failed(format!("tgtadm: {why}"));
        let mut command = child::tokio_command("tgtadm");
        command
            .args(["-C", &self.control.to_string(), "--lld", "iscsi"])
            .args(args)
            .kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, command.output()).await;
        let output =
            output.map_err(|_| failed(format!("no answer within {} s", LIMIT.as_secs())))?;
        let output = output.map_err(|error| failed(error.to_string()))?;
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(match (output.status.success(), output.status.code()) {
            (true, _) => Ended::Said(String::from_utf8_lossy(&output.stdout).into_owned()),
            (_, Some(NO_DAEMON)) => Ended::NoDaemon,
            (_, code) => Ended::Refused(code, words),
        })
    }
}

/// What a command said, which did what it was to do.
fn said(what: &str, ended: Ended) -> Result<String> {
    match ended {
        Ended::Said(text) => Ok(text),
        Ended::NoDaemon => Err(TargetError::Failed(format!(
            "tgtadm ({what}): tgtd does not run"
        ))),
        Ended::Refused(_, why) => Err(TargetError::Failed(format!("tgtadm ({what}): {why}"))),
    }
}
