//! Persistent taps.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

const DEVICE: &str = "/dev/net/tun";
/// `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`: whoever opens the tap must ask for the same.
const FLAGS: i16 = 0x0002 | 0x1000 | 0x4000;

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;

/// Makes a persistent tap in the namespace of the calling thread; one that exists is fine.
pub fn create(name: &str) -> io::Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_CLOEXEC)
        .open(DEVICE)?;
    let mut request = interface_request(name)?;
    // SAFETY: `request` is a whole `ifreq` and outlives the call; the kernel writes back only into its name and flags.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a plain integer argument.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETPERSIST, 1) };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A `struct ifreq` with a name and tap flags.
fn interface_request(name: &str) -> io::Result<[u8; 40]> {
    let mut request = [0; 40];
    if name.len() > 15 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&FLAGS.to_ne_bytes());
    Ok(request)
}

/// Turns transmit checksum offload off for a device of the calling thread's namespace: what leaves it carries whole
/// checksums, which some DHCP clients insist on.
pub fn whole_checksums(name: &str) -> io::Result<()> {
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    const ETHTOOL_STXCSUM: u32 = 0x17;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    let value: [u32; 2] = [ETHTOOL_STXCSUM, 0];
    let mut request = interface_request(name)?;
    request[16..24].copy_from_slice(&(value.as_ptr() as usize).to_ne_bytes());
    // SAFETY: `request` holds a name and a pointer to an `ethtool_value`, both alive during the call.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw const request) };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
