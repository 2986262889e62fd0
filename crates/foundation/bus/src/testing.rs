//! A real RabbitMQ broker for tests, private in every respect: ports, node name, files, port mapper.
//!
//! [`Broker::start`] gives `None`, and the test is skipped, only where no broker is installed. A broker that is
//! installed and does not start is an error.

#![allow(clippy::disallowed_methods)] // tests run programs as people do

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Where distributions put the scripts; the ones in `/usr/sbin` insist on a system user.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// A broker opens its port after about five seconds here; much longer on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(90);
/// An orderly stop takes about two seconds here; after this it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running broker; it and its files are gone when this is dropped.
pub struct Broker {
    dir: TempDir,
    node: String,
    ports: Ports,
    epmd: Group,
    server: Option<Group>,
}

struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

/// A child with all its children.
struct Group(Child);

impl Broker {
    /// Starts a broker and waits until it takes connections; `None` if none is installed.
    pub async fn start() -> std::io::Result<Option<Broker>> {
        if !Path::new(SCRIPTS).join("rabbitmq-server").exists() {
            skips::skip(format!("no rabbitmq-server is installed in {SCRIPTS}"));
            return Ok(None);
        }
        let dir = TempDir::new()?;
        let ports = Ports {
            amqp: free_port()?,
            distribution: free_port()?,
            epmd: free_port()?,
        };
        fs::write(
            dir.path().join("rabbitmq.conf"),
            format!("listeners.tcp.1 = 127.0.0.1:{}\n", ports.amqp),
        )?;
        fs::write(dir.path().join("enabled_plugins"), "[].\n")?;
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &ports.epmd.to_string()])
            .env("HOME", dir.path());
        let epmd = Group::spawn(&mut epmd, &dir.path().join("epmd.log"))?;
        let node = format!("kilonova-{}-{}@localhost", std::process::id(), ports.amqp);
        let mut broker = Broker {
            dir,
            node,
            ports,
            epmd,
            server: None,
        };
        broker.start_again().await?;
        Ok(Some(broker))
    }

    /// The `transport_url` of this broker.
    pub fn url(&self) -> String {
        format!("rabbit://guest:guest@127.0.0.1:{}/", self.ports.amqp)
    }

    /// The port of the broker on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// Ends the broker as a power failure does.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Ends the broker in order, as an operator does.
    pub async fn stop(&mut self) -> std::io::Result<()> {
        if let Some(mut server) = self.server.take() {
            server.signal(Signal::SIGTERM);
            let until = Instant::now() + STOP_LIMIT;
            while server.0.try_wait()?.is_none() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Starts the broker, again with the same port and files, and waits until it takes connections.
    pub async fn start_again(&mut self) -> std::io::Result<()> {
        let log = self.dir.path().join("server.log");
        let mut server = Group::spawn(&mut self.command("rabbitmq-server"), &log)?;
        let until = Instant::now() + START_LIMIT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.amqp)).is_err() {
            if let Some(status) = server.0.try_wait()? {
                return Err(self.complain(&format!("the broker ended at start: {status}"), &log));
            }
            if Instant::now() > until {
                return Err(self.complain("the broker does not open its port", &log));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.server = Some(server);
        Ok(())
    }

    /// Has the broker close every connection, as an operator can.
    pub async fn close_all_connections(&self) -> std::io::Result<()> {
        let mut ctl = self.command("rabbitmqctl");
        ctl.args(["--node", &self.node, "close_all_connections", "for a test"])
            .stdout(Stdio::null());
        let status = tokio::process::Command::from(ctl).status().await?;
        if status.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("rabbitmqctl: {status}")))
        }
    }

    fn command(&self, script: &str) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(PathBuf::from(SCRIPTS).join(script));
        command
            .current_dir(dir)
            .env("HOME", dir)
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", dir.join("no-such-file"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", dir.join("pid"))
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command
    }

    fn complain(&self, what: &str, log: &Path) -> std::io::Error {
        let log = fs::read_to_string(log).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(20).collect();
        let end: Vec<_> = end.into_iter().rev().collect();
        std::io::Error::other(format!("{what}\n{}", end.join("\n")))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.server = None;
        self.epmd.end();
    }
}

impl Group {
    fn spawn(command: &mut Command, log: &Path) -> std::io::Result<Group> {
        let log = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map(Group)
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.0.id()).expect("process ids fit");
        // Fails only if it ended already.
        let _ = killpg(Pid::from_raw(group), signal);
    }

    fn end(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
