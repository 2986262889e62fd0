//! Opening tap devices that the network service made, also in another network namespace.

use std::ffi::CString;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use hypervisor::{DriverError, Tap};
use nix::sched::{CloneFlags, setns};

/// `_IOW('T', 202, int)`.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;

/// Opens a queue on the device. The frames carry a virtio header, which QEMU strips for cards without it.
///
/// # Errors
/// `Io` when the namespace or the device does not exist, or another guest holds the device.
pub(crate) fn open(tap: &Tap) -> hypervisor::Result<OwnedFd> {
    inside(tap.netns.as_deref(), || attach(&tap.device)).map_err(DriverError::io(
        match &tap.netns {
            Some(netns) => format!("open tap {} in network namespace {netns}", tap.device),
            None => format!("open tap {}", tap.device),
        },
    ))
}

/// Runs `work` in a network namespace, on a thread of its own: a namespace belongs to a thread, and this one ends.
pub(crate) fn inside<T: Send>(
    netns: Option<&str>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let Some(netns) = netns else { return work() };
    let path = if netns.starts_with('/') {
        PathBuf::from(netns)
    } else {
        Path::new("/run/netns").join(netns)
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let file = File::open(&path)?;
            setns(file, CloneFlags::CLONE_NEWNET)?;
            work()
        });
        thread
            .join()
            .unwrap_or_else(|_| Err(Error::other("the thread in the network namespace panicked")))
    })
}

fn attach(device: &str) -> Result<OwnedFd> {
    let name = CString::new(device)?;
    // SAFETY: a valid C string. Asked first, since TUNSETIFF would make a device that does not exist.
    if unsafe { libc::if_nametoindex(name.as_ptr()) } == 0 {
        return Err(Error::new(ErrorKind::NotFound, "no such device"));
    }
    let tun = File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bytes = name.as_bytes();
    if bytes.len() >= request.ifr_name.len() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the device name is too long",
        ));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags =
        (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: the request outlives the call and is of the type that this ioctl reads.
    if unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF, &request) } < 0 {
        return Err(Error::last_os_error());
    }
    Ok(tun.into())
}

/// Counters of one interface, from inside its namespace: bytes, packets, errors, drops of both directions, as the
/// host sees them (what the guest sends is received here).
pub(crate) fn counters(tap: &Tap) -> Option<([u64; 4], [u64; 4])> {
    let text = inside(tap.netns.as_deref(), || {
        std::fs::read_to_string("/proc/thread-self/net/dev")
    })
    .ok()?;
    parse_counters(&text, &tap.device)
}

fn parse_counters(text: &str, device: &str) -> Option<([u64; 4], [u64; 4])> {
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let four = |from: usize| {
        Some([
            *numbers.get(from)?,
            *numbers.get(from + 1)?,
            *numbers.get(from + 2)?,
            *numbers.get(from + 3)?,
        ])
    };
    Some((four(0)?, four(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_that_does_not_exist_is_an_error_and_is_not_made() {
        let tap = Tap {
            device: "tapkn-none".into(),
            netns: None,
        };
        assert!(open(&tap).is_err());
        assert!(!Path::new("/sys/class/net/tapkn-none").exists());
        let tap = Tap {
            device: "tap0".into(),
            netns: Some("kn-no-such-namespace".into()),
        };
        assert!(
            open(&tap)
                .unwrap_err()
                .to_string()
                .contains("kn-no-such-namespace")
        );
    }

    #[test]
    fn counters_are_read_by_column() {
        let text = "Inter-| Receive\n face |bytes\n tap1: 10 2 1 0 0 0 0 0 20 4 0 3 0 0 0 0\n";
        assert_eq!(
            parse_counters(text, "tap1"),
            Some(([10, 2, 1, 0], [20, 4, 0, 3]))
        );
        assert_eq!(parse_counters(text, "tap"), None);
    }
}
