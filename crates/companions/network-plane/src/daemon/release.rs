//! Gives back leases on behalf of guests that are gone, so that their addresses are free for others at once.
//!
//! dnsmasq has no command for it; like its own `dhcp_release` we send the message that the guest would have sent.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;

use nix::sys::socket::{setsockopt, sockopt};

use super::confined;
use crate::PlaneError;
use crate::dhcp::{Lease, stale_leases};
use crate::kernel::netns;
use crate::names::DHCP_DEVICE;
use crate::wanted::Network;

/// Releases the leases that no reservation backs. Failing is no harm now: only a later owner of the address would
/// wait, and it is tried again with the next change.
pub fn stale(dir: &Path, hosts: &str, network: &Network, namespace: &File) {
    let leases = confined::read(dir, "leases").unwrap_or_default();
    let stale = stale_leases(&leases, hosts);
    if stale.is_empty() {
        return;
    }
    let servers: Vec<(Lease, Ipv4Addr)> = stale
        .into_iter()
        .filter_map(|lease| server(network, lease.ip).map(|server| (lease, server)))
        .collect();
    let result = netns::inside(namespace, || {
        servers.iter().try_for_each(|(lease, server)| {
            send(lease, *server)
                .map_err(|e| PlaneError::kernel(format!("release the lease of {}", lease.ip), e))
        })
    });
    if let Err(error) = result {
        tracing::warn!(network = network.id, %error, "could not release leases");
    }
}

/// The DHCP server's address in the subnet of a lease.
fn server(network: &Network, ip: Ipv4Addr) -> Option<Ipv4Addr> {
    let subnet = network
        .subnets
        .iter()
        .find(|s| s.cidr.contains(&std::net::IpAddr::V4(ip)))?;
    network
        .dhcp_port
        .iter()
        .flat_map(|p| &p.ips)
        .find_map(|server| match server {
            std::net::IpAddr::V4(v4) if subnet.cidr.contains(server) => Some(*v4),
            _ => None,
        })
}

fn send(lease: &Lease, server: Ipv4Addr) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // Local packets arrive "by" the device that the sender is bound to; dnsmasq looks at that.
    setsockopt(&socket, sockopt::BindToDevice, &DHCP_DEVICE.into())?;
    socket
        .send_to(&packet(lease, server), (server, 67))
        .map(drop)
}

/// A DHCPRELEASE (RFC 2131, section 4.4.6).
fn packet(lease: &Lease, server: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0; 236];
    // BOOTREQUEST, Ethernet, MAC length.
    packet[..3].copy_from_slice(&[1, 1, 6]);
    packet[12..16].copy_from_slice(&lease.ip.octets());
    packet[28..34].copy_from_slice(&lease.mac);
    packet.extend_from_slice(&[99, 130, 83, 99]);
    packet.extend_from_slice(&[53, 1, 7]);
    packet.extend_from_slice(&[54, 4]);
    packet.extend_from_slice(&server.octets());
    if let Ok(length) = u8::try_from(lease.client.len())
        && length > 0
    {
        packet.extend_from_slice(&[61, length]);
        packet.extend_from_slice(&lease.client);
    }
    packet.push(255);
    packet.resize(packet.len().max(300), 0);
    packet
}
