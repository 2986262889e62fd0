//! A machine for one test: a namespace that plays the host, a plane in it, and guests on its taps.
//!
//! Everything is removed at the end, also when the test panics. A guest is a namespace of its own whose `eth0` is a tap
//! too; a thread carries frames between the two taps, as QEMU would.

use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use network_plane::{Plane, PlaneSettings, Port, Report, Wanted};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};

pub struct Lab {
    pub plane: Plane,
    pub settings: PlaneSettings,
}

/// Runs a test in a namespace of its own that plays the host. Without root it is skipped.
pub fn run<F: Future<Output = ()>>(body: impl FnOnce(Arc<Lab>) -> F + Send + 'static) {
    run_as(|_| {}, body);
}

/// The same with changed settings. They are changed on the host's thread, before the plane opens.
pub fn run_as<F: Future<Output = ()>>(
    change: impl FnOnce(&mut PlaneSettings) + Send + 'static,
    body: impl FnOnce(Arc<Lab>) -> F + Send + 'static,
) {
    if !nix::unistd::geteuid().is_root() {
        skips::skip("network namespaces need root");
        return;
    }
    let _ = tracing_subscriber::fmt()
        .with_test_writer()
        .with_max_level(tracing::Level::WARN)
        .try_init();
    let host = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        sh("ip link set lo up");
        let directory = tempfile::tempdir().unwrap();
        let cloud_id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        let mut settings = PlaneSettings {
            state_dir: directory.path().join("plane"),
            cloud_id,
            places: Default::default(),
            owner: uuid::Uuid::new_v4().to_string(),
            // What tests listen on at the gateway address.
            gateway_services: ["tcp/8080".parse().unwrap()].into(),
            connections_per_port: None,
            dhcp_uid: network_plane::DHCP_UID,
        };
        change(&mut settings);
        let cleanup = Cleanup {
            settings: settings.clone(),
            _directory: directory,
        };
        // Its end waits for what the plane still does on its own, so that the cleanup's plane is the only one.
        runtime().block_on(async {
            let plane = Plane::open(settings.clone()).await.unwrap();
            body(Arc::new(Lab { plane, settings })).await;
        });
        drop(cleanup);
    });
    if let Err(panic) = host.join() {
        std::panic::resume_unwind(panic);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// Removes whatever the test left.
struct Cleanup {
    settings: PlaneSettings,
    _directory: tempfile::TempDir,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let settings = self.settings.clone();
        let left = runtime().block_on(async {
            let plane = Plane::open(settings).await?;
            plane.remove_all().await?;
            plane.audit().await
        });
        if !std::thread::panicking() {
            assert_eq!(
                left.unwrap(),
                Vec::<String>::new(),
                "something is left after remove_all"
            );
        }
    }
}

impl Lab {
    /// Applies and expects that nothing fails.
    pub async fn apply(&self, wanted: &Wanted) -> Report {
        let report = self.plane.apply(wanted).await.unwrap();
        assert!(report.failures.is_empty(), "{:#?}", report.failures);
        report
    }

    /// Puts a guest on a port's tap.
    pub fn guest(&self, port: &Port) -> Guest {
        let switch = File::open(format!("/run/netns/{}", self.plane.switch_namespace())).unwrap();
        let outer = within(&switch, || open_tap(&port.tap));
        let (namespace, inner) = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            (
                File::open("/proc/thread-self/ns/net").unwrap(),
                open_tap("eth0"),
            )
        })
        .join()
        .unwrap();
        let mut guest = Guest {
            namespace,
            stop: Arc::default(),
            pump: None,
            directory: tempfile::tempdir().unwrap(),
        };
        guest.sh("ip link set lo up");
        guest.sh(&format!(
            "ip link set eth0 address {} mtu 1400 up",
            port.mac
        ));
        let stop = guest.stop.clone();
        guest.pump = Some(std::thread::spawn(move || pump(&inner, &outer, &stop)));
        guest
    }

    /// Runs a shell command in one of the plane's namespaces; what it prints.
    pub fn inside(&self, namespace: &str, command: &str) -> String {
        let file = File::open(format!("/run/netns/{namespace}")).unwrap();
        within(&file, || output(command).1)
    }
}

/// A virtual machine's network side.
pub struct Guest {
    namespace: File,
    stop: Arc<AtomicBool>,
    pump: Option<JoinHandle<()>>,
    directory: tempfile::TempDir,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(pump) = self.pump.take() {
            let _ = pump.join();
        }
    }
}

impl Guest {
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.namespace, work)
    }

    /// Runs a shell command that must succeed.
    pub fn sh(&self, command: &str) {
        self.within(|| sh(command));
    }

    pub fn output(&self, command: &str) -> String {
        self.within(|| output(command).1)
    }

    /// Asks for a lease, configures it, and returns what the server said as `name=value` lines.
    pub fn dhcp(&self) -> Option<String> {
        let script = self.directory.path().join("script");
        let answer = self.directory.path().join("answer");
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nip addr add $ip/$mask dev eth0\n\
             [ -n \"$router\" ] && ip route add default via $router\nset -- $staticroutes\n\
             while [ -n \"$1\" ]; do ip route replace $1 via $2; shift 2; done\nset > {}\n",
            answer.display()
        );
        std::fs::write(&script, text).unwrap();
        self.sh(&format!("chmod 755 {}", script.display()));
        let options = "-O mtu -O staticroutes -O router -O dns -O domain -O hostname -O bootfile";
        let (ok, _) = self.within(|| {
            output(&format!(
                "busybox udhcpc -i eth0 -f -q -n -t 6 -T 1 {options} -s {}",
                script.display()
            ))
        });
        ok.then(|| std::fs::read_to_string(answer).unwrap())
    }

    pub fn address(&self, cidr: &str) {
        self.sh(&format!("ip addr replace {cidr} dev eth0 nodad"));
    }

    pub fn pings(&self, address: &str) -> bool {
        self.within(|| output(&format!("busybox ping -c 2 -W 1 {address}")).0)
    }

    /// Listens inside the guest.
    pub fn listen(&self, address: &str) -> TcpListener {
        self.within(|| TcpListener::bind(address).unwrap())
    }

    /// Connects from inside the guest.
    pub fn connect(&self, address: &str) -> Option<TcpStream> {
        self.within(|| connect(address))
    }

    /// As [`Guest::connect`] where a connection is expected: a busy machine loses some of the first packets.
    pub fn reaches(&self, address: &str) -> bool {
        let begun = std::time::Instant::now();
        while begun.elapsed() < TIMEOUT {
            if self.connect(address).is_some() {
                return true;
            }
        }
        false
    }
}

/// Longer than anything takes that is to come about.
pub const TIMEOUT: Duration = Duration::from_secs(20);

pub fn connect(address: &str) -> Option<TcpStream> {
    let address: SocketAddr = address.parse().unwrap();
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(1500)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_millis(800)))
        .unwrap();
    Some(stream)
}

/// The address that a listener sees its next peer come from.
pub fn peer(listener: &TcpListener) -> IpAddr {
    let (stream, address) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(800)))
        .unwrap();
    address.ip()
}

/// Whether bytes get from one end of a connection to the other.
pub fn carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    to.set_read_timeout(Some(Duration::from_millis(800)))
        .unwrap();
    from.write_all(b"x").is_ok() && to.read_exact(&mut [0]).is_ok()
}

/// Waits until something is true.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !check() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "never happened: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn within<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

pub fn sh(command: &str) {
    let (ok, text) = output(command);
    assert!(ok, "{command}: {text}");
}

pub fn output(command: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Opens a tap as the hypervisor driver does.
fn open_tap(name: &str) -> File {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    let path = PathBuf::from("/dev/net/tun");
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut request = [0u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&(0x0002i16 | 0x1000 | 0x4000).to_ne_bytes());
    // SAFETY: a whole `ifreq`, alive during the call.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) };
    assert_eq!(answer, 0, "{name}: {}", std::io::Error::last_os_error());
    file
}

/// Carries frames both ways until told to stop.
fn pump(inner: &File, outer: &File, stop: &AtomicBool) {
    let mut frame = vec![0; 70_000];
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [
            PollFd::new(inner.as_fd(), PollFlags::POLLIN),
            PollFd::new(outer.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut fds, PollTimeout::from(20u8)).unwrap_or(0) == 0 {
            continue;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        for (ready, mut from, mut to) in [(ready[0], inner, outer), (ready[1], outer, inner)] {
            if ready && let Ok(length) = from.read(&mut frame) {
                // A device that is down refuses frames, as a cable that is not plugged in.
                let _ = to.write(&frame[..length]);
            }
        }
    }
}
