//! A server's network side: a namespace whose `eth0` is a tap, and a thread that carries frames between it and the
//! port's tap, as QEMU would.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};

/// Runs a shell command; what it prints.
pub fn sh(command: &str) -> String {
    let done = Command::new("sh")
        .args(["-c", command])
        .output()
        .expect("sh runs");
    assert!(
        done.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}

pub struct Guest {
    namespace: File,
    stop: Arc<AtomicBool>,
    pump: Option<JoinHandle<()>>,
}

impl Guest {
    /// Plugs a guest into the tap of a port.
    pub fn plug(netns: &str, tap: &str, mac: &str) -> Guest {
        let switch = File::open(format!("/run/netns/{netns}")).expect("the namespace of the taps");
        let outer = within(&switch, || open_tap(tap));
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
            (
                File::open("/proc/thread-self/ns/net").expect("its file"),
                open_tap("eth0"),
            )
        });
        let (namespace, inner) = made.join().expect("a guest");
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let pump = std::thread::spawn(move || carry(&inner, &outer, &told));
        let guest = Guest {
            namespace,
            stop,
            pump: Some(pump),
        };
        guest.within(|| sh(&format!("ip link set eth0 address {mac} up")));
        guest
    }

    /// Runs something in the guest.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.namespace, work)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(pump) = self.pump.take() {
            pump.join().ok();
        }
    }
}

fn within<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).expect("entered");
            work()
        });
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn open_tap(name: &str) -> File {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    // IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, as the plane makes its taps.
    const FLAGS: i16 = 0x0002 | 0x1000 | 0x4000;
    let file = File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .expect("/dev/net/tun");
    let mut request = [0u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&FLAGS.to_ne_bytes());
    // SAFETY: a whole `ifreq`, alive during the call.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) };
    assert_eq!(answer, 0, "{name}: {}", std::io::Error::last_os_error());
    file
}

fn carry(inner: &File, outer: &File, stop: &AtomicBool) {
    let mut frame = vec![0; 70_000];
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [inner, outer].map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN));
        if poll(&mut fds, PollTimeout::from(20u8)).unwrap_or(0) == 0 {
            continue;
        }
        let ready = [0, 1].map(|at| fds[at].any().unwrap_or(false));
        for (ready, mut from, mut to) in [(ready[0], inner, outer), (ready[1], outer, inner)] {
            if ready && let Ok(length) = from.read(&mut frame) {
                // A device that is down refuses frames, as a cable that is not plugged in.
                to.write_all(&frame[..length]).ok();
            }
        }
    }
}
