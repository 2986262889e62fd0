//! A raw ICMPv6 socket that hears router solicitations and sends advertisements.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendto,
    setsockopt, socket, sockopt,
};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ICMP6_FILTER: libc::c_int = 1;
const ROUTER_SOLICIT: usize = 133;

/// Opens a socket on a device of the calling thread's namespace.
pub fn open(device: &str, index: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(
        AddressFamily::Inet6,
        SockType::Raw,
        flags,
        SockProtocol::IcmpV6,
    )?;
    // A set bit blocks a type.
    let mut filter = [u32::MAX; 8];
    filter[ROUTER_SOLICIT / 32] &= !(1 << (ROUTER_SOLICIT % 32));
    option(&fd, libc::IPPROTO_ICMPV6, ICMP6_FILTER, &filter)?;
    // Receivers refuse anything that may have passed a router.
    option(&fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, &255i32)?;
    option(&fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &index)?;
    option(&fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, &0i32)?;
    let join = libc::ipv6_mreq {
        ipv6mr_multiaddr: libc::in6_addr {
            s6_addr: ALL_ROUTERS.octets(),
        },
        ipv6mr_interface: index,
    };
    option(&fd, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &join)?;
    setsockopt(&fd, sockopt::BindToDevice, &device.into())?;
    Ok(fd)
}

fn option<T>(fd: &OwnedFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).expect("options are small");
    // SAFETY: `value` is alive and its true size is given; every option used here is plain data.
    let answer = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const *value).cast(),
            length,
        )
    };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Sends a message to every node on the link.
pub fn send_to_all(fd: &OwnedFd, packet: &[u8]) -> io::Result<()> {
    let to = SockaddrIn6::from(std::net::SocketAddrV6::new(ALL_NODES, 0, 0, 0));
    sendto(fd.as_raw_fd(), packet, &to, MsgFlags::empty())?;
    Ok(())
}

/// Takes one message, if there is one.
pub fn receive(fd: &OwnedFd) -> bool {
    recv(fd.as_raw_fd(), &mut [0; 256], MsgFlags::MSG_DONTWAIT).is_ok()
}
