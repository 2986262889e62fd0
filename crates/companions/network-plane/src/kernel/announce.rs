//! Gratuitous ARP: tells the neighbours at once that an address has moved here.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// Broadcasts, from a device of the calling thread's namespace, that `address` is at `mac`.
pub fn announce(index: u32, mac: [u8; 6], address: Ipv4Addr) -> io::Result<()> {
    let fd = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    let packet = request(mac, address);
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = u16::try_from(libc::AF_PACKET).expect("address families are small");
    to.sll_protocol = u16::try_from(libc::ETH_P_ARP)
        .expect("ARP's number has 16 bits")
        .to_be();
    to.sll_ifindex =
        i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    to.sll_halen = 6;
    to.sll_addr[..6].fill(0xff);
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("a small struct");
    // SAFETY: the packet and the address are alive and their true lengths are given.
    let sent = unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const to).cast(),
            length,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// An ARP request for one's own address (RFC 5227 calls it an announcement).
fn request(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend_from_slice(&mac);
    packet.extend_from_slice(&address.octets());
    packet.extend_from_slice(&[0; 6]);
    packet.extend_from_slice(&address.octets());
    packet
}
