//! Real servers for tests: started side by side on free loopback ports, ended whatever happens.
//!
//! Each server runs in a process group of its own, so that Ctrl-C reaches the command but not the
//! servers, and dies with this process even when that is killed. All files live in one temporary
//! folder. Nothing is printed unless something goes wrong.

mod mariadb;
mod postgres;
mod rabbitmq;

use std::ffi::CString;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, killpg, sigaction};
use nix::unistd::{Pid, User, chown, geteuid};

/// A server that takes longer than this to answer will not.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server's choice on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    Postgres,
    Mariadb,
    Rabbitmq,
}

/// The signal that asked us to end, or 0.
static ASKED_TO_END: AtomicI32 = AtomicI32::new(0);

/// Starts the servers of `only` (all when empty), runs `command`, ends the servers; the exit code is the command's.
pub fn run(only: &[Which], command: &[String]) -> Result<ExitCode> {
    let wanted = |which| only.is_empty() || only.contains(&which);
    listen_to_signals()?;
    let folder = tempfile::Builder::new()
        .prefix("kilonova-services-")
        .tempdir()?;
    // Servers may run as other users.
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    let mut running = Vec::new();
    let variables = start(folder.path(), &wanted, &mut running);
    let variables = match variables {
        Ok(variables) => variables,
        Err(_) if asked_to_end().is_some() => return Ok(ExitCode::from(130)),
        Err(error) => return Err(error),
    };
    let (program, arguments) = command.split_first().context("no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    wait(&mut child, &mut running)
}

/// All servers at once: preparing is done side by side, and each starts as soon as it is prepared.
fn start(
    folder: &Path,
    wanted: &dyn Fn(Which) -> bool,
    running: &mut Vec<Server>,
) -> Result<Vec<(&'static str, String)>> {
    let postgres = wanted(Which::Postgres)
        .then(|| postgres::Plan::new(folder))
        .transpose()?;
    let mariadb = wanted(Which::Mariadb)
        .then(|| mariadb::Plan::new(folder))
        .transpose()?;
    let rabbitmq = wanted(Which::Rabbitmq)
        .then(|| rabbitmq::Plan::new(folder))
        .transpose()?;
    let mut variables = Vec::new();
    if let Some(plan) = &rabbitmq {
        plan.start(running)?;
        variables.push(("KILONOVA_TEST_RABBITMQ", plan.url()));
    }
    // Servers are started from this thread: they die with the thread that started them.
    thread::scope(|scope| {
        let first = postgres.as_ref().map(|plan| scope.spawn(|| plan.prepare()));
        let second = mariadb.as_ref().map(|plan| scope.spawn(|| plan.prepare()));
        if let (Some(plan), Some(prepared)) = (&postgres, first) {
            prepared.join().expect("preparing does not panic")?;
            plan.start(running)?;
            variables.push(("KILONOVA_TEST_POSTGRES", plan.url()));
        }
        if let (Some(plan), Some(prepared)) = (&mariadb, second) {
            prepared.join().expect("preparing does not panic")?;
            plan.start(running)?;
            variables.push(("KILONOVA_TEST_MARIADB", plan.url()));
        }
        anyhow::Ok(())
    })?;
    for server in running.iter_mut() {
        server.wait_until_ready()?;
    }
    Ok(variables)
}

/// Waits for the command; passes on a request to end, and notices a server that died.
fn wait(child: &mut Child, running: &mut [Server]) -> Result<ExitCode> {
    let mut passed_on = false;
    loop {
        if let Some(status) = child.try_wait()? {
            let code = status
                .code()
                .or(status.signal().map(|signal| 128 + signal))
                .unwrap_or(1);
            return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
        }
        if let (Some(signal), false) = (asked_to_end(), passed_on) {
            // The terminal sends Ctrl-C to the command as well; a second one is harmless.
            let _ = nix::sys::signal::kill(Pid::from_raw(child.id().cast_signed()), signal);
            passed_on = true;
        }
        for server in running.iter_mut() {
            if let Some(status) = server.child.try_wait()? {
                eprintln!(
                    "xtask: {} ended ({status}); its log ends so:\n{}",
                    server.name,
                    server.log_end()
                );
                let _ = child.kill();
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A server that was started; ended when dropped.
struct Server {
    name: &'static str,
    child: Child,
    /// The signal that makes it give back what outlives processes.
    farewell: Signal,
    log: PathBuf,
    ready: Box<dyn Fn() -> bool + Send>,
}

impl Server {
    /// Starts `command`, which must not go into the background.
    fn start(
        name: &'static str,
        command: &mut Command,
        log: PathBuf,
        farewell: Signal,
        ready: impl Fn() -> bool + Send + 'static,
    ) -> Result<Server> {
        let output = fs::File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        // SAFETY: prctl is async-signal-safe and touches nothing of this process.
        unsafe {
            command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Server {
            name,
            child,
            farewell,
            log,
            ready: Box::new(ready),
        })
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        while !(self.ready)() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at its start ({status}); its log ends so:\n{}",
                    self.name,
                    self.log_end()
                );
            }
            ensure!(asked_to_end().is_none(), "interrupted");
            ensure!(
                Instant::now() < deadline,
                "{} does not answer after {TIMEOUT:?}; its log ends so:\n{}",
                self.name,
                self.log_end()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log_end(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ = killpg(group, self.farewell);
        let deadline = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        // Whatever of the group is left; nobody is the usual case.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

extern "C" fn note_signal(signal: i32) {
    ASKED_TO_END.store(signal, Ordering::SeqCst);
}

fn asked_to_end() -> Option<Signal> {
    Signal::try_from(ASKED_TO_END.load(Ordering::SeqCst)).ok()
}

fn listen_to_signals() -> Result<()> {
    let action = SigAction::new(
        SigHandler::Handler(note_signal),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores into an atomic.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// A program by its name: in PATH, or where its Debian package hides it.
fn program(name: &str, hidden: &[&str], package: &str) -> Result<PathBuf> {
    #[allow(clippy::disallowed_methods)]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(hidden.iter().map(PathBuf::from));
    let found = folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| is_program(path));
    found.with_context(|| format!("{name} is not installed: apt-get install {package}"))
}

fn is_program(path: &Path) -> bool {
    CString::new(path.as_os_str().as_bytes()).is_ok_and(|path| {
        nix::unistd::access(path.as_c_str(), nix::unistd::AccessFlags::X_OK).is_ok()
    }) && path.is_file()
}

/// So many ports that are free now, all different.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Runs a preparing command to its end; its output is shown only when it fails.
fn prepare(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).process_group(0).output();
    let output =
        output.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{} failed ({}):\n{}{}",
        command.get_program().display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(())
}

/// Lets `command` run as `user` in `folder`, which becomes theirs, when this process is root.
fn run_as(user: &str, folder: &Path, commands: &mut [&mut Command]) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let user = User::from_name(user)?.with_context(|| format!("there is no user {user}"))?;
    chown(folder, Some(user.uid), Some(user.gid))?;
    for command in commands {
        command
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .current_dir(folder);
    }
    Ok(())
}

/// Whether a peer at `port` sends something, after `hello` if it wants to be greeted first.
fn speaks(port: u16, hello: &[u8]) -> bool {
    use io::{Read, Write};
    let Ok(mut peer) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let limit = Some(Duration::from_millis(500));
    peer.set_read_timeout(limit).is_ok()
        && peer.write_all(hello).is_ok()
        && peer.read(&mut [0; 16]).is_ok_and(|read| read > 0)
}
