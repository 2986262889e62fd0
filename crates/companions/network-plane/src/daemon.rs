//! The dnsmasq processes: one for each network with DHCP, each in its network's DHCP namespace.
//!
//! They are daemons of their own and outlive us. As they read what guests send, none of them is root, and none sees more
//! of the machine than its network's files: see [`confined`]. A running one is found again by its pid file, its command line and
//! its namespace; one that died is started again by [`Daemons::supervise`], with growing pauses.

mod confined;
pub mod release;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::PlaneError;
use crate::dhcp::{self, Files};
use crate::memory::replace;
use crate::wanted::Network;

/// First pause after a death; doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// A process that lived so long is forgiven its earlier deaths.
const STEADY: Duration = Duration::from_secs(60);
/// How long a process may take to end before it is killed.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The dnsmasq processes of a plane.
pub struct Daemons {
    directory: PathBuf,
    /// Number of the user that they run as.
    uid: u32,
    running: BTreeMap<String, Daemon>,
}

struct Daemon {
    network: Network,
    namespace: File,
    inode: u64,
    started: Instant,
    pause: Duration,
    next_try: Instant,
}

impl Daemons {
    /// `state_dir` is the plane's; `uid` is the number of the user that the processes run as.
    pub fn new(state_dir: &Path, uid: u32) -> Daemons {
        Daemons {
            directory: state_dir.join("dhcp"),
            uid,
            running: BTreeMap::new(),
        }
    }

    /// Makes a network's dnsmasq run with today's files. `true`: something had to be done.
    pub fn ensure(
        &mut self,
        network: &Network,
        namespace: &File,
        inode: u64,
    ) -> Result<bool, PlaneError> {
        let directory = self.directory.join(&network.id);
        let Some(files) = dhcp::files(network, &directory) else {
            return Ok(false);
        };
        let place = Place {
            dir: &directory,
            namespace,
            inode,
            uid: self.uid,
        };
        let changed = ensure(&place, &files, network)?;
        let namespace = namespace
            .try_clone()
            .map_err(|e| PlaneError::file(&directory, e))?;
        let now = Instant::now();
        let (started, pause, next_try) = match self.running.get(&network.id) {
            Some(known) => (known.started, known.pause, known.next_try),
            None => (now, FIRST_PAUSE, now),
        };
        let daemon = Daemon {
            network: network.clone(),
            namespace,
            inode,
            started,
            pause,
            next_try,
        };
        self.running.insert(network.id.clone(), daemon);
        Ok(changed)
    }

    /// Ends the processes of other networks and removes their files; the number of them.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) -> Result<usize, PlaneError> {
        self.running.retain(|id, _| wanted(id));
        let mut ended = 0;
        for (id, directory) in self
            .directories()?
            .into_iter()
            .filter(|(id, _)| !wanted(id))
        {
            tracing::debug!(network = id, "DHCP is no longer wanted");
            stop(&directory)?;
            fs::remove_dir_all(&directory).map_err(|e| PlaneError::file(directory, e))?;
            ended += 1;
        }
        Ok(ended)
    }

    /// Starts again what died. Meant to be called every half second.
    pub fn supervise(&mut self) {
        let (directory, uid) = (&self.directory, self.uid);
        for (id, daemon) in &mut self.running {
            let directory = directory.join(id);
            if running(&directory, daemon.inode).is_some() {
                if daemon.started.elapsed() > STEADY {
                    daemon.pause = FIRST_PAUSE;
                }
                continue;
            }
            if Instant::now() < daemon.next_try {
                continue;
            }
            daemon.next_try = Instant::now() + daemon.pause;
            daemon.pause = (daemon.pause * 2).min(LAST_PAUSE);
            daemon.started = Instant::now();
            let Some(files) = dhcp::files(&daemon.network, &directory) else {
                continue;
            };
            let place = Place {
                dir: &directory,
                namespace: &daemon.namespace,
                inode: daemon.inode,
                uid,
            };
            match ensure(&place, &files, &daemon.network) {
                Ok(_) => tracing::warn!(network = id, "dnsmasq had died and was started again"),
                Err(error) => {
                    tracing::error!(network = id, %error, "dnsmasq died and cannot be started")
                }
            }
        }
    }

    /// Whether this plane runs the process of a network.
    pub fn runs(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    /// Descriptions of processes and files of networks that are not `known`.
    pub fn strays(&self, known: impl Fn(&str) -> bool) -> Result<Vec<String>, PlaneError> {
        let files = self
            .directories()?
            .into_iter()
            .filter(|(id, _)| !known(id.as_str()));
        let mut strays: Vec<String> = files
            .map(|(_, path)| format!("directory {}", path.display()))
            .collect();
        for (pid, id) in self
            .all()?
            .into_iter()
            .filter(|(_, id)| !known(id.as_str()))
        {
            strays.push(format!("dnsmasq process {pid} of network {id}"));
        }
        Ok(strays)
    }

    /// All processes of this plane, with their networks.
    fn all(&self) -> Result<Vec<(Pid, String)>, PlaneError> {
        let network = |config: &Path| {
            Some(
                config
                    .strip_prefix(&self.directory)
                    .ok()?
                    .iter()
                    .next()?
                    .to_str()?
                    .to_owned(),
            )
        };
        Ok(processes()?
            .into_iter()
            .filter_map(|(pid, config)| Some((pid, network(&config)?)))
            .collect())
    }

    /// Ends all processes of this plane and removes their files.
    pub fn remove_all(&mut self) -> Result<(), PlaneError> {
        for (pid, _) in self.all()? {
            end(pid)?;
        }
        self.retain(|_| false).map(drop)
    }

    /// The networks that have files, with their directories.
    fn directories(&self) -> Result<Vec<(String, PathBuf)>, PlaneError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(PlaneError::file(&self.directory, e)),
        };
        Ok(entries
            .filter_map(|e| e.ok())
            .filter_map(|e| Some((e.file_name().into_string().ok()?, e.path())))
            .collect())
    }
}

/// Where a network's process runs.
struct Place<'a> {
    /// Of its files.
    dir: &'a Path,
    namespace: &'a File,
    /// Of the namespace.
    inode: u64,
    uid: u32,
}

fn ensure(place: &Place<'_>, files: &Files, network: &Network) -> Result<bool, PlaneError> {
    let &Place {
        dir,
        namespace,
        inode,
        uid,
    } = place;
    make_directory(dir)?;
    confined::make_run(dir, uid)?;
    let old_hosts = fs::read_to_string(dir.join("hosts")).unwrap_or_default();
    let config_changed = write_changed(&dir.join("config"), &files.config)?;
    let hosts_changed = write_changed(&dir.join("hosts"), &files.hosts)?;
    let options_changed = write_changed(&dir.join("options"), &files.options)?;
    let names_changed = write_changed(&dir.join("names"), &files.names)?;
    let reload = hosts_changed || options_changed || names_changed;
    match running(dir, inode) {
        Some(pid) if !config_changed => {
            if reload {
                kill(pid, Signal::SIGHUP)
                    .map_err(|e| PlaneError::kernel("tell dnsmasq to read its files", e))?;
                if old_hosts != files.hosts {
                    release::stale(dir, &files.hosts, network, namespace);
                }
            }
            Ok(reload)
        }
        _ => {
            stop(dir)?;
            confined::take_over(dir, uid)?;
            drop_stale_leases(dir, &files.hosts, uid)?;
            confined::start(dir, namespace, uid)?;
            Ok(true)
        }
    }
}

fn make_directory(dir: &Path) -> Result<(), PlaneError> {
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)
        .and_then(|()| dir.parent().map_or(Ok(()), open))
        .and_then(|()| open(dir))
        .map_err(|e| PlaneError::file(dir, e))
}

fn write_changed(path: &Path, text: &str) -> Result<bool, PlaneError> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    replace(path, text).map(|()| true)
}

/// Leases whose reservation is gone would keep their addresses from new owners.
fn drop_stale_leases(dir: &Path, hosts: &str, uid: u32) -> Result<(), PlaneError> {
    let Ok(old) = confined::read(dir, "leases") else {
        return Ok(());
    };
    let stale = dhcp::stale_leases(&old, hosts);
    let is_stale = |line: &&str| {
        stale
            .iter()
            .any(|l| dhcp::stale_leases(line, "").contains(l))
    };
    let kept: String = old
        .lines()
        .filter(|line| !is_stale(line))
        .map(|line| format!("{line}\n"))
        .collect();
    if kept == old {
        Ok(())
    } else {
        confined::write(dir, "leases", &kept, uid)
    }
}

/// The process of a network, if it is alive and in the right namespace.
fn running(dir: &Path, inode: u64) -> Option<Pid> {
    let pid = alive(dir)?;
    let namespace = fs::metadata(format!("/proc/{pid}/ns/net")).ok()?;
    (namespace.ino() == inode).then_some(pid)
}

/// The process of a network, wherever it is.
fn alive(dir: &Path) -> Option<Pid> {
    let pid: i32 = confined::read(dir, "pid").ok()?.trim().parse().ok()?;
    let pid = Pid::from_raw(pid);
    (config_of(pid.as_raw())? == dir.join("config")).then_some(pid)
}

/// The configuration file that a process was started with, if it looks like one of our dnsmasqs.
fn config_of(pid: i32) -> Option<PathBuf> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.split('\0');
    let program = words.next()?;
    let argument = words.next()?.strip_prefix("--conf-file=")?;
    program.ends_with("dnsmasq").then(|| argument.into())
}

/// Ends every process that runs with a directory's files, also one whose pid file is lost.
fn stop(dir: &Path) -> Result<(), PlaneError> {
    for (pid, _) in processes()?
        .into_iter()
        .filter(|(_, config)| *config == dir.join("config"))
    {
        end(pid)?;
    }
    Ok(())
}

/// dnsmasq processes with the configuration file that each was started with.
fn processes() -> Result<Vec<(Pid, PathBuf)>, PlaneError> {
    let entries = fs::read_dir("/proc").map_err(|e| PlaneError::file("/proc", e))?;
    let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok());
    Ok(pids
        .filter_map(|pid| Some((Pid::from_raw(pid), config_of(pid)?)))
        .collect())
}

/// Ends a process, kindly at first, and waits until it is gone.
fn end(pid: Pid) -> Result<(), PlaneError> {
    let begin = Instant::now();
    while config_of(pid.as_raw()).is_some() {
        let signal = if begin.elapsed() > TIMEOUT {
            Signal::SIGKILL
        } else {
            Signal::SIGTERM
        };
        match kill(pid, signal) {
            Ok(()) => {}
            Err(nix::errno::Errno::ESRCH) => break,
            Err(e) => return Err(PlaneError::kernel("end dnsmasq", e)),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
