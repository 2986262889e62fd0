//! IPv6 router advertisements: how guests learn their prefix and default route.
//!
//! A small sender for each router device with an IPv6 subnet that wants it, a tokio task with a raw socket that was made
//! inside the router's namespace. It answers solicitations and repeats itself; guests keep what they learnt for half an
//! hour, so a restart of this process is not noticed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;

use crate::PlaneError;
use crate::kernel::{icmpv6, netns};
use crate::names;
use crate::wanted::{Ipv6Mode, Network, Router, Wanted};

/// Between advertisements that nobody asked for, after the first few.
const INTERVAL: Duration = Duration::from_secs(60);
/// The first few come quickly (RFC 4861: at most 3, 16 s apart; guests that boot ask anyway).
const QUICK: Duration = Duration::from_secs(4);
/// Seconds that guests keep the default route.
const ROUTER_LIFETIME: u16 = 1800;
/// Seconds that guests keep a prefix, as in radvd.
const VALID: u32 = 86_400;
const PREFERRED: u32 = 14_400;

/// What one router device tells its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    mac: [u8; 6],
    mtu: u32,
    /// Addresses are to be asked of DHCPv6.
    managed: bool,
    /// Other facts are to be asked of DHCPv6.
    other: bool,
    /// Prefixes, and whether guests make their addresses of them.
    prefixes: Vec<(Ipv6Net, bool)>,
    dns: Vec<Ipv6Addr>,
}

/// The adverts of a router, by device.
pub fn adverts(router: &Router, wanted: &Wanted) -> BTreeMap<String, Advert> {
    let mut adverts = BTreeMap::new();
    if !router.admin_up {
        return adverts;
    }
    for interface in &router.interfaces {
        let Some(network) = wanted
            .networks
            .iter()
            .find(|n| n.id == interface.network_id)
        else {
            continue;
        };
        let Ok(mac) = crate::check::mac(&interface.mac) else {
            continue;
        };
        let addresses: Vec<IpNet> = interface.ips.clone();
        if let Some(advert) = advert(network, &addresses, mac) {
            adverts.insert(names::router_interface(&interface.port_id), advert);
        }
    }
    adverts
}

/// `None` where no IPv6 subnet of the device wants advertisements.
fn advert(network: &Network, addresses: &[IpNet], mac: [u8; 6]) -> Option<Advert> {
    let mut advert = Advert {
        mac,
        mtu: network.mtu,
        managed: false,
        other: false,
        prefixes: Vec::new(),
        dns: Vec::new(),
    };
    for subnet in &network.subnets {
        let (IpNet::V6(prefix), Some(mode)) = (subnet.cidr, subnet.ipv6_mode) else {
            continue;
        };
        if !addresses
            .iter()
            .any(|address| subnet.cidr.contains(&address.addr()))
        {
            continue;
        }
        advert.managed |= mode == Ipv6Mode::Dhcpv6Stateful;
        advert.other |= mode == Ipv6Mode::Dhcpv6Stateless;
        advert
            .prefixes
            .push((prefix.trunc(), mode != Ipv6Mode::Dhcpv6Stateful));
        advert
            .dns
            .extend(subnet.dns.iter().filter_map(|ip| match ip {
                std::net::IpAddr::V6(ip) => Some(*ip),
                std::net::IpAddr::V4(_) => None,
            }));
    }
    (!advert.prefixes.is_empty()).then_some(advert)
}

/// The ICMPv6 message (RFC 4861, section 4.2; the kernel fills in the checksum).
fn packet(advert: &Advert) -> Vec<u8> {
    let flags = if advert.managed { 0x80 } else { 0 } | if advert.other { 0x40 } else { 0 };
    let mut packet = vec![134, 0, 0, 0, 64, flags];
    packet.extend_from_slice(&ROUTER_LIFETIME.to_be_bytes());
    packet.extend_from_slice(&[0; 8]);
    packet.extend_from_slice(&[1, 1]);
    packet.extend_from_slice(&advert.mac);
    packet.extend_from_slice(&[5, 1, 0, 0]);
    packet.extend_from_slice(&advert.mtu.to_be_bytes());
    for (prefix, autonomous) in &advert.prefixes {
        packet.extend_from_slice(&[
            3,
            4,
            prefix.prefix_len(),
            if *autonomous { 0xc0 } else { 0x80 },
        ]);
        packet.extend_from_slice(&VALID.to_be_bytes());
        packet.extend_from_slice(&PREFERRED.to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(&prefix.network().octets());
    }
    // The option's length has 8 bits, in units of 8 bytes.
    let dns = &advert.dns[..advert.dns.len().min(3)];
    if !dns.is_empty() {
        let length = u8::try_from(1 + 2 * dns.len()).expect("at most 3 servers");
        packet.extend_from_slice(&[25, length, 0, 0]);
        packet.extend_from_slice(&u32::from(ROUTER_LIFETIME).to_be_bytes());
        dns.iter()
            .for_each(|server| packet.extend_from_slice(&server.octets()));
    }
    packet
}

/// The running senders, by namespace and device.
#[derive(Default)]
pub struct Adverts {
    running: BTreeMap<(String, String), Sender>,
}

struct Sender {
    advert: Advert,
    /// Namespace and device: another one of the same name needs another socket.
    place: (u64, u32),
    stop: CancellationToken,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Adverts {
    /// Makes a device advertise. `true`: something changed.
    pub fn ensure(
        &mut self,
        (namespace, device): (&str, &str),
        advert: &Advert,
        file: &File,
        place: (u64, u32),
    ) -> Result<bool, PlaneError> {
        let key = (namespace.to_owned(), device.to_owned());
        if self
            .running
            .get(&key)
            .is_some_and(|s| s.advert == *advert && s.place == place)
        {
            return Ok(false);
        }
        let socket = netns::inside(file, || {
            icmpv6::open(device, place.1)
                .map_err(|e| PlaneError::kernel(format!("advertise the router on {device}"), e))
        })?;
        let stop = CancellationToken::new();
        let (packet, token) = (packet(advert), stop.clone());
        tokio::spawn(async move {
            if let Err(error) = advertise(socket, &packet, &token).await {
                tracing::warn!(%error, "router advertisements have stopped");
            }
        });
        self.running.insert(
            key,
            Sender {
                advert: advert.clone(),
                place,
                stop,
            },
        );
        Ok(true)
    }

    /// Stops the senders of other devices.
    pub fn retain(&mut self, wanted: impl Fn(&str, &str) -> bool) {
        self.running
            .retain(|(namespace, device), _| wanted(namespace, device));
    }
}

/// Advertises until told to stop. A device that is down or gone is no reason to end: it may come up again, and the
/// next apply sees to one that was replaced.
async fn advertise(socket: OwnedFd, packet: &[u8], stop: &CancellationToken) -> io::Result<()> {
    let socket = register(socket)?;
    let mut sent = 0u32;
    loop {
        if let Err(error) = icmpv6::send_to_all(socket.get_ref(), packet) {
            tracing::debug!(%error, "an advertisement was not sent");
        }
        sent = sent.saturating_add(1);
        let pause = if sent < 4 { QUICK } else { INTERVAL };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
            ready = socket.readable() => {
                let mut ready = ready?;
                while icmpv6::receive(socket.get_ref()) {}
                ready.clear_ready();
                // Many guests that ask at once get one answer, and nobody can make us flood.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn register(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the `AsyncFd` from here on, so it stays open for as long as it is watched.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Advert, packet};

    #[test]
    fn an_advertisement_says_what_the_subnet_wants() {
        let advert = Advert {
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1400,
            managed: false,
            other: true,
            prefixes: vec![("fd01::/64".parse().unwrap(), true)],
            dns: vec!["fd01::53".parse().unwrap()],
        };
        let packet = packet(&advert);
        assert_eq!(packet.len(), 16 + 8 + 8 + 32 + 24);
        assert_eq!(packet[..8], [134, 0, 0, 0, 64, 0x40, 7, 8]);
        assert_eq!(packet[16..24], [1, 1, 2, 0, 0, 0, 0, 1]);
        assert_eq!(packet[24..32], [5, 1, 0, 0, 0, 0, 5, 0x78]);
        assert_eq!(packet[32..36], [3, 4, 64, 0xc0]);
        assert_eq!(packet[48..52], [0xfd, 1, 0, 0]);
        assert_eq!(packet[64..66], [25, 3]);
    }
}
