//! RabbitMQ, a broker for ourselves: own node name, ports, cookie, and an own port mapper (`epmd`),
//! which would otherwise stay behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::{Server, free_ports, program, speaks};

/// The script of this name in /usr/sbin changes to user `rabbitmq` first; this one does not.
const HIDDEN: [&str; 1] = ["/usr/lib/rabbitmq/bin"];

/// What will run where.
pub struct Plan {
    folder: PathBuf,
    port: u16,
    distribution: u16,
    mapper: u16,
    epmd: PathBuf,
    server: PathBuf,
}

impl Plan {
    pub fn new(folder: &Path) -> Result<Self> {
        let folder = folder.join("rabbitmq");
        fs::create_dir(&folder)?;
        let [port, distribution, mapper] = free_ports()?;
        let hidden = Path::new(HIDDEN[0]).join("rabbitmq-server");
        let server = match hidden.is_file() {
            true => hidden,
            false => program("rabbitmq-server", &[], "rabbitmq-server")?,
        };
        let epmd = program("epmd", &[], "erlang-base")?;
        Ok(Plan {
            folder,
            port,
            distribution,
            mapper,
            epmd,
            server,
        })
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    pub fn start(&self, running: &mut Vec<Server>) -> Result<()> {
        let mut mapper = Command::new(&self.epmd);
        mapper.args(["-address", "127.0.0.1", "-port", &self.mapper.to_string()]);
        let (log, port) = (self.folder.join("epmd.log"), self.mapper);
        let listening = move || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let mut epmd = Server::start("epmd", &mut mapper, log, Signal::SIGKILL, listening)?;
        epmd.wait_until_ready()?;
        // Without it the broker would start a mapper of its own.
        running.push(epmd);

        let settings = self.folder.join("rabbitmq.conf");
        fs::write(
            &settings,
            format!(
                "listeners.tcp.1 = 127.0.0.1:{}\nlog.console = true\n",
                self.port
            ),
        )?;
        let plugins = self.folder.join("plugins");
        fs::write(&plugins, "[].\n")?;
        let mut command = Command::new(&self.server);
        command
            // One process instead of a shell that waits for one.
            .env("RUNNING_UNDER_SYSTEMD", "1")
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_NODENAME",
                format!("kilonova-test-{}@localhost", self.port),
            )
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", self.folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.folder.join("logs"))
            .env("RABBITMQ_PID_FILE", self.folder.join("pid"))
            .env("RABBITMQ_CONFIG_FILE", &settings)
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
            .current_dir(&self.folder);
        let (log, port) = (self.folder.join("log"), self.port);
        let ready = move || speaks(port, b"AMQP\x00\x00\x09\x01");
        running.push(Server::start(
            "rabbitmq-server",
            &mut command,
            log,
            Signal::SIGKILL,
            ready,
        )?);
        Ok(())
    }
}
